"""What `loopd model export` asks of its child."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from loop.types import Precision, Record

GGUF: Final = "model.gguf"
EXPORTED: Final = "loopd_export.json"
"""What was exported, for `loopd model parity`."""
Quant = Literal["f16", "q8_0", "q4_0"]


class Target(StrEnum):
    """Whom it is for."""

    MLX = "mlx"
    HF = "hf"
    PEFT = "peft"
    GGUF = "gguf"
    OLLAMA = "ollama"


class ExportJob(Record):
    """What is exported, and how."""

    to: Target
    base: Path
    """Directory of the base model."""
    source: str
    """What the base model is called elsewhere: a hub id with its revision, or its directory."""
    adapter: Path | None = None
    precision: Precision = Precision.BASE
    template: str
    system: str = ""
    fuse: bool = True
    """Whether the adapter is merged into the base model; alone it goes to mlx and peft only."""
    quant: Quant = "q8_0"
    """Of a GGUF file's matrices."""
    policy: str = ""
    """`Policy.id`."""
    documents: Mapping[str, str] = {}
    """Further texts by file name, such as the policy's cards."""
    out: Path
    """A directory that does not exist yet."""
