"""Make of a policy what other programs load: `python -m loop.weights.export`, a job as JSON on standard input.

What comes out needs nothing of loopd, and talks as the policy does: its template, its system prompt and the end of its
turns stand where each program looks for them. What differs all the same is said in EXPORT.md.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import dequantize_model
from numpy.typing import NDArray
from pydantic import ValidationError

from loop.errors import CannotCreate, LoopdError, Unsafe
from loop.templates.render import Renderer
from loop.types import Precision
from loop.weights import adapters, base_models, gguf_file, peft
from loop.weights.base_models import MANIFEST, publish
from loop.weights.job import EXPORTED, GGUF, ExportJob, Target
from loop.weights.loading import BITS, GROUP, load, quantized
from loop.weights.modelfile import differences, modelfile
from loop.weights.speech import CONFIG, TEMPLATE, Speech, speech, teach

LEFT_OUT: Final = frozenset({MANIFEST, "model.safetensors.index.json"})
"""Files of the base that would be wrong beside the merged weights."""
ROUNDING: Final = ("quantization", "quantization_config")


def export(job: ExportJob) -> Path:
    """Make the directory, whole or not at all.

    Raises:
        ConfigError: base model and template do not go together.
        Unsafe: the adapter does not fit, or the target cannot hold this model.
        CannotCreate: the directory exists, or cannot be written.
    """
    if job.out.exists():
        raise CannotCreate(f"{job.out} exists. Name a directory that does not.")
    if not job.fuse and job.to not in {Target.MLX, Target.PEFT}:
        raise Unsafe(f"For {job.to} the adapter has to be merged into the base model: leave out --no-fuse.")
    renderer = Renderer.load(job.base, job.template)
    how = speech(job.base, job.template, job.system)

    def fill(directory: Path) -> None:
        TARGETS[job.to](job, directory, how)
        for name, text in {**job.documents, **_about(job, renderer)}.items():
            (directory / name).write_text(text, encoding="utf-8")

    return publish(job.out, fill, source=_source(job.base, job.adapter))


def fuse(base: Path, adapter: Path | None, target: Path, precision: Precision = Precision.BASE) -> Path:
    """Merge an adapter, where there is one, into its base model, round the result as the policy does, and publish it.

    The result talks as the base model does.

    Raises:
        NotFound: there is no such adapter.
        Unsafe: the adapter does not fit, or the base is quantized, where merging would round the adapter away.
        CannotCreate: the target exists, or cannot be written.
    """
    if target.exists():
        raise CannotCreate(f"{target} exists. Name a directory that does not.")
    model = _merged(base, adapter, precision)
    return publish(target, lambda directory: _fill(directory, base, model, precision), source=_source(base, adapter))


def _source(base: Path, adapter: Path | None) -> str:
    return " + ".join(place.name for place in (base, adapter) if place is not None)


def _merged(base: Path, adapter: Path | None, precision: Precision) -> Any:  # noqa: ANN401 - an mlx-lm model
    model = load(base, adapter, precision)
    if precision is Precision.BASE and adapter is not None and quantized(model):
        raise Unsafe(f"{base} is quantized: an adapter cannot be merged into it. Serve the two side by side.")
    return model


def _fill(directory: Path, base: Path, model: Any, precision: Precision) -> None:  # noqa: ANN401 - as above
    _copy_settings(base, directory)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(directory / "model.safetensors"), weights, {"format": "mlx"})
    if precision is not Precision.BASE:
        _tell_rounding(directory / CONFIG, precision)


def _copy_settings(base: Path, directory: Path) -> None:
    for file in base.iterdir():
        if file.suffix in {".json", ".jinja", ".txt", ".md"} and file.name not in LEFT_OUT:
            shutil.copyfile(file, directory / file.name)


def _tell_rounding(config: Path, precision: Precision) -> None:
    """Say in the model's configuration how its weights are rounded, as mlx-lm's own conversion does."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    rounding = {"group_size": GROUP, "bits": BITS[precision], "mode": "affine"}
    config.write_text(json.dumps(settings | dict.fromkeys(ROUNDING, rounding), indent=4), encoding="utf-8")


def _mlx(job: ExportJob, directory: Path, how: Speech) -> None:
    if not job.fuse:
        for name in adapters.verify(_adapter(job), base_models.known_digest(job.base)).files:
            shutil.copyfile(_adapter(job) / name, directory / name)
        (directory / TEMPLATE).write_text(how.template, encoding="utf-8")
        return
    _fill(directory, job.base, _merged(job.base, job.adapter, job.precision), job.precision)
    teach(directory, how)


def _hf(job: ExportJob, directory: Path, how: Speech) -> None:
    _copy_settings(job.base, directory)
    model = _plain(job)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(directory / "model.safetensors"), weights, {"format": "pt"})
    settings = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    kind = str(next(iter(weights.values())).dtype).removeprefix("mlx.core.")
    plain = {name: value for name, value in settings.items() if name not in ROUNDING} | {"torch_dtype": kind}
    (directory / CONFIG).write_text(json.dumps(plain, indent=1), encoding="utf-8")
    teach(directory, how)


