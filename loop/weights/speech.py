"""How a model directory talks: its chat template and the token that ends a turn, where other programs look for them."""

import json
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from loop.templates.chat_template import chat_template
from loop.templates.render import Renderer
from loop.types import Record

TEMPLATE: Final = "chat_template.jinja"
TOKENIZER: Final = "tokenizer_config.json"
GENERATION: Final = "generation_config.json"
CONFIG: Final = "config.json"


class Speech(Record):
    """What a policy's conversations are rendered with, for programs that know nothing of loopd."""

    template: str
    """A Jinja chat template, the policy's system prompt in it."""
    end: int
    """Id of the token that ends a turn."""
    end_text: str


def speech(base: Path, template: str, system: str) -> Speech:
    """Write a policy's template out.

    Raises:
        ConfigError: the base model has no tokenizer or template, or they do not go together.
    """
    renderer = Renderer.load(base, template)
    end_text = str(renderer.tokenizer.id_to_token(renderer.end))
    return Speech(template=chat_template(renderer, base, system), end=renderer.end, end_text=end_text)


def teach(directory: Path, how: Speech) -> None:
    """Write it into a model directory, in place of what the base model had.

    The end of a turn stands in three files, because each runtime reads another one.
    """
    (directory / TEMPLATE).write_text(how.template, encoding="utf-8")
    _changed(directory / TOKENIZER, {"chat_template": how.template, "eos_token": how.end_text, "add_bos_token": False})
    _changed(directory / GENERATION, {"eos_token_id": how.end})
    _changed(directory / CONFIG, {"eos_token_id": how.end})


def _changed(file: Path, values: dict[str, JsonValue]) -> None:
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(
        json.dumps(settings | values, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
