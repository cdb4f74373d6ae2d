"""Turn a conversation into tokens, the same ones for serving and for training (rule 2).

`python -m loop.templates.render DIR TEMPLATE SECONDS` proves that a template goes with a model (`templates/trial.py`);
the system ends it where that takes more seconds of the processor.

A message becomes one or more spans. What the student sampled is taken verbatim, never decoded and encoded again; what
somebody else said is encoded in its canonical form. Loss is on an assistant's own tokens, the end of its turn included,
and on nothing else: not on the role header that serving puts in front of it.
"""

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from tokenizers import Tokenizer

from loop.canonical import NotJson
from loop.canonical import parse as parse_json
from loop.errors import ConfigError, LoopdError, Unsafe, nearest
from loop.templates import trial
from loop.templates.compact import Compact, Spaced
from loop.templates.native import Native
from loop.templates.parse import KNOWN, Parsed
from loop.templates.spans import TokenSpan
from loop.types import Call, Catalogue, Message

__all__ = ["Renderer", "TokenSpan"]

CUT_OFF: Final = "cut_off"
"""The leniency of a message that the token limit ended, not the student."""


class Template(trial.TriedTemplate, Protocol):
    """How one family of models is talked to."""

    def new_tools(self, message: Message, catalogue: Catalogue) -> str:
        """Spell the tools that come with a message, to stand behind its text; empty where none comes."""
        ...

    def plain(self, call: Call) -> Call:
        """Take away what only this template puts into a call: so a tool gets it."""
        ...

    def held(self, catalogue: Catalogue) -> Catalogue:
        """Give the tools whose schemas calls are held to, with values as this template spells them.

        Raises:
            ConfigError: this template writes calls in a form that they cannot be held to.
        """
        ...


TEMPLATES: Final[Mapping[str, Callable[[Path, Tokenizer], Template]]] = {
    "compact": lambda _, tokenizer: Compact(tokenizer),
    "compact-1": lambda _, tokenizer: Compact(tokenizer, examples=1),
    "compact-2": lambda _, tokenizer: Compact(tokenizer, examples=2),
    "spaced": lambda _, tokenizer: Spaced(tokenizer),
    "spaced-1": lambda _, tokenizer: Spaced(tokenizer, examples=1),
    "spaced-2": lambda _, tokenizer: Spaced(tokenizer, examples=2),
    "native": Native.load,
}
"""Templates by name."""


class Renderer:
    """A tokenizer and a template: messages in, tokens out."""

    def __init__(self, tokenizer: Tokenizer, template: Template) -> None:
        self.tokenizer, self.template = tokenizer, template
        added = tokenizer.get_added_tokens_decoder().items()
        self.strange = {
            token: text.content for token, text in added if text.special and not KNOWN.fullmatch(text.content)
        }
        """Special tokens that no message holds but at its end."""
        self.size = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
        """Ids lie below. A model may have room for more than its tokenizer spells, and say them."""

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
        made = cls(tokenizer, TEMPLATES[template](directory, tokenizer))
        made.size = max(made.size, _rows(directory))
        return made

    @property
    def end(self) -> int:
        """The token that ends an assistant's turn."""
        return self.template.end

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[TokenSpan, ...]:
        """Give the conversation's tokens with their loss; concatenated, they are what the model reads.

        Raises:
            Unsafe: a message's own tokens are none of the model's, or the model's template fails.
        """
        for index, message in enumerate(messages):
            if message.tokens and not 0 <= min(message.tokens) <= max(message.tokens) < self.size:
                raise Unsafe(
                    f"Message {index} holds a token that the model does not have: ids go from 0 to {self.size - 1}."
                )
        spans = (span for span in self.template.spans(messages, catalogue) if span.tokens)
        return tuple(_unlearned(span, messages) for span in spans)

    def prompt(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that serving feeds the model to get the next assistant message."""
        tokens = [token for span in self.spans(messages, catalogue) for token in span.tokens]
        return (*tokens, *self.template.header(messages, catalogue))

    def prefix(self, messages: Sequence[Message], catalogue: Catalogue) -> int:
        """Count the leading tokens that every conversation with this system prompt and catalogue shares."""
        first = next(self.template.spans(messages, catalogue), None)
        system = bool(messages) and messages[0].role == "system"
        return len(first.tokens) if first and first.message == (0 if system else -1) else 0

    def read(self, tokens: Sequence[int], catalogue: Catalogue | None = None) -> Parsed:
        """Read what was sampled. Never raises.

        Args:
            tokens: the ids, that of the turn's end included.
            catalogue: the tools on offer, where they are known.
        """
        ended = tokens[-1:] == (self.end,) or tokens[-1:] == [self.end]
        text = self.text(tokens)
        if strange := [token for token in tokens[: len(tokens) - ended] if token in self.strange]:
            return Parsed(content=text, fault=f"another turn is made up: {self.strange[strange[0]]}")
        parsed = self.template.read(text, catalogue)
        if not ended and "missing_brace" in parsed.leniencies:
            return Parsed(content=text, fault="the token limit cut a call off")
        return parsed if ended else parsed.model_copy(update={"leniencies": (*parsed.leniencies, CUT_OFF)})

    def text(self, tokens: Sequence[int]) -> str:
        """Decode what was sampled, without the end of the turn."""
        kept = tokens[:-1] if tokens and tokens[-1] == self.end else tokens
        return str(self.tokenizer.decode(list(kept), skip_special_tokens=False))


def _unlearned(span: TokenSpan, messages: Sequence[Message]) -> TokenSpan:
    """Take the loss off what stands in a conversation and is not to be learned."""
    return span._replace(loss=False) if span.loss and not messages[span.message].learned else span


def _rows(directory: Path) -> int:
    """Give the rows of the model's embedding, as its configuration has them; 0 where it does not say."""
    try:
        config = parse_json((directory / "config.json").read_bytes())
    except (OSError, NotJson):
        return 0
    size = config.get("vocab_size") if isinstance(config, dict) else None
    return size if isinstance(size, int) else 0


def main(directory: Path, template: str, seconds: int) -> None:
    """Prove that a template goes with a model.

    Raises:
        LoopdError: it does not.
    """
    limit = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    trial.prove(Renderer.load(directory, template).template)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    except LoopdError as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201 - the parent reads it
        sys.exit(refusal.exit_code)
