"""What a template must be able to do: render a whole play, and have every answer in it read back as it was.

A template that leaves out tools, calls or results, rewrites what it said before, or writes calls in a form that nobody
reads would teach the student something else than what was run.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from pydantic import JsonValue
from tokenizers import Tokenizer

from loop.errors import Unsafe
from loop.templates import turns
from loop.templates.parse import Parsed
from loop.templates.spans import TokenSpan
from loop.types import Call, Catalogue, Message, Tool

COMPACT: Final = "compact"
"""The template that works with every model whose turns are known."""


class TriedTemplate(Protocol):
    """What a trial needs of a template."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        ...

    @property
    def end(self) -> int:
        """The token that ends an assistant's turn."""
        ...

    def spans(self, messages: Sequence[Message], catalogue: Catalogue) -> Iterator[TokenSpan]:
        """Give the conversation's tokens, in order. The first span is what all conversations of a catalogue share."""
        ...

    def header(self, messages: Sequence[Message], catalogue: Catalogue) -> tuple[int, ...]:
        """Give the tokens that ask the assistant to speak after these messages."""
        ...

    def read(self, text: str, catalogue: Catalogue | None = None) -> Parsed:
        """Read what the assistant said, to these tools. Never raises."""
        ...


def _tool(name: str, about: str, **kinds: str) -> Tool:
    properties: dict[str, JsonValue] = {key: {"type": kind} for key, kind in kinds.items()}
    parameters: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": [*sorted(kinds)[:1]]}
    return Tool(name=name, description=about, parameters=parameters)


BOOK: Final = _tool("book_seat", "Book a seat.", row="integer", guest="string", window="boolean", extras="array")
SHOW: Final = _tool("show_plan", "Show a plan.", hall="string")
LATE: Final = _tool("cancel_seat", "Cancel a seat.", ticket="string", price="number")
CATALOGUE: Final = Catalogue(tools=(BOOK, SHOW, LATE))
CALLS: Final = (
    Call(name="book_seat", arguments={"row": 7, "guest": 'Zoë "the" 8', "window": True, "extras": ["a", {"b": None}]}),
    Call(name="show_plan", arguments={"hall": "42"}),
    Call(name="cancel_seat", arguments={"ticket": "T<1>\n2", "price": 1.5}),
)
PLAY: Final = (
    Message(role="user", content="Book row seven and show me hall 42."),
    Message(role="assistant", content="", calls=CALLS[:2]),
    Message(role="tool", name="book_seat", content='{"ticket": "T-901"}'),
    Message(role="tool", name="show_plan", content='{"plan": "P-902"}'),
    Message(role="assistant", content="Booked as T-901."),
    Message(role="user", content="Now cancel it.", adds=("cancel_seat",)),
    Message(role="assistant", content="I cancel it.", calls=CALLS[2:]),
    Message(role="tool", name="cancel_seat", content='{"gone": "G-903"}'),
    Message(role="assistant", content="It is cancelled."),
)
SYSTEM: Final = Message(role="system", content="You keep the seats.")


def prove(template: TriedTemplate) -> None:
    """Render the play with and without a system prompt, and read back what the assistant said.

    Raises:
        Unsafe: something does not come back.
    """
    for messages in (PLAY, (SYSTEM, *PLAY)):
        _rendered(template, messages)


def way_out(tokenizer: Tokenizer) -> str:
    """Say what to do where a model's own template cannot be used."""
    if turns.known(tokenizer):
        return f"Use template = '{COMPACT}' (or 'spaced') with this model."
    return f"Give another model: loopd's own templates know the turns of {turns.families()}, and not this one's."


def _rendered(template: TriedTemplate, messages: Sequence[Message]) -> None:
    spans = list(template.spans(messages, CATALOGUE))
    said = {
        index: _said(template, spans, index) for index, message in enumerate(messages) if message.role == "assistant"
    }
    everything = template.tokenizer.decode(
        [token for span in spans for token in span.tokens], skip_special_tokens=False
    )
    for what in _lost(everything, messages):
        raise Unsafe(f"The chat template leaves out {what}.")
    for index, text in said.items():
        parsed = template.read(text, CATALOGUE)
        if parsed.fault and not template.header(messages[:index], CATALOGUE):  # what asks is then taken for an answer
            raise Unsafe("The chat template does not ask the assistant to speak (add_generation_prompt).")
        _read_back(parsed, messages[index])


def _said(template: TriedTemplate, spans: Iterable[TokenSpan], index: int) -> str:
    [learned] = [span.tokens for span in spans if span.loss and span.message == index]
    return str(template.tokenizer.decode(list(learned[:-1]), skip_special_tokens=False))


def _lost(text: str, messages: Sequence[Message]) -> Iterator[str]:
    """Name what a rendered conversation has to hold and does not."""
    for message in messages:
        kind = {"system": "the system prompt", "tool": "the results of tools"}.get(message.role, "messages")
        words = [message.content] if message.role != "tool" else [message.content.split('"')[-2]]
        yield from (kind for word in words if word not in text)
    for tool in (BOOK, SHOW):
        if any(name not in text.partition(PLAY[0].content)[0] for name in (tool.name, *tool.parameters["properties"])):  # type: ignore[misc]
            yield "the tools on offer"


def _read_back(parsed: Parsed, message: Message) -> None:
    if parsed.fault or parsed.leniencies:
        raise Unsafe(f"The chat template writes what is not read back: {parsed.fault or parsed.leniencies[0]}.")
    said = {"calls": message.calls, "content": message.content}
    for name, wanted in said.items():
        if (value := getattr(parsed, name)) != wanted:
            raise Unsafe(f"The chat template writes {name} that are read back as {str(value)[:200]}.")
