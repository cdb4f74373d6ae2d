"""A first look at traces: what is in them and what could be learned from them, without a model and without a store."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import quantiles
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical, digest
from loop.traces.privacy.detection import personal
from loop.traces.privacy.secrets import secret_in
from loop.traces.trace import LocatedTrace, Trace, UnreadableRow
from loop.types import Record

LOOKED: Final = 2_000
"""Traces in which personal data is looked for: it takes longer than all the rest together."""
TOLD: Final = 20
"""Refusals that are told one by one."""


class ToolUse(Record):
    """One tool, over all traces."""

    name: str
    calls: int
    traces: int
    schemas: int
    """Different schemas under which it was offered: more than one is drift, 0 none was ever shown."""


class Spread(Record):
    """How a count is spread over the traces."""

    least: float
    median: float
    most: float


class TraceInspection(Record):
    """What a first look found."""

    traces: int
    formats: dict[str, int]
    refused: int
    reasons: dict[str, int]
    """Why rows were refused, and how many of each."""
    examples: tuple[str, ...]
    """The first refusals, each with its place."""
    duplicates: int
    """Traces that say exactly what an earlier one says."""
    conversations: int
    users: int
    messages: Spread
    turns: Spread
    calls: Spread
    tools: tuple[ToolUse, ...]
    looked: int
    """Traces in which personal data and credentials were looked for."""
    personal: dict[str, int]
    """Different values found in them, by kind."""
    secrets: int
    """Traces of these that hold a credential: they would be refused."""
    without_catalogue: int
    """Traces that call tools and show no schema."""
    uncalled: int
    """Traces without a call: they can teach when to call nothing."""
    unanswered: int
    """Traces in which a call has no result although the conversation goes on, or a result no call."""
    unread: int
    """Traces with a call that cannot be read."""
    trainable: int
    """Traces that have none of the last three faults of form and are no duplicates."""


class Inspector:
    """Takes traces one by one, and holds counts only."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.personal: Counter[str] = Counter()
        self.examples: list[str] = []
        self.seen: set[bytes] = set()
        self.groups: dict[str, set[str]] = {"conversations": set(), "users": set()}
        self.calls: Counter[str] = Counter()
        self.users_of: Counter[str] = Counter()
        self.schemas: dict[str, set[str]] = {}
        self.offered: set[str] = set()
        self.sizes: list[tuple[int, int, int]] = []

    def add(self, located: LocatedTrace | UnreadableRow) -> None:
        """Take one in."""
        if isinstance(located, UnreadableRow):
            self.reasons[_kind_of(located.reason)] += 1
            if len(self.examples) < TOLD:
                self.examples.append(f"{located.place}: {located.reason}")
            return
        self.formats[located.format] += 1
        self._measure(located.trace)
        self._form(located.trace)
        self._tools(located.trace)
        if self.counts["looked"] < LOOKED:
            self.counts["looked"] += 1
            self.personal.update(map(str, personal(located.trace).values()))
            self.counts["secrets"] += secret_in(located.trace) is not None

    def _measure(self, trace: Trace) -> None:
        users = sum(message.role == "user" for message in trace.messages)
        self.sizes.append((len(trace.messages), users, sum(len(message.calls) for message in trace.messages)))
        for name, value in (("conversations", trace.conversation), ("users", trace.user)):
            if value:
                self.groups[name].add(value)

    def _form(self, trace: Trace) -> None:
        mark = bytes.fromhex(identity(trace))[:12]
        twice = mark in self.seen
        self.seen.add(mark)
        called = any(message.calls for message in trace.messages)
        unread = any(message.role == "assistant" and message.fault for message in trace.messages)
        loose = any(message.role == "tool" and (message.fault or message.name is None) for message in trace.messages)
        faults = {"duplicates": twice, "unread": unread, "unanswered": loose}
        facts = faults | {"uncalled": not called, "without_catalogue": called and not trace.catalogue.tools}
        self.counts.update({name: int(true) for name, true in facts.items()})
        self.counts["trainable"] += not any(faults.values())

    def _tools(self, trace: Trace) -> None:
        names = [call.name for message in trace.messages for call in message.calls]
        self.calls.update(names)
        self.users_of.update(set(names))
        if trace.catalogue.id not in self.offered:
            self.offered.add(trace.catalogue.id)
            for tool in trace.catalogue.tools:
                self.schemas.setdefault(tool.name, set()).add(digest(tool.model_dump(mode="json")))

    def result(self) -> TraceInspection:
        """Sum up."""
        names = [*self.calls, *(name for name in self.schemas if name not in self.calls)]
        tools = [
            ToolUse(
                name=name,
                calls=self.calls[name],
                traces=self.users_of[name],
                schemas=len(self.schemas.get(name, ())),
            )
            for name in sorted(names, key=lambda name: (-self.calls[name], name))
        ]
        messages, turns, calls = zip(*self.sizes, strict=True) if self.sizes else ((), (), ())
        wanted = (
            "duplicates",
            "looked",
            "secrets",
            "without_catalogue",
            "uncalled",
            "unanswered",
            "unread",
            "trainable",
        )
        return TraceInspection(
            traces=len(self.sizes),
            formats=dict(self.formats.most_common()),
            refused=self.reasons.total(),
            reasons=dict(self.reasons.most_common(TOLD)),
            examples=tuple(self.examples),
            conversations=len(self.groups["conversations"]),
            users=len(self.groups["users"]),
            messages=_spread(messages),
            turns=_spread(turns),
            calls=_spread(calls),
            tools=tuple(tools),
            personal=dict(sorted(self.personal.items())),
            **{name: self.counts[name] for name in wanted},
        )


def inspect(rows: Iterable[LocatedTrace | UnreadableRow]) -> TraceInspection:
    """Look at traces."""
    inspector = Inspector()
    for other in rows:
        inspector.add(other)
    return inspector.result()


def identity(trace: Trace) -> str:
    """Name what a trace says and offers, whatever format it came in and whoever talked."""
    return digest(content_of(trace))


def content_of(trace: Trace) -> list[JsonValue]:
    """Spell what a trace says and offers."""
    said: list[JsonValue] = [
        canonical([message.role, message.content, [[call.name, dict(call.arguments)] for call in message.calls]])
        for message in trace.messages
    ]
    return [trace.catalogue.id, *said]


def _kind_of(reason: str) -> str:
    """Name a kind of refusal: the reason without numbers and quoted words."""
    words = ["…" if any(char.isdigit() for char in word) else word for word in reason.split()[:16]]
    return " ".join(words)


def _spread(values: Sequence[int]) -> Spread:
    if not values:
        return Spread(least=0, median=0, most=0)
    middle = quantiles(values, n=2)[0] if len(values) > 1 else values[0]
    return Spread(least=min(values), median=middle, most=max(values))
