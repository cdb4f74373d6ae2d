"""The compact templates: one line a tool, in the model's own turns: ten tools and a request stay near 500 tokens.

`spaced` is `compact` with a space before whatever may have to be copied. In a tokenizer of byte-level BPE a word has
other tokens after a quotation mark than after a space: `choir.md` in a sentence is ` choir`, in JSON `cho`, `ir`. To
copy it, a small model has to spell it, and often cannot. With the space both are the same tokens, and fewer.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Final

from pydantic import JsonValue
from tokenizers import Tokenizer

from loop.canonical import NotJson, clean
from loop.canonical import parse as parse_json
from loop.templates import turns
from loop.templates.parse import Parsed, parse
from loop.templates.spans import TokenSpan, assistant_text, each_string
from loop.types import Call, Catalogue, Message, Tool

MAX_DESCRIPTION: Final = 80
"""Characters of a tool's description that are shown."""
MAX_ENUM: Final = 6
"""Values of an argument that are shown."""


EXAMPLES: Final = (
    Call(name="find_book", arguments={"title": "Dune"}),
    Call(name="add_note", arguments={"pages": [3, 4], "text": "read again"}),
)
"""Calls of tools that nobody offers, to show how one is written."""


class Compact:
    """Renders a compact catalogue and turns in the tokens that the model knows (`turns.py`)."""

    pad: ClassVar[str] = ""
    """What stands before every word that may have to be copied."""

    def __init__(self, tokenizer: Tokenizer, examples: int = 0) -> None:
        """Bind a tokenizer.

        Args:
            tokenizer: the model's.
            examples: how many calls the system prompt shows, to say how one is written.

        Raises:
            ConfigError: the vocabulary holds the turns of no family that is known.
        """
        # Text from outside that spells a special token is text, not a turn of the conversation.
        tokenizer.encode_special_tokens = True
        self.tokenizer, self.examples = tokenizer, EXAMPLES[:examples]
        self.turns = turns.of(tokenizer)
        self.start, self.close, self.opening = map(
            self._special, (self.turns.start, self.turns.close, self.turns.opening)
        )
        [self.end] = self._special(self.turns.end)
        self.after = self._encode(self.turns.after)

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[TokenSpan]:
        """Give the system prompt with the catalogue first, then the spans of each message."""
        later = {name for message in messages for name in message.adds}
        offered = [tool for tool in catalogue.tools if tool.name not in later]
        first = 0 if messages and messages[0].role == "system" else -1
        system = self._system(messages[0].content if not first else "", offered)
        yield TokenSpan((*self.opening, *self._turn("system", system)), False, first)
        for index in range(first + 1, len(messages)):
            yield from self._message(index, messages[index], catalogue)

    def header(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:  # noqa: ARG002 - always the same
        """Give the tokens of an assistant's role."""
        return self._header()

    def read(self, text: str, catalogue: Catalogue | None = None) -> Parsed:
        """Read what the student said."""
        return parse(text, catalogue)

    def held(self, catalogue: Catalogue) -> Catalogue:
        """Give the tools whose schemas calls are held to."""
        return catalogue

    def new_tools(self, message: Message, catalogue: Catalogue) -> str:
        """Spell the tools that come with a message, to stand behind its text; empty where none comes."""
        added = [tool for name in message.adds if (tool := catalogue.find(name))]
        return f"\n\nNew tools:\n{_lines(added)}" if added else ""

    def plain(self, call: Call) -> Call:
        """Take away what only this template puts into a call that it is to be read without."""
        return call

    def _system(self, prompt: str, offered: Sequence[Tool]) -> str:
        parts = [prompt] if prompt else []
        if offered:
            parts.append(f"Tools:\n{_lines(offered)}")
        if offered and self.examples:
            parts.append(self.shown())
        return "\n\n".join(parts)

    def shown(self) -> str:
        """Say how calls are written, by example; empty where the template shows none."""
        if not self.examples:
            return ""
        calls = self._spelled(Message(role="assistant", content="", calls=self.examples))
        return f"This is how calls are written:\n{calls}"

    def _spelled(self, message: Message) -> str:
        """Spell a message that nobody sampled from the student."""
        return assistant_text(message) if message.role == "assistant" else message.content

    def _header(self) -> tuple[int, ...]:
        return self._before("assistant", "")

    def _message(self, index: int, message: Message, catalogue: Catalogue) -> Iterator[TokenSpan]:
        if message.role == "assistant":
            yield TokenSpan(self._header(), False, index)
            yield from self._said(index, message)
        else:
            yield TokenSpan(
                self._turn(message.role, self._spelled(message) + self.new_tools(message, catalogue)), False, index
            )

    def _said(self, index: int, message: Message) -> Iterator[TokenSpan]:
        if message.tokens is None:
            yield TokenSpan((*self._encode(self._spelled(message)), self.end), True, index)
        else:
            yield TokenSpan(message.tokens, True, index)
            if message.tokens[-1:] != (self.end,):  # cut by the token limit: the turn ends all the same
                yield TokenSpan((self.end,), False, index)
        yield TokenSpan(self.after, False, index)

    def _turn(self, role: str, content: str) -> tuple[int, ...]:
        return (*self._before(role, content), self.end, *self.after)

    def _before(self, role: str, content: str) -> tuple[int, ...]:
        """Give a turn up to its end. A role without a token behind it is encoded with what follows, as one text."""
        role, said = self.turns.role(role), f"{self.turns.gap}{content}"
        if not self.close:
            return (*self.start, *self._encode(f"{role}{said}"))
        return (*self.start, *self._encode(role), *self.close, *self._encode(said))

    def _special(self, token: str) -> tuple[int, ...]:
        """Give a special token's id; nothing where there is no such token."""
        identity = self.tokenizer.token_to_id(token) if token else None
        return () if identity is None else (identity,)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(clean(text), add_special_tokens=False).ids)


