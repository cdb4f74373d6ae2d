"""Make a plain model directory of a policy: `python -m loop.weights.export --base DIR --adapter DIR --out DIR`.

What comes out needs nothing of loopd: any program that reads mlx-lm's or Hugging Face's layout can serve it.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from loop.errors import CannotCreate, LoopdError, Unsafe
from loop.types import Precision
from loop.weights.base_models import MANIFEST, publish
from loop.weights.loading import BITS, GROUP, load, quantized

LEFT_OUT = frozenset({MANIFEST, "model.safetensors.index.json"})
"""Files of the base that would be wrong beside the merged weights."""


def fuse(base: Path, adapter: Path | None, target: Path, precision: Precision = Precision.BASE) -> Path:
    """Merge an adapter, where there is one, into its base model, round the result as the policy does, and publish it.

    Raises:
        NotFound: there is no such adapter.
        Unsafe: the adapter does not fit, or the base is quantized, where merging would round the adapter away.
        CannotCreate: the target exists, or cannot be written.
    """
    if target.exists():
        raise CannotCreate(f"{target} exists. Name a directory that does not.")
    model = load(base, adapter, precision)
    if precision is Precision.BASE and quantized(model):
        raise Unsafe(f"{base} is quantized: an adapter cannot be merged into it. Serve the two side by side.")
    source = " + ".join(place.name for place in (base, adapter) if place is not None)
    return publish(target, lambda directory: _fill(directory, base, model, precision), source=source)


def _fill(directory: Path, base: Path, model: Any, precision: Precision) -> None:  # noqa: ANN401 - an mlx-lm model
    for file in base.iterdir():
        if file.suffix in {".json", ".jinja", ".txt", ".md"} and file.name not in LEFT_OUT:
            shutil.copyfile(file, directory / file.name)
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(directory / "model.safetensors"), weights, {"format": "mlx"})
    if precision is not Precision.BASE:
        _tell_rounding(directory / "config.json", precision)


def _tell_rounding(config: Path, precision: Precision) -> None:
    """Say in the model's configuration how its weights are rounded, as mlx-lm's own conversion does."""
    told = json.loads(config.read_text(encoding="utf-8"))
    rounding = {"group_size": GROUP, "bits": BITS[precision], "mode": "affine"}
    told |= {"quantization": rounding, "quantization_config": rounding}
    config.write_text(json.dumps(told, indent=4), encoding="utf-8")


def main(argv: list[str]) -> int:
    """Print the directory as one JSON line; 0 if it was made."""
    parser = argparse.ArgumentParser(prog="loop.weights.export", description=(__doc__ or "").splitlines()[0])
    for name in ("--base", "--adapter", "--out"):
        parser.add_argument(name, type=Path, required=name != "--adapter")
    parser.add_argument("--precision", type=Precision, default=Precision.BASE)
    options = parser.parse_args(argv)
    try:
        made = fuse(options.base, options.adapter, options.out, options.precision)
    except LoopdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent logs it
        return error.exit_code
    print(json.dumps({"path": str(made)}), flush=True)  # noqa: T201 - the parent reads it
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
