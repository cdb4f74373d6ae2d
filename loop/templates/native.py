"""The native template: the chat template that the model came with (Qwen3 and others in the Hermes style).

A template is a program from outside. It runs in Jinja's immutable sandbox, and a model is only accepted after its
template ended in time in a child process and every call that it wrote was read back (`templates/trial.py`). Where a
template shows no tools, the system prompt does.

Spans are found by rendering one message more at a time: what a message adds must be an exact continuation of what was
there, which is what makes serving step by step and training on the whole the same tokens.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import TemplateError
from pydantic import JsonValue
from tokenizers import Tokenizer

from loop.canonical import clean
from loop.dataset import chat_format
from loop.errors import ConfigError, LoopdError, Unsafe
from loop.templates import trial
from loop.templates.parse import Parsed, parse
from loop.templates.sandbox import environment
from loop.templates.spans import TokenSpan
from loop.types import Call, Catalogue, Message

Json = dict[str, JsonValue]
MAX_RENDERED: Final = 4_000_000
"""Characters of one rendered conversation."""


NAMED_TOKENS: Final = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")
"""What templates are given by name."""


class Native:
    """Renders with the model's own chat template."""

    def __init__(self, tokenizer: Tokenizer, source: str, settings: Json) -> None:
        """Compile the template.

        Args:
            tokenizer: the model's.
            source: the template's text.
            settings: tokenizer_config.json, for the special tokens.

        Raises:
            Unsafe: the template is no Jinja template, or ends an assistant's turn with no token of its own.
        """
        tokenizer.encode_special_tokens = False
        self.tokenizer = tokenizer
        self.known = {name: _token(settings.get(name)) for name in NAMED_TOKENS}
        self.special = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
        try:
            self.template = environment().from_string(source)
        except TemplateError as error:
            raise Unsafe(f"The chat template is broken: {error}.") from error
        self.end_text, self.end = self._turn_end()
        self.shows_tools = self._shows_tools()
        self.usual = self._usual()

    @classmethod
    def load(cls, directory: Path, tokenizer: Tokenizer) -> "Native":
        """Read the template of a model directory.

        Raises:
            ConfigError: there is none.
            Unsafe: it is broken, or something that it renders is not read back as it was.
        """
        settings = _settings(directory)
        source = source_of(directory, settings)
        if source is None:
            raise ConfigError(f"{directory} has no chat template. {trial.way_out(tokenizer)}")
        try:
            template = cls(tokenizer, source, settings)
            trial.prove(template)
        except Unsafe as fault:
            raise Unsafe(f"{fault} {trial.way_out(tokenizer)}") from fault
        return template

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[TokenSpan]:
        """Give the spans of each message; results that follow each other are one.

        Raises:
            Unsafe: the template rewrites what it said before.
        """
        tools, written, outside = self._outside(messages, catalogue)
        text = ""
        for first, last in _units(outside):
            message = outside[first]
            before = self._render(written[:first], tools, ask=True) if message.role == "assistant" else text
            after = self._render(written[:last], tools, ask=False)
            header, added = _continued(text, before), _continued(before, after)
            if not first and message.role == "user":
                header, added = self._opening(added, str(written[0]["content"]))
            index = first + len(messages) - len(outside)
            if header:
                yield TokenSpan(self._encode(header), False, index if first else -1)
            yield from self._said(index, message, added)
            text = after

    def read(self, text: str, catalogue: Catalogue | None = None) -> Parsed:
        """Read what the student said; the form that the template itself writes needs no forgiving rule."""
        parsed = parse(text, catalogue)
        needed = tuple(rule for rule in parsed.leniencies if rule not in self.usual)
        return parsed.model_copy(update={"leniencies": needed})

    def new_tools(self, message: Message, catalogue: Catalogue) -> str:
        """Spell the tools that come with a message, to stand behind its text; empty where none comes."""
        return chat_format.new_tools(message, catalogue)

    def plain(self, call: Call) -> Call:
        """Give a call as it is: a model's own template puts nothing into it."""
        return call

    def held(self, catalogue: Catalogue) -> Catalogue:
        """Give the tools whose schemas calls are held to.

        Raises:
            ConfigError: the template writes calls in another form than JSON under `<tool_call>`.
        """
        if self.usual:
            raise ConfigError(
                f"Calls cannot be held to the tools: this model's template writes them as {min(self.usual)}."
            )
        return catalogue

    def header(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that ask the assistant to speak."""
        tools, written, _ = self._outside(messages, catalogue)
        so_far = self._render(written, tools, ask=False)
        return self._encode(_continued(so_far, self._render(written, tools, ask=True)))

    def _turn_end(self) -> tuple[str, int]:
        """Find the token that the template puts behind what an assistant says.

        It need not be the tokenizer's `eos_token`: of many base models that is `<|endoftext|>`, which ends no turn.
        """
        said = "loopd asks"
        text = self._render([{"role": "user", "content": said}, {"role": "assistant", "content": said}], (), ask=False)
        behind = text.rpartition(said)[2].lstrip()
        added = [token.content for token in self.tokenizer.get_added_tokens_decoder().values()]
        known = [token for token in (*added, self.known["eos_token"]) if token and behind.startswith(token)]
        end = max(known, key=len, default="")
        token = self.tokenizer.token_to_id(end)
        if said not in text or token is None:
            way_out = trial.way_out(self.tokenizer)
            raise Unsafe(
                f"The chat template puts no token behind an assistant's turn, so that it never ends. {way_out}"
            )
        return end, int(token)

    def _shows_tools(self) -> bool:
        tools = chat_format.tools((), Catalogue(tools=(trial.SHOW,)))
        text = self._render([{"role": "user", "content": "Hello."}], tools, ask=False)
        return trial.SHOW.name in text

    def _usual(self) -> frozenset[str]:
        """Find the rules without which the template's own form of a call is not read."""
        messages = [trial.PLAY[0], Message(role="assistant", content="", calls=trial.CALLS[1:2])]
        try:
            learned = [span.tokens for span in self.spans(messages, trial.CATALOGUE) if span.loss]
        except Unsafe:
            return frozenset()  # the trial tells what is wrong
        text = self.tokenizer.decode(list(learned[0][:-1]), skip_special_tokens=False)
        return frozenset(parse(text, trial.CATALOGUE).leniencies)

    def _outside(
        self, messages: Sequence[Message], catalogue: Catalogue
    ) -> tuple[list[Json], list[Json], Sequence[Message]]:
        """Spell tools and messages for the template; where it shows no tools, the system prompt holds them."""
        tools = chat_format.tools(messages, catalogue)
        if tools and not self.shows_tools:
            messages, tools = _tools_in_system(messages, tools), []
        written = [self._plain(message) for message in chat_format.messages(messages, catalogue)]
        return self._plain(tools), written, messages

    def _opening(self, text: str, content: str) -> tuple[str, str]:
        """Divide what the first request adds: what all conversations with these tools begin with, and its own turn."""
        place = text.find(content) if content else -1
        turn = max((text.rfind(token, 0, place) for token in self.special), default=-1) if place >= 0 else -1
        return (text[:turn], text[turn:]) if turn > 0 else ("", text)

    def _said(self, index: int, message: Message, added: str) -> Iterator[TokenSpan]:
        if message.role != "assistant":
            yield TokenSpan(self._encode(added), False, index)
            return
        body, _, rest = added.rpartition(self.end_text)
        if message.tokens is None:
            yield TokenSpan((*self._encode(body), self.end), True, index)
        else:
            yield TokenSpan(message.tokens, True, index)
            if message.tokens[-1:] != (self.end,):  # cut by the token limit: the turn ends all the same
                yield TokenSpan((self.end,), False, index)
        yield TokenSpan(self._encode(rest), False, index)

    def _render(self, messages: Sequence[Json], tools: Sequence[Json], *, ask: bool) -> str:
        if not messages:
            return ""
        try:
            text = self.template.render(
                messages=messages, tools=tools or None, add_generation_prompt=ask, enable_thinking=False, **self.known
            )
        except (TemplateError, TypeError, ValueError, OverflowError, ArithmeticError, LookupError) as error:
            raise Unsafe(f"The chat template failed: {error}.") from error
        if len(text) > MAX_RENDERED:
            raise Unsafe(f"The chat template wrote more than {MAX_RENDERED} characters.")
        return text

    def _plain(self, value: Any) -> Any:  # noqa: ANN401 - any JSON, to the same JSON
        """Break what spells a special token: text from outside must not open a turn of the conversation."""
        if isinstance(value, dict):
            return {self._plain(key): self._plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._plain(inner) for inner in value]
        if not isinstance(value, str):
            return value
        text = clean(value)
        for token in self.special:
            text = text.replace(token, f"{token[0]}\u200b{token[1:]}")
        return text

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)