def _plain(job: ExportJob) -> Any:  # noqa: ANN401 - an mlx-lm model
    """Give the model without rounding: numbers that were rounded stay what rounding made of them."""
    model = _merged(job.base, job.adapter, job.precision)
    return dequantize_model(model) if quantized(model) else model


def _peft(job: ExportJob, directory: Path, how: Speech) -> None:
    adapters.verify(_adapter(job), base_models.known_digest(job.base))
    config = json.loads((job.base / CONFIG).read_text(encoding="utf-8"))
    if set(ROUNDING) & config.keys():
        raise Unsafe(f"{job.base} is quantized in MLX's way, which PEFT does not read: serve it with mlx-lm.")
    _copy_settings(job.base, directory)
    peft.write(_adapter(job), directory, job.source, config["num_hidden_layers"])
    teach(directory, how)
    (directory / CONFIG).unlink()  # of the base model, which lies elsewhere


def _adapter(job: ExportJob) -> Path:
    """Give the adapter of a policy that is nothing but its base model and an adapter.

    Raises:
        Unsafe: it is something else.
    """
    if job.adapter is None:
        raise Unsafe("This policy has no adapter: leave out --no-fuse, or use --to hf.")
    if job.precision is not Precision.BASE:
        raise Unsafe(
            f"This policy is served in {job.precision}, which an adapter cannot express: use --to mlx or --to hf."
        )
    return job.adapter


def _gguf(job: ExportJob, directory: Path, how: Speech) -> None:
    weights = {name: _float32(value) for name, value in tree_flatten(_plain(job).parameters())}
    gguf_file.write(directory / GGUF, job.base, weights, how, job.quant)


def _float32(value: mx.array) -> NDArray[np.float32]:
    return np.array(value.astype(mx.float32))


def _ollama(job: ExportJob, directory: Path, how: Speech) -> None:
    _gguf(job, directory, how)
    config = json.loads((job.base / CONFIG).read_text(encoding="utf-8"))
    template = Renderer.load(job.base, job.template).template
    written = modelfile(template, how, job.system, config["max_position_embeddings"])
    (directory / "Modelfile").write_text(written, encoding="utf-8")


TARGETS: Final[Mapping[Target, Callable[[ExportJob, Path, Speech], None]]] = {
    Target.MLX: _mlx,
    Target.HF: _hf,
    Target.PEFT: _peft,
    Target.GGUF: _gguf,
    Target.OLLAMA: _ollama,
}
SERVED_BY: Final = {
    Target.MLX: "mlx_lm.server --model DIRECTORY",
    Target.HF: "vllm serve DIRECTORY --enable-auto-tool-choice --tool-call-parser hermes",
    Target.PEFT: "vllm serve BASE --enable-lora --lora-modules loopd=DIRECTORY --chat-template DIRECTORY/" + TEMPLATE,
    Target.GGUF: "llama-server -m DIRECTORY/model.gguf --jinja",
    Target.OLLAMA: "ollama create NAME -f DIRECTORY/Modelfile",
}


def _about(job: ExportJob, renderer: Renderer) -> dict[str, str]:
    settings = job.model_dump(
        mode="json", include={"to", "policy", "template", "system", "precision", "quant", "source"}
    )
    return {EXPORTED: json.dumps(settings, indent=1, sort_keys=True) + "\n", "EXPORT.md": _described(job, renderer)}


def _described(job: ExportJob, renderer: Renderer) -> str:
    return "\n".join([
        f"# For {job.to}", "",
        f"Policy `{job.policy[:16]}` with template `{job.template}`. Serve it:", "",
        f"    {SERVED_BY[job.to]}", "",
        "The chat template holds the policy's system prompt: leave the system message out, or give another one.",
        "Greedy decoding (temperature 0) is how it was measured. What differs from the policy's own prompts:", "",
        *(f"- {differ}." for differ in _differs(job, renderer)), "",
        f"`loopd model parity DIRECTORY {job.policy[:12] or 'POLICY'}` compares prompts and answers.", "",
    ])  # fmt: skip


def _differs(job: ExportJob, renderer: Renderer) -> list[str]:
    lines = [
        "text of a message that spells a special token is that token here; loopd reads it as text",
        "a call that the model spelled in another way than it was taught is spelled as taught from then on",
        "a tool that comes later in a conversation has to be told in a message, as `loopd dataset export` does",
    ]
    if pad := getattr(renderer.template, "pad", ""):
        lines.append(f"strings in arguments come with {pad!r} before them: take it away before a tool gets them")
    if job.to in {Target.GGUF, Target.OLLAMA} and job.quant != "f16":
        lines.append(f"weights are rounded to {job.quant}: answers may differ")
    return lines + (list(differences(renderer.template)) if job.to is Target.OLLAMA else [])


def main() -> int:
    """Print the directory as one JSON line; 0 if it was made."""
    try:
        made = export(ExportJob.model_validate_json(sys.stdin.read()))
    except (LoopdError, ValidationError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent shows it
        return error.exit_code if isinstance(error, LoopdError) else 1
    print(json.dumps({"path": str(made)}), flush=True)  # noqa: T201 - the parent reads it
    return 0


if __name__ == "__main__":
    sys.exit(main())
