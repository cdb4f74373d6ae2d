"""Conversations out of single requests: what telemetry records is each request with all that was said before it.

An exchange whose request begins with everything that an earlier one of its group came to is its continuation; any
other begins a conversation of its own, as a sub-agent's does. Messages are OpenAI's, into which every format is turned.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

from loop.canonical import canonical
from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.tools import catalogue
from loop.traces.trace import NotATrace, RowLocation, Trace, UnreadableRow
from loop.types import Catalogue, Record

Chat = dict[str, JsonValue]
"""One message as OpenAI spells it."""
CHAINS: Final = 64
"""Conversations of one group that may go on at once; the oldest is taken to be over."""


class Exchange(Record):
    """One request to a model, and its answer."""

    group: str
    """What ties the requests of one conversation together: a session, or a trace."""
    heard: tuple[Chat, ...]
    said: tuple[Chat, ...]
    tools: JsonValue = None
    at: int = 0
    user: str = ""
    model: str = ""


class Gathered:
    """Exchanges on their way into order, in a temporary file that SQLite keeps: a source may hold any number."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("create table exchange (kin text, at integer, source text, line integer, body text)")

    def add(self, location: RowLocation, exchange: Exchange) -> None:
        """Take one in."""
        row = (exchange.group, exchange.at, location.source, location.line, canonical(exchange.model_dump()))
        self._file.execute("insert into exchange values (?, ?, ?, ?, ?)", row)

    def groups(self) -> Iterator[tuple[RowLocation, list[Exchange]]]:
        """Give them back, a group at a time, each in the order in which it happened."""
        rows = self._file.execute("select kin, source, line, body from exchange order by kin, at, rowid")
        for _, members in groupby(rows, key=lambda row: row[0]):
            listed = list(members)
            place = RowLocation(listed[0][1], listed[0][2])
            yield place, [Exchange.model_validate(from_json(body)) for _, _, _, body in listed]

    def close(self) -> None:
        """Drop the file."""
        self._file.close()


def traces_of(gathered: Gathered) -> Iterator[tuple[RowLocation, Trace] | UnreadableRow]:
    """Stitch every group's exchanges together."""
    for place, exchanges in gathered.groups():
        for chain in _chains(exchanges):
            try:
                yield place, chain.trace()
            except NotATrace as error:
                yield UnreadableRow(place, str(error))


class _Chain:
    """One conversation as far as it is known."""

    def __init__(self, exchange: Exchange) -> None:
        self.first = exchange
        self.said: list[Chat] = [*exchange.heard, *exchange.said]
        self.keys = [_key(message) for message in self.said]
        self.offers: list[tuple[int, JsonValue]] = [(0, exchange.tools)]
        self.model = exchange.model

    def goes_on_with(self, keys: Sequence[str]) -> bool:
        """Whether a request begins with all of it, and has more."""
        return len(keys) > len(self.keys) and list(keys[: len(self.keys)]) == self.keys

    def add(self, exchange: Exchange) -> None:
        """Take the next request in."""
        if exchange.tools != self.offers[-1][1]:
            self.offers.append((len(self.said), exchange.tools))
        self.said = [*exchange.heard, *exchange.said]
        self.keys = [_key(message) for message in self.said]
        self.model = exchange.model or self.model

    def trace(self) -> Trace:
        """Put it together; tools that came later are named where they came."""
        offered = [(start, catalogue(tools)) for start, tools in self.offers]
        late = _late(self.said, offered)
        conversation = Conversation()
        for number, message in enumerate(self.said):
            if number in late:
                conversation.user(chat.content_of(message.get("content"), f"messages[{number}].content"), late[number])
            else:
                chat.hear(conversation, message, f"messages[{number}]")
        tools = {tool.name: tool for _, tools in offered for tool in tools.tools}
        return Trace(
            messages=conversation.finished(),
            catalogue=Catalogue(tools=tuple(tools.values())),
            conversation=self.first.group,
            user=self.first.user,
            model=self.model,
            happened=self.first.at,
        )


def _late(said: Sequence[Chat], offered: Sequence[tuple[int, Catalogue]]) -> dict[int, list[str]]:
    """Name, at the last user message before a request that offered more, what it offered more."""
    known = {tool.name for tool in offered[0][1].tools}
    late: dict[int, list[str]] = {}
    for start, tools in offered[1:]:
        fresh = [tool.name for tool in tools.tools if tool.name not in known]
        users = [index for index, message in enumerate(said) if index >= start and message.get("role") == "user"]
        if fresh and users:
            late[users[0]] = fresh
        known.update(fresh)
    return late


def _chains(exchanges: Iterable[Exchange]) -> list[_Chain]:
    done: list[_Chain] = []
    open_: list[_Chain] = []
    for exchange in exchanges:
        keys = [_key(message) for message in exchange.heard]
        fitting = [chain for chain in open_ if chain.goes_on_with(keys)]
        if fitting:
            max(fitting, key=lambda chain: len(chain.keys)).add(exchange)
            continue
        open_.append(_Chain(exchange))
        if len(open_) > CHAINS:
            done.append(open_.pop(0))
    return done + open_


def _key(message: Chat) -> str:
    """Spell what a message says, without the fields that a client adds when it sends it again."""
    calls = message.get("tool_calls")
    listed = calls if isinstance(calls, list) else []
    functions = [call.get("function") for call in listed if isinstance(call, dict)]
    return canonical([message.get("role"), message.get("content") or "", functions])