def _tools_in_system(messages: Sequence[Message], tools: Sequence[Json]) -> Sequence[Message]:
    system = messages[0].content if messages and messages[0].role == "system" else None
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    system_message = Message(role="system", content=f"{system}\n\nTools:\n{lines}" if system else f"Tools:\n{lines}")
    return (system_message, *(messages if system is None else messages[1:]))


def _units(messages: Sequence[Message]) -> Iterator[tuple[int, int]]:
    """Group messages: results that follow each other share one turn in many templates."""
    first = 0
    for index in range(1, len(messages) + 1):
        together = index < len(messages) and messages[index].role == messages[index - 1].role == "tool"
        if not together:
            yield first, index
            first = index


def _continued(before: str, after: str) -> str:
    if not after.startswith(before):
        raise Unsafe("The chat template rewrites earlier messages: it cannot be served step by step.")
    return after[len(before) :]


def _token(value: JsonValue) -> str:
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""


def _settings(directory: Path) -> Json:
    try:
        settings = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{directory}/tokenizer_config.json cannot be read: {error}") from error
    return {**_token_map(directory), **settings} if isinstance(settings, dict) else {}


def _token_map(directory: Path) -> Json:
    """Read the special tokens that some models name in a file of their own."""
    try:
        tokens = json.loads((directory / "special_tokens_map.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return tokens if isinstance(tokens, dict) else {}


def source_of(directory: Path, settings: Json | None = None) -> str | None:
    """Give the text of a model's chat template: of several, the one for tools; None where there is none.

    Raises:
        ConfigError: the settings cannot be read.
    """
    for name in ("additional_chat_templates/tool_use.jinja", "chat_template.jinja"):
        if (directory / name).is_file():
            return (directory / name).read_text(encoding="utf-8")
    template_setting = (settings if settings is not None else _settings(directory)).get("chat_template")
    if not isinstance(template_setting, list):
        return template_setting if isinstance(template_setting, str) else None
    named = {
        item["name"]: item["template"]
        for item in template_setting
        if isinstance(item, dict) and {"name", "template"} <= set(item)
    }
    template = named.get("tool_use", named.get("default"))
    return template if isinstance(template, str) else None


def main(directory: Path) -> None:
    """Prove a model's template.

    Raises:
        LoopdError: the template cannot be used.
    """
    Native.load(directory, Tokenizer.from_file(str(directory / "tokenizer.json")))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except LoopdError as refusal:
        sys.exit(str(refusal))
