"""Does a policy behave elsewhere as it was measured here? The same prompts byte for byte, and the same greedy calls.

Rule 15 of the design: exported templates give the same tokens, or the export says what differs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from loop.artifacts.elsewhere import request
from loop.errors import NotFound
from loop.templates.render import Renderer
from loop.types import Catalogue, Message, Record, Trajectory
from loop.weights.job import GGUF

AROUND: Final = 40
"""Characters that are shown on each side of a difference."""
Json = dict[str, JsonValue]
Engine = Callable[[list[Json], list[Json]], str]
"""Renders messages and tools to a prompt."""


class Difference(Record):
    """A prompt that is another one elsewhere."""

    task: str
    step: int
    """Which answer of the play it asks for, from 0."""
    place: int
    """The first character that differs."""
    here: str
    there: str


class PlayComparison(Record):
    """Two plays of one task: here and elsewhere."""

    task: str
    first_same: bool
    """Whether both begin with the same calls, or both without one."""
    all_same: bool
    passed_here: bool
    passed_there: bool
    failure: str = ""
    """Why it could not be played elsewhere."""
    tokens: int = 0
    """Of all prompts of the play elsewhere, as they are rendered here."""
    counted: int = 0
    """The same as the other program counted them; 0 where it did not."""


def engine(out: Path) -> Engine:
    """Find what renders prompts for an exported directory.

    transformers where there is a tokenizer, as mlx-lm and vLLM do; else Jinja with the template alone.

    Raises:
        NotFound: there is no chat template.
    """
    if (out / "tokenizer_config.json").is_file():
        return _transformers(out)
    template = out / "chat_template.jinja"
    source = template.read_text(encoding="utf-8") if template.is_file() else _in_gguf(out)
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)
    return lambda messages, tools: made.render(messages=messages, tools=tools or None, add_generation_prompt=True)


def _transformers(out: Path) -> Engine:
    from transformers import AutoTokenizer  # noqa: PLC0415 - seconds, and only for this

    tokenizer = AutoTokenizer.from_pretrained(str(out), local_files_only=True, trust_remote_code=False)

    def render(messages: list[Json], tools: list[Json]) -> str:
        return str(
            tokenizer.apply_chat_template(messages, tools=tools or None, add_generation_prompt=True, tokenize=False)
        )

    return render


def _in_gguf(out: Path) -> str:
    from gguf import GGUFReader  # noqa: PLC0415 - only for this

    if not (out / GGUF).is_file():
        raise NotFound(f"{out} has no chat template. Name a directory that `loopd model export` made.")
    field = GGUFReader(out / GGUF).get_field("tokenizer.chat_template")
    if field is None:
        raise NotFound(f"{out / GGUF} has no chat template.")
    return str(field.contents())


def prompts(
    renderer: Renderer, render: Engine, system: str, plays: Iterable[Trajectory]
) -> Iterator[Difference | None]:
    """Compare every prompt of these plays: None where both are the same."""
    for play in plays:
        for step, (messages, offered) in enumerate(_asked(play)):
            here = renderer.tokenizer.decode(list(renderer.prompt(messages, offered)), skip_special_tokens=False)
            there = render(*request(messages, offered, renderer.template, system))
            yield None if here == there else _difference(play.task, step, here, there)


def _asked(play: Trajectory) -> Iterator[tuple[Sequence[Message], Catalogue]]:
    """Give what the player was told before each of its answers, and the tools on offer by then."""
    for index, message in enumerate(play.messages):
        if message.role == "assistant":
            later = {name for message in play.messages[index:] for name in message.adds}
            tools = tuple(tool for tool in play.catalogue.tools if tool.name not in later)
            yield play.messages[:index], Catalogue(tools=tools)


def _difference(task: str, step: int, here: str, there: str) -> Difference:
    pairs = zip(here, there, strict=False)
    position = next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(here), len(there)))
    shown = slice(max(position - AROUND, 0), position + AROUND)
    return Difference(task=task, step=step, place=position, here=here[shown], there=there[shown])


def compare(
    here: Trajectory, there: Trajectory, passed: Callable[[Trajectory], bool], renderer: Renderer | None = None
) -> PlayComparison:
    """Compare a play here with the same one elsewhere; where there is a renderer, the tokens of its prompts too."""
    mine, theirs = (
        [message.calls for message in play.messages if message.role == "assistant"] for play in (here, there)
    )
    return PlayComparison(
        task=here.task,
        first_same=bool(mine) and mine[:1] == theirs[:1],
        all_same=mine == theirs,
        passed_here=passed(here),
        passed_there=passed(there),
        failure=there.failure.message if there.failure else "",
        tokens=sum(len(renderer.prompt(*asked)) for asked in _asked(there)) if renderer else 0,
        counted=there.usage.prompt_tokens,
    )
