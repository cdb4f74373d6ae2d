"""The native template: the chat template that the model came with (Qwen3 and others in the Hermes style).

A template is a program from outside. It runs in Jinja's immutable sandbox, without a clock, and a model is only
accepted after its template ended in time in a child process: `python -m loop.student.native DIR`.

Spans are found by rendering one message more at a time: what a message adds must be an exact continuation of what was
there, which is what makes serving step by step and training on the whole the same tokens.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue
from tokenizers import Tokenizer

from loop.canonical import clean
from loop.errors import ConfigError, LoopdError, Unsafe
from loop.student.parse import Parsed, parse
from loop.student.spans import Span, ordered
from loop.types import Call, Catalogue, Message, Tool

Json = dict[str, JsonValue]
MAX_RENDERED: Final = 4_000_000
"""Characters of one rendered conversation."""


class Native:
    """Renders with the model's own chat template."""

    def __init__(self, tokenizer: Tokenizer, source: str, settings: Json) -> None:
        """Compile the template.

        Args:
            tokenizer: the model's.
            source: the template's text.
            settings: tokenizer_config.json, for the special tokens.

        Raises:
            Unsafe: the template is no Jinja template.
        """
        tokenizer.encode_special_tokens = False
        self.tokenizer = tokenizer
        self.known = {name: _token(settings.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
        self.end_text = self.known["eos_token"]
        self.end = int(tokenizer.token_to_id(self.end_text) or 0)
        self.special = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
        try:
            self.template = _environment().from_string(source)
        except TemplateError as error:
            raise Unsafe(f"The chat template is broken: {error}") from error

    @classmethod
    def load(cls, directory: Path, tokenizer: Tokenizer) -> "Native":
        """Read the template of a model directory.

        Raises:
            ConfigError: there is none.
            Unsafe: it is broken.
        """
        settings = _settings(directory)
        separate = directory / "chat_template.jinja"
        source = separate.read_text(encoding="utf-8") if separate.is_file() else settings.get("chat_template")
        if not isinstance(source, str):
            raise ConfigError(f"{directory} has no chat template: use the template 'compact'.")
        return cls(tokenizer, source, settings)

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[Span]:
        """Give the spans of each message; results that follow each other are one.

        Raises:
            Unsafe: the template rewrites what it said before.
        """
        tools, written = self._outside(messages, catalogue)
        text = ""
        for first, last in _units(messages):
            before = self._render(written[:first], tools, ask=True) if messages[first].role == "assistant" else text
            after = self._render(written[:last], tools, ask=False)
            header, added = _continued(text, before), _continued(before, after)
            if header:
                yield Span(self._encode(header), False, first)
            yield from self._said(first, messages[first], added)
            text = after

    def read(self, text: str, catalogue: Catalogue | None = None) -> Parsed:
        """Read what the student said."""
        return parse(text, catalogue)

    def header(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that ask the assistant to speak."""
        tools, written = self._outside(messages, catalogue)
        so_far = self._render(written, tools, ask=False)
        return self._encode(_continued(so_far, self._render(written, tools, ask=True)))

    def _outside(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[list[Json], list[Json]]:
        later = {name for message in messages for name in message.adds}
        tools = [_tool(tool) for tool in catalogue.tools if tool.name not in later]
        return self._plain(tools), [self._plain(self._wire(message, catalogue)) for message in messages]

    def _said(self, index: int, message: Message, added: str) -> Iterator[Span]:
        if message.role != "assistant":
            yield Span(self._encode(added), False, index)
            return
        body, _, rest = added.rpartition(self.end_text)
        if message.tokens is None:
            yield Span((*self._encode(body), self.end), True, index)
        else:
            yield Span(message.tokens, True, index)
            if message.tokens[-1:] != (self.end,):  # cut by the token limit: the turn ends all the same
                yield Span((self.end,), False, index)
        yield Span(self._encode(rest), False, index)

    def _render(self, messages: Sequence[Json], tools: Sequence[Json], *, ask: bool) -> str:
        if not messages:
            return ""
        try:
            text = self.template.render(
                messages=messages, tools=tools or None, add_generation_prompt=ask, enable_thinking=False, **self.known
            )
        except (TemplateError, TypeError, ValueError, OverflowError, ArithmeticError, LookupError) as error:
            raise Unsafe(f"The chat template failed: {error}") from error
        if len(text) > MAX_RENDERED:
            raise Unsafe(f"The chat template wrote more than {MAX_RENDERED} characters.")
        return text

    def _wire(self, message: Message, catalogue: Catalogue) -> Json:
        added = [tool for name in message.adds if (tool := catalogue.find(name))]
        lines = "\n".join(json.dumps(_tool(tool), ensure_ascii=False) for tool in added)
        content = message.content + (f"\n\nNew tools:\n{lines}" if lines else "")
        calls: Json = {"tool_calls": [_call(call) for call in message.calls]} if message.calls else {}
        name: Json = {"name": message.name} if message.name else {}
        return {"role": message.role, "content": content, **name, **calls}

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


def _tool(tool: Tool) -> Json:
    parameters = ordered(dict(tool.parameters))
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def _call(call: Call) -> Json:
    return {"type": "function", "function": {"name": call.name, "arguments": ordered(dict(call.arguments))}}


def _token(value: JsonValue) -> str:
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""


def _settings(directory: Path) -> Json:
    try:
        settings = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{directory}/tokenizer_config.json cannot be read: {error}") from error
    return settings if isinstance(settings, dict) else {}


def _environment() -> ImmutableSandboxedEnvironment:
    extensions = ["jinja2.ext.loopcontrols"]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise
    return environment


def _tojson(value: Any, indent: int | None = None) -> str:  # noqa: ANN401 - a filter takes what comes
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def main(directory: Path) -> None:
    """Render a conversation that uses everything.

    Raises:
        LoopdError: the template cannot be used.
    """
    parameters: Json = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    catalogue = Catalogue(tools=(Tool(name="cat", description="Show a file.", parameters=parameters),))
    call = Call(name="cat", arguments={"path": "a"})
    messages = [
        Message(role="system", content="Act."),
        Message(role="user", content="Show a."),
        Message(role="assistant", content="", calls=(call, call)),
        *[Message(role="tool", name="cat", content="{}")] * 2,
        Message(role="assistant", content="Done."),
        Message(role="user", content="Thanks."),
    ]
    template = Native.load(directory, Tokenizer.from_file(str(directory / "tokenizer.json")))
    list(template.spans(messages, catalogue))
    template.header(messages, catalogue)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except LoopdError as refusal:
        sys.exit(str(refusal))