class Spaced(Compact):
    """Renders every word that may have to be copied with a space before it: requests, results, arguments."""

    pad: ClassVar[str] = " "

    def read(self, text: str, catalogue: Catalogue | None = None) -> Parsed:
        """Read what the student said; a string without its space stays as it is."""
        parsed = parse(text, catalogue)
        return parsed.model_copy(update={"calls": tuple(map(self.plain, parsed.calls))})

    def plain(self, call: Call) -> Call:
        """Take away the space before each string."""
        [plain] = _changed([call], _unspaced)
        return plain

    def held(self, catalogue: Catalogue) -> Catalogue:
        """Give the tools with a space before every word that an argument may be."""
        tools = (
            tool.model_copy(update={"parameters": _spaced_values(dict(tool.parameters))}) for tool in catalogue.tools
        )
        return Catalogue(tools=tuple(tools))

    def _spelled(self, message: Message) -> str:
        if message.role == "assistant":
            return assistant_text(message.model_copy(update={"calls": _changed(message.calls, _spaced)}))
        return _result(message.content) if message.role == "tool" else _spaced(message.content)


def _spaced(text: str) -> str:
    return f" {text}"


def _unspaced(text: str) -> str:
    return text.removeprefix(" ")


def _spaced_values(schema: JsonValue) -> JsonValue:
    """Put the space into the literal values of a JSON Schema."""
    if isinstance(schema, list):
        return [_spaced_values(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, JsonValue] = {}
    for word, inner in schema.items():
        if word in {"enum", "const"}:
            made[word] = each_string(inner, _spaced)
        elif word in {"properties", "patternProperties", "$defs", "definitions"} and isinstance(inner, dict):
            made[word] = {name: _spaced_values(value) for name, value in inner.items()}
        else:
            made[word] = _spaced_values(inner)
    return made


def _changed(calls: Sequence[Call], change: Callable[[str], str]) -> tuple[Call, ...]:
    changed = ({name: each_string(value, change) for name, value in call.arguments.items()} for call in calls)
    return tuple(Call(name=call.name, arguments=arguments) for call, arguments in zip(calls, changed, strict=True))


def _result(content: str) -> str:
    try:
        return json.dumps(each_string(parse_json(content), _spaced), ensure_ascii=False)
    except NotJson:
        return _spaced(content)


def _lines(tools: Sequence[Tool]) -> str:
    return "\n".join(signature(tool) for tool in tools)


def signature(tool: Tool) -> str:
    """Spell a tool as one line: `name(arg: type, optional?: type) - what it does`."""
    properties, required = tool.parameters.get("properties"), tool.parameters.get("required")
    kinds = properties if isinstance(properties, dict) else {}
    needed = (
        [name for name in required if isinstance(name, str) and name in kinds] if isinstance(required, list) else []
    )
    # An order that the store keeps: it sorts the keys of objects, but not lists.
    named = [(name, name) for name in needed] + [(f"{name}?", name) for name in sorted(set(kinds) - set(needed))]
    arguments = ", ".join(f"{shown}: {_kind(kinds[name])}" for shown, name in named)
    about = _first_sentence(tool.description)
    return f"{tool.name}({arguments}){f' - {about}' if about else ''}".replace("\n", " ")


def _kind(schema: object) -> str:
    if not isinstance(schema, dict):
        return "any"
    enum = schema.get("enum")
    if isinstance(enum, list) and 0 < len(enum) <= MAX_ENUM:
        return "|".join(json.dumps(value, ensure_ascii=False) for value in enum)
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items'))}[]"
    return str(schema.get("type", "any"))


def _first_sentence(text: str) -> str:
    # BFCL puts the same words about the backend before every tool's own description.
    own = " ".join(text.rsplit("Tool description:", maxsplit=1)[-1].split())
    sentence = own.split(". ", maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= MAX_DESCRIPTION else sentence[:MAX_DESCRIPTION].rsplit(" ", 1)[0]
