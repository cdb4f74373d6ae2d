"""Turn a conversation into tokens, the same ones for serving and for training (rule 2).

A message becomes one or more spans. What the student sampled is taken verbatim, never decoded and encoded again; what
somebody else said is encoded in its canonical form. Loss is on an assistant's own tokens, the end of its turn included,
and on nothing else: not on the role header that serving puts in front of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from tokenizers import Tokenizer

from loop.errors import ConfigError, nearest
from loop.student.compact import Compact, Spaced
from loop.student.native import Native
from loop.student.parse import Parsed
from loop.student.spans import Span
from loop.types import Catalogue, Message

__all__ = ["Renderer", "Span"]


class Template(Protocol):
    """How one family of models is talked to."""

    @property
    def end(self) -> int:
        """The token that ends an assistant's turn."""
        ...

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[Span]:
        """Give the conversation's tokens, in order. The first span is what all conversations of a catalogue share."""
        ...

    def header(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that ask the assistant to speak after these messages."""
        ...

    def read(self, text: str) -> Parsed:
        """Read what the assistant said. Never raises."""
        ...


TEMPLATES: Final[Mapping[str, Callable[[Path, Tokenizer], Template]]] = {
    "compact": lambda _, tokenizer: Compact(tokenizer),
    "spaced": lambda _, tokenizer: Spaced(tokenizer),
    "native": Native.load,
}
"""Templates by name."""


class Renderer:
    """A tokenizer and a template: messages in, tokens out."""

    def __init__(self, tokenizer: Tokenizer, template: Template) -> None:
        self.tokenizer, self.template = tokenizer, template

    @classmethod
    def load(cls, directory: Path, template: str) -> "Renderer":
        """Read the tokenizer of a model directory and bind it to a template by name.

        Raises:
            ConfigError: there is no tokenizer, no such template, or the two do not fit.
            Unsafe: the model's own template is broken.
        """
        path = directory / "tokenizer.json"
        if template not in TEMPLATES:
            raise ConfigError(f"There is no template '{template}'.{nearest(template, tuple(TEMPLATES))}")
        if not path.is_file():
            raise ConfigError(f"There is no {path}. Give a model directory that has a tokenizer.json.")
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, TEMPLATES[template](directory, tokenizer))

    @property
    def end(self) -> int:
        """The token that ends an assistant's turn."""
        return self.template.end

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[Span, ...]:
        """Give the conversation's tokens with their loss; concatenated, they are what the model reads."""
        return tuple(span for span in self.template.spans(messages, catalogue) if span.tokens)

    def prompt(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that serving feeds the model to get the next assistant message."""
        tokens = [token for span in self.spans(messages, catalogue) for token in span.tokens]
        return (*tokens, *self.template.header(messages, catalogue))

    def prefix(self, messages: Sequence[Message], catalogue: Catalogue) -> int:
        """Count the leading tokens that every conversation with this system prompt and catalogue shares."""
        first = next(self.template.spans(messages, catalogue), None)
        system = bool(messages) and messages[0].role == "system"
        return len(first.tokens) if first and first.message == (0 if system else -1) else 0

    def read(self, tokens: Sequence[int]) -> Parsed:
        """Read the calls in what was sampled. Never raises."""
        return self.template.read(self.text(tokens))

    def text(self, tokens: Sequence[int]) -> str:
        """Decode what was sampled, without the end of the turn."""
        kept = tokens[:-1] if tokens and tokens[-1] == self.end else tokens
        return str(self.tokenizer.decode(list(kept), skip_special_tokens=False))
