"""Whether a message tells each value of the thing that it belongs to, and no more things than there are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Final

from pydantic import JsonValue

from checkers.closing.phrases import words_of
from checkers.closing.values import ClosingText
from loop.plan import derive
from loop.types import Call, From, Result, Turn

Pair = tuple[str, JsonValue]
"""A label, and the value that belongs to it."""

MAX_PAIRS: Final = 50

ITEM: Final = re.compile(
    r"\s*(?:,\s*and\b|,|;|&|\band\b|\n)\s*[\"'(]?(?P<item>[@#]?\w(?:[\w/@#-]|\.(?=\w))*)(?![\w/@#-])(?!\.\w)[\"')]?"
    r"(?P<end>\s*(?:[,;.!?&\n)]|and\b|$))"
)
COMPARED: Final = re.compile(
    r"\b(?:than|over|not|versus|vs\.?|against|instead of|rather than|unlike|compared (?:to|with))\s+(?:\w+\s+)?[\"'(]?$"
)


def pairs(turn: Turn, calls: Sequence[Call], results: Sequence[Result]) -> list[Pair]:
    """Name what each value of an answer belongs to: the call's own argument, a row's first text, an object's key.

    Args:
        turn: the turn that asks.
        calls: every call of the task's plan, resolved.
        results: what they answered.
    """
    sources = [source for source in turn.answer if isinstance(source, From)]
    values = [derive(source, results) for source in sources]
    labels = [_labels(calls[source.step]) for source in sources]
    shared = set.intersection(*labels) if len(labels) > 1 else set()
    pairs_found: list[Pair] = []
    for mine, value in zip(labels, values, strict=True):
        pairs_found += _inner(value)
        if len(sources) > 1 and not isinstance(value, dict | list):
            pairs_found += [(label, value) for label in mine - shared]
    return pairs_found[:MAX_PAIRS]


def _labels(call: Call) -> set[str]:
    return {value for value in call.arguments.values() if isinstance(value, str) and value}


def _inner(value: JsonValue) -> Iterator[Pair]:
    """Find labels within a value: rows of a table, numbers by name."""
    rows = value if isinstance(value, list) else []
    for row in rows:
        cells = list(row.values()) if isinstance(row, dict) else row if isinstance(row, list) else []
        label = next((cell for cell in cells if isinstance(cell, str)), None)
        if label:
            yield from ((label, cell) for cell in cells if isinstance(cell, int | float) and not isinstance(cell, bool))
    if isinstance(value, dict):
        yield from ((key, inner) for key, inner in value.items() if isinstance(inner, int | float))


def crossed(closing: ClosingText, bound: Sequence[Pair]) -> Pair | None:
    """Find a value that stands with another's label: labels and values come in different orders.

    Only labels and values that a message tells once each, and that differ, are looked at.
    """
    places = [(label, value, _place(closing, label), _place(closing, value)) for label, value in bound]
    clear = [index for index in places if index[2] is not None and index[3] is not None]
    clear = [claim for claim in clear if sum(other[3] == claim[3] for other in clear) == 1]
    by_label = sorted(clear, key=lambda claim: claim[2] or 0)
    return next(
        ((two[0], two[1]) for one, two in pairwise(by_label) if (one[3] or 0) > (two[3] or 0) and one[2] != two[2]),
        None,
    )


def _place(closing: ClosingText, value: JsonValue) -> int | None:
    """Where a message tells something, if it does so once."""
    if isinstance(value, str):
        return _once(
            [match.start() for match in re.finditer(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", closing.folded)]
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _once([numeral.start for numeral in closing.numerals if numeral.means(value)])


def _once(indices: list[int]) -> int | None:
    return indices[0] if len(set(indices)) == 1 else None


def added_item(closing: ClosingText, answer: Sequence[JsonValue]) -> str | None:
    """Find something in a list of the message that the answer's list does not have."""
    items = {entry.casefold() for value in answer if isinstance(value, list) for entry in map(_only, value)}
    for item in sorted(filter(None, items))[:MAX_PAIRS]:
        for match in re.finditer(rf"(?<!\w){re.escape(item)}(?!\w)", closing.plain, re.IGNORECASE):
            if added := _goes_on(closing.plain, match.end(), items):
                return added
    return None


def _only(item: JsonValue) -> str:
    """Give a text, or the one text of a row."""
    inner = item[0] if isinstance(item, list) and len(item) == 1 else item
    return inner if isinstance(inner, str) else ""


def _goes_on(text: str, end: int, items: AbstractSet[str]) -> str | None:
    """Follow a list from the end of one item on, to the first that does not belong there."""
    while match := ITEM.match(text, end):
        name, end = match["item"].strip(".@#"), match.end("item")
        if name.casefold() not in items:
            return None if name.casefold() in words_of("nothing_named") | words_of("no_item") else name
    return None


def chosen_wrongly(closing: ClosingText, answer: Sequence[JsonValue], choices: Sequence[str]) -> str | None:
    """Find the wrong one of several that the user named, where the message picks it instead of the right one."""
    right = [entry for entry in answer if isinstance(entry, str) and entry in choices]
    if len(right) != 1:
        return None
    firsts: Mapping[str, list[int]] = {choice: _picked(closing.folded, choice.casefold()) for choice in choices}
    mine = firsts[right[0]]
    others = [(places[0], choice) for choice, places in firsts.items() if choice != right[0] and places]
    if not others or (mine and len(mine) > max(len(firsts[choice]) for _, choice in others)):
        return None
    first, choice = min(others)
    return choice if not mine or first < mine[0] else None


def _picked(text: str, name: str) -> list[int]:
    """Where a text names something, but not as what another thing is compared with."""
    matches = re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    return [match.start() for match in matches if not COMPARED.search(text[max(0, match.start() - 40) : match.start()])]
