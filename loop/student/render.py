"""Turn a conversation into tokens, the same ones for serving and for training (rule 2).

A message becomes one or more spans. What the student sampled is taken verbatim, never decoded and encoded again; what
somebody else said is encoded in its canonical form. Loss is on an assistant's own tokens, the end of its turn included,
and on nothing else: not on the role header that serving puts in front of it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from tokenizers import Tokenizer

from loop.canonical import clean
from loop.errors import ConfigError, nearest
from loop.student.parse import CLOSE, OPEN
from loop.types import Call, Catalogue, Message, Tool

START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
MAX_DESCRIPTION: Final = 80
"""Characters of a tool's description that the compact template shows."""
MAX_ENUM: Final = 6


class Span(NamedTuple):
    """Tokens of one message that are treated alike."""

    tokens: tuple[int, ...]
    loss: bool
    message: int
    """Index of the message; -1 where the template adds what no message holds."""


class Template(Protocol):
    """How one family of models is talked to."""

    @property
    def end(self) -> int:
        """The token that ends an assistant's turn."""
        ...

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[Span]:
        """Give the conversation's tokens, in order. The first span is what all conversations of a catalogue share."""
        ...

    def header(self) -> tuple[int, ...]:
        """Give the tokens that ask the assistant to speak."""
        ...


class Renderer:
    """A tokenizer and a template: messages in, tokens out."""

    def __init__(self, tokenizer: Tokenizer, template: str) -> None:
        """Bind the tokenizer to a template by name.

        Raises:
            ConfigError: no such template, or the tokenizer lacks a token that it needs.
        """
        if template not in TEMPLATES:
            raise ConfigError(f"There is no template '{template}'.{nearest(template, tuple(TEMPLATES))}")
        # Text from outside that spells a special token is text, not a turn of the conversation.
        tokenizer.encode_special_tokens = True
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.tokenizer = tokenizer
        self.template: Template = TEMPLATES[template](tokenizer)

    @classmethod
    def load(cls, directory: Path, template: str) -> "Renderer":
        """Read the tokenizer of a model directory.

        Raises:
            ConfigError: there is none, or the template does not fit it.
        """
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise ConfigError(f"There is no {path}. Give a model directory that has a tokenizer.json.")
        return cls(Tokenizer.from_file(str(path)), template)

    @property
    def end(self) -> int:
        """The token that ends an assistant's turn."""
        return self.template.end

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[Span, ...]:
        """Give the conversation's tokens with their loss; concatenated, they are what the model reads."""
        return tuple(span for span in self.template.spans(messages, catalogue) if span.tokens)

    def prompt(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that serving feeds the model to get the next assistant message."""
        return _join(span.tokens for span in self.spans(messages, catalogue)) + self.template.header()

    def prefix(self, messages: Sequence[Message], catalogue: Catalogue) -> int:
        """Count the leading tokens that every conversation with this system prompt and catalogue shares."""
        spans = self.spans(messages, catalogue)
        return len(spans[0].tokens) if spans and spans[0].message <= 0 and not spans[0].loss else 0

    def text(self, tokens: Sequence[int]) -> str:
        """Decode what was sampled, without the end of the turn."""
        kept = tokens[:-1] if tokens and tokens[-1] == self.end else tokens
        return str(self.tokenizer.decode(list(kept), skip_special_tokens=False))


def _join(parts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(token for part in parts for token in part)


def call_text(call: Call) -> str:
    """Spell a call as the student is taught to: name first, arguments in sorted order."""
    arguments = json.dumps(dict(call.arguments), sort_keys=True, ensure_ascii=False)
    return f'{OPEN}{{"name": {json.dumps(call.name, ensure_ascii=False)}, "arguments": {arguments}}}{CLOSE}'


def assistant_text(message: Message) -> str:
    """Spell an assistant's message that nobody sampled from the student: a teacher's, or a plan's."""
    return "\n".join([*([message.content] if message.content else []), *map(call_text, message.calls)])


class Compact:
    """ChatML with one line a tool: about 25 tokens each, so that a whole prompt stays near 500."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.start, self.end = _special(tokenizer, START), _special(tokenizer, END)
        self.newline = self._encode("\n")

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[Span]:
        """Give the system prompt with the catalogue first, then one group of spans a message."""
        later = {name for message in messages for name in message.adds}
        offered = [tool for tool in catalogue.tools if tool.name not in later]
        first = 0 if messages and messages[0].role == "system" else -1
        yield Span(self._turn("system", _system(messages[0].content if not first else "", offered)), False, first)
        for index in range(first + 1, len(messages)):
            yield from self._message(index, messages[index], catalogue)

    def header(self) -> tuple[int, ...]:
        """Give the tokens of an assistant's role."""
        return (self.start, *self._encode("assistant\n"))

    def _message(self, index: int, message: Message, catalogue: Catalogue) -> Iterator[Span]:
        if message.role == "assistant":
            yield Span(self.header(), False, index)
            yield from self._said(index, message)
        else:
            added = [tool for name in message.adds if (tool := catalogue.find(name))]
            more = f"\n\nNew tools:\n{_lines(added)}" if added else ""
            yield Span(self._turn(message.role, message.content + more), False, index)

    def _said(self, index: int, message: Message) -> Iterator[Span]:
        if message.tokens is None:
            yield Span((*self._encode(assistant_text(message)), self.end), True, index)
        else:
            yield Span(message.tokens, True, index)
            if message.tokens[-1:] != (self.end,):  # cut by the token limit: the turn ends all the same
                yield Span((self.end,), False, index)
        yield Span(self.newline, False, index)

    def _turn(self, role: str, content: str) -> tuple[int, ...]:
        return (self.start, *self._encode(f"{role}\n{content}"), self.end, *self.newline)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(clean(text), add_special_tokens=False).ids)


def _special(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ConfigError(f"The tokenizer has no {token}: use the template 'native' for this model.")
    return int(found)


def _system(prompt: str, offered: Sequence[Tool]) -> str:
    return "\n\n".join([*([prompt] if prompt else []), *([f"Tools:\n{_lines(offered)}"] if offered else [])])


def _lines(tools: Sequence[Tool]) -> str:
    return "\n".join(signature(tool) for tool in tools)


def signature(tool: Tool) -> str:
    """Spell a tool as one line: `name(arg: type, optional?: type) - what it does`."""
    properties, required = tool.parameters.get("properties"), tool.parameters.get("required")
    names = properties if isinstance(properties, dict) else {}
    needed = required if isinstance(required, list) else []
    arguments = ", ".join(f"{name}{'' if name in needed else '?'}: {_kind(names[name])}" for name in names)
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
    sentence = own.split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= MAX_DESCRIPTION else sentence[:MAX_DESCRIPTION].rsplit(" ", 1)[0]


TEMPLATES: Final = {"compact": Compact}
"""Templates by name."""
