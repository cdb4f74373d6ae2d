"""`loopd model export`: take a policy to other programs."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from loop.artifacts import cards
from loop.cli import policies, terminal
from loop.cli.access import settings
from loop.errors import LoopdError
from loop.runtime import gpu, paths
from loop.runtime.child import scrubbed
from loop.types import Policy
from loop.weights.job import ExportJob, Quant, Target

Out = Annotated[Path, typer.Argument(help="Output directory; it must not exist.")]
Begins = Annotated[str, typer.Argument(help="champion, or a prefix of a policy id.")]
To = Annotated[Target, typer.Option(help="Target program or format.")]
Fuse = Annotated[bool, typer.Option(help="Merge the adapter into the base model, or export it alone (mlx only).")]
Rounding = Annotated[Quant, typer.Option(help="Quantization of a GGUF file's matrices.")]


def export(
    out: Out, policy: Begins = "champion", *, to: To = Target.MLX, fuse: Fuse = True, quant: Rounding = "q8_0"
) -> None:
    """Export a policy for other programs: weights or adapter, chat template, system prompt and cards."""
    chosen = policies.single(policy)
    documents = cards.files(policies.report_of(chosen.id))
    write(chosen, out.absolute(), documents, to=to, fuse=fuse, quant=quant)
    terminal.say(f"{out}: policy {chosen.id[:16]} for {to}, with its cards. How to serve it: {out}/EXPORT.md")


def write(  # noqa: PLR0913 - what an export is told
    policy: Policy, out: Path, documents: Mapping[str, str], *, to: Target, fuse: bool, quant: Quant
) -> None:
    """Write a policy's weights for another program, in a child: no model code runs here.

    Raises:
        LoopdError: it could not be made; the message is the child's.
    """
    base = policies.base_of(policy)
    job = ExportJob(
        to=to,
        base=base,
        source=_called(settings().student.source, base),
        adapter=paths.find().adapter(policy),
        precision=policy.precision,
        template=policy.template,
        system=policy.system,
        fuse=fuse,
        quant=quant,
        policy=policy.id,
        documents=documents,
        out=out,
    )
    arguments, environment = [sys.executable, "-m", "loop.weights.export"], scrubbed(gpu.preload())
    done = subprocess.run(
        arguments, input=job.model_dump_json(), check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise LoopdError(done.stderr.strip() or f"the export ended with {done.returncode}")


def _called(source: str, base: Path) -> str:
    """Name a base model as other programs find it: by its hub id, or by its directory."""
    hub = source.count("/") == 1 and not Path(source).expanduser().exists()
    return source if hub else str(base)
