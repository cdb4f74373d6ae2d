"""`loopd release`: a directory about a policy that a stranger understands, with its evidence and what is missing."""

import platform
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from loop import plugins
from loop.cli import elsewhere, policies, terminal
from loop.cli.access import Json, reading, settings, show, show_json
from loop.cli.records import store
from loop.config import Config
from loop.control import lease
from loop.errors import CheckNegative
from loop.release import competitors, declarations, directory
from loop.release.competitors import Comparison
from loop.release.declarations import Declarations
from loop.release.documents import RELEASE, SCHEMA, documents, summary
from loop.release.evidence import ReleaseEvidence, gather
from loop.release.judgement import ReleaseJudgement, judge
from loop.release.measuring import peak_gb, time_answers
from loop.release.pages.site import INDEX, MARKER, Artifact, site
from loop.release.pages.site import SCHEMA as PAGES
from loop.release.performance import MEASURED, Alone
from loop.release.runs.render import render
from loop.release.states import WITH_WEIGHTS
from loop.runtime import gpu, lock, paths
from loop.store import Store
from loop.types import Player, Policy, Split, Task, TaskGenerator
from loop.weights.base_models import MANIFEST
from loop.weights.job import Quant, Target

WRITE: Final = "write"


class PolicyFirst(TyperGroup):
    """Takes a first word that is no command for a policy."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer brings a click of its own
        """Put the command's name in front where it was left out."""
        first = args[0] if args else "--help"
        named = first in self.commands or first in ctx.help_option_names
        return super().parse_args(ctx, args if named else [WRITE, *args])


app = typer.Typer(
    cls=PolicyFirst,
    add_completion=False,
    help="Write a release (POLICY --out DIR), measure a policy, or index all releases.",
    no_args_is_help=True,
)
Begins = Annotated[str, typer.Argument(help="champion, or a prefix of a policy id.")]
Out = Annotated[Path, typer.Option(help="Output directory. One made by this command is replaced.")]
MetadataOnly = Annotated[bool, typer.Option("--metadata-only", help="Omit the weights.")]
Declare = Annotated[
    Path | None, typer.Option(help="Declarations only you can make: author, licences, intended use (TOML or JSON).")
]
Compare = Annotated[Path | None, typer.Option(help="Other systems to compare with, each labelled (TOML or JSON).")]
Tasks = Annotated[int, typer.Option(min=1, max=1000, help="Training tasks to play, one at a time.")]
To = Annotated[Target, typer.Option(help="Target program or format of the weights.")]
Rounding = Annotated[Quant, typer.Option(help="Quantization of a GGUF file's matrices.")]


@app.command(WRITE)
def write(  # noqa: PLR0913 - the options of a command
    policy: Begins = "champion",
    *,
    out: Out,
    metadata_only: MetadataOnly = False,
    declare: Declare = None,
    compare: Compare = None,
    to: To = Target.MLX,
    quant: Rounding = "q8_0",
    as_json: Json = False,
) -> None:
    """Write a policy's release: model card, evidence, data card, lock file, and weights if its state allows."""
    directory.check(out, RELEASE, SCHEMA)
    chosen = policies.single(policy)
    evidence = evidence_of(chosen, declare, compare)
    judged = judge(evidence, weights=not metadata_only)
    if not metadata_only and judged.state not in WITH_WEIGHTS:
        why = f"The state is {judged.state}: {judged.ground}. Nobody is handed such weights as a release"
        raise CheckNegative(
            f"{why}. Write the report alone: loopd release {chosen.id[:12]} --out {out} --metadata-only"
        )
    with directory.replacing(out, RELEASE, SCHEMA) as building:
        if not metadata_only:
            _add_weights(chosen, building, to, quant)
        directory.fill(building, documents(evidence, judged))
        directory.seal(building)
    _tell(evidence, judged, out, as_json=as_json)


