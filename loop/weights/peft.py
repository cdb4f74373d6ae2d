"""An adapter in PEFT's layout, as transformers and vLLM load it beside the base model.

mlx-lm computes `x W^T + scale (x A) B`, PEFT `x W^T + alpha/r (x A^T) B^T`: the matrices are transposed, and alpha is
the scale times the rank.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import mlx.core as mx

from loop.errors import Unsafe
from loop.weights import adapters

NAME: Final = re.compile(r"(?P<module>model\.layers\.(?P<layer>\d+)\.(?P<key>[\w.]+))\.lora_(?P<side>[ab])")


def write(adapter: Path, directory: Path, base: str, layers: int) -> None:
    """Write a verified adapter into a directory.

    Args:
        adapter: the published adapter.
        directory: where to.
        base: what the base model is called: a hub id, or its directory.
        layers: how many the base model has.

    Raises:
        Unsafe: it is no plain LoRA adapter of linear layers.
    """
    settings: dict[str, Any] = json.loads((adapter / adapters.SETTINGS).read_text(encoding="utf-8"))
    if settings.get("fine_tune_type") != "lora":
        raise Unsafe(f"{adapter} is {settings.get('fine_tune_type')}, and PEFT's layout is for LoRA: use --to hf.")
    matched = {name: (NAME.fullmatch(name), value) for name, value in _tensors(adapter).items()}
    strange = [name for name, (match, _) in matched.items() if match is None]
    if strange:
        raise Unsafe(f"{adapter}: {strange[0]} has no place in PEFT's layout: use --to hf.")
    named = {match: value for match, value in matched.values() if match is not None}
    weights = {
        f"base_model.model.{match['module']}.lora_{match['side'].upper()}.weight": mx.contiguous(value.T)
        for match, value in named.items()
    }
    mx.save_safetensors(str(directory / "adapter_model.safetensors"), weights, {"format": "pt"})
    keys, numbers = {match["key"] for match in named}, {int(match["layer"]) for match in named}
    config = _settings(settings["lora_parameters"], base, keys, sorted(numbers) if len(numbers) < layers else None)
    (directory / "adapter_config.json").write_text(
        json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def _tensors(adapter: Path) -> dict[str, mx.array]:
    loaded = mx.load(str(adapter / adapters.WEIGHTS))
    assert isinstance(loaded, dict), "a safetensors file holds tensors by name"
    return loaded


def _settings(lora: dict[str, Any], base: str, keys: set[str], layers: list[int] | None) -> dict[str, Any]:
    hub, _, revision = base.partition("@")
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": hub,
        "revision": revision or None,
        "r": lora["rank"],
        "lora_alpha": lora["scale"] * lora["rank"],
        "lora_dropout": 0.0,
        "target_modules": sorted({key.rpartition(".")[2] for key in keys}),
        "layers_to_transform": layers,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
