"""What a play changes on its way: a change that a turn does not want is wrong, though it is taken back in time."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from checkers.evidence.plans import PlannedTurn, PlanRun
from checkers.evidence.tables import spelt_rows
from task_generators.backends.values import shown


def stray(run: PlanRun, turn: PlannedTurn, now: Mapping[str, JsonValue]) -> str | None:
    """Find what differs from where it stood at a turn's beginning and from where it is to stand at its end.

    What differs between beginning and end may be anything in between; so may what the plan itself changes and takes
    back.
    """
    before, after = _spelt(turn.before), _spelt(turn.state)
    begin = turn.end - len(turn.calls)
    allowed = [_plain(state) for state in run.passing[begin : turn.end]] if turn.calls else []
    for path in _strays(before, after, _plain(dict(now))):
        if not any(_at(state, path) == _at(_plain(dict(now)), path) for state in allowed):
            return "/".join(path)
    return None


def _spelt(state: Mapping[str, Mapping[str, Any]]) -> Any:  # noqa: ANN401 - a state
    return _plain({name: {key: shown(value) for key, value in kept.items()} for name, kept in state.items()})


def _plain(value: JsonValue) -> Any:  # noqa: ANN401 - a state
    """Spell a state so that its parts can be compared: rows of a table by how often each is there, things by id."""
    rows = spelt_rows(value)
    if rows is not None:
        return dict(Counter(rows))
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and len(ids := _ids(value)) == len(value):
        return {key: _plain(inner) for key, inner in zip(ids, value, strict=True)}
    return value


def _ids(items: list[JsonValue]) -> list[str]:
    """Give the ids of things that all have one of their own."""
    return list(dict.fromkeys(str(item["id"]) for item in items if isinstance(item, dict) and "id" in item))


def _strays(before: Any, after: Any, now: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    """Walk what is the same at beginning and end, and is another now."""
    if isinstance(now, dict) and isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after, *now}):
            yield from _strays(before.get(key), after.get(key), now.get(key), (*path, key))
    elif before == after != now:
        yield path


def _at(state: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - a part of a state
    for key in path:
        state = state.get(key) if isinstance(state, dict) else None
    return state