@app.command()
def measure(policy: Begins = "champion", *, tasks: Tasks = 24, as_json: Json = False) -> None:
    """Measure a policy's latency, tokens per second and peak memory, and store them. The daemon must not be running."""
    subject, configured, home = policies.single(policy), settings(), paths.find().create()
    base = policies.base_of(subject)
    with lock.hold(home.data), gpu.Gpu(home.run, home.logs, home.scratch) as owner:
        with owner.serving(
            base, template=subject.template, adapter=home.adapter(subject), precision=subject.precision
        ) as served:
            part = gpu.addressed(configured.student.part(0.0), served, subject.id)
            player: Player = plugins.load("teachers", part)
            chosen = _training_tasks(configured, tasks)
            timed = time_answers(player, chosen, system=subject.system, rule=configured.rule, seed=configured.seed)
            peak = peak_gb(served.url, served.token_file)
            device = f"{served.ready.words}, {platform.machine()} {platform.system()}"
        measured = {"policy": subject.id, "device": device, "peak_gb": peak, "seed": configured.seed}
        alone = Alone.of(timed, **measured)
        with store() as opened, lease.hold(opened, home.data):
            opened.events.record(MEASURED, **alone.model_dump(mode="json"))
    show([alone.model_dump(mode="json")], as_json=as_json)


def _training_tasks(configured: Config, most: int) -> list[Task]:
    """Make tasks of the training split, of every generator in turn: no suite is looked at for its speed."""
    generators: list[TaskGenerator] = [plugins.load("task_generators", part) for part in configured.sampling.generators]
    made = []
    for seed in range(most):
        generator = generators[seed % len(generators)]
        arm = generator.arms[seed // len(generators) % len(generator.arms)]
        made.append(generator.make(arm, seed, Split.TRAIN))
    return made


@app.command()
def index(*, out: Out, declare: Declare = None) -> None:
    """Write static pages about every policy and round: index, figures, blockers, evidence. No scripts."""
    directory.check(out, MARKER, PAGES)
    declared = declarations.read(declare, Declarations).model_copy(update={"title": "", "parked": ""})
    with store() as opened:
        entries = [gather_one(opened, policy, declared) for policy, _ in opened.policies.all()]
        numbers = [rnd.id for rnd in opened.rounds.all()]
    with reading() as ask:
        runs = [render(ask, number) for number in reversed(numbers)]
    artifacts = [Artifact(evidence, judge(evidence)) for evidence in entries]
    with directory.replacing(out, MARKER, PAGES) as building:
        directory.fill(building, site(artifacts, runs))
    terminal.say(f"{out / INDEX}: {len(artifacts)} policies, {len(runs)} rounds.")


def evidence_of(policy: Policy, declare: Path | None, compare: Path | None) -> ReleaseEvidence:
    """Gather a policy's evidence, with what its owner declares; other systems are checked against it."""
    declared = declarations.read(declare, Declarations)
    rows = declarations.read(compare, Comparison).competitors
    with store() as opened:
        evidence = gather_one(opened, policy, declared).model_copy(update={"competitors": rows})
    competitors.check(rows, evidence.setups)
    return evidence


def gather_one(opened: Store, policy: Policy, declared: Declarations | None = None) -> ReleaseEvidence:
    """Gather one policy's evidence under this home's settings."""
    return gather(opened, policy, settings().student.source, paths.find().models, declared=declared)


def _add_weights(policy: Policy, building: Path, to: Target, quant: Quant) -> None:
    """Put the exported weights at the top, where the hub's programs look for them."""
    within = building / "weights"
    elsewhere.write(policy, within, {}, to=to, fuse=True, quant=quant)
    (within / MANIFEST).unlink()
    for path in within.iterdir():
        path.rename(building / path.name)
    within.rmdir()


def _tell(evidence: ReleaseEvidence, judged: ReleaseJudgement, out: Path, *, as_json: bool) -> None:
    if as_json:
        show_json({**summary(evidence, judged), "out": str(out)})
        return
    terminal.say(f"{out}: {judged.state}: {judged.ground}.\n{judged.sentence}")
    for blocker in judged.blockers:
        terminal.say(f"{'blocker' if blocker.bars else 'caveat'}: {blocker.what}. {blocker.unblock}")
    terminal.say(f"Next: {judged.next_action}")
