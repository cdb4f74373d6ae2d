"""Put traces through the filters: who lacks a verdict gets one, and what all of them pass is accepted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from loop.plugins import known, load
from loop.store import Store
from loop.store.traces import Kept
from loop.traces.filtering import Filter, StudiedTrace, faulty
from loop.types import Catalogue, Part, Record, Trajectory, Verdict

PACKAGE: Final = "loop.traces.filters"


class Sifted(Record):
    """What a sift came to."""

    judged: int
    accepted: int
    refused: dict[str, int]
    """Traces that each filter refused."""
    kinds: dict[str, int]
    """Faults of each kind, of all filters."""


def filters(tools: Catalogue | None = None, parts: Sequence[Part] = ()) -> list[Filter]:
    """Build the filters: those that are named, or all that come with loopd.

    Args:
        tools: today's tools, which calls are held to; None for those that each trace shows.
        parts: filters by name, with their settings.
    """
    chosen = parts or [Part(use=name) for name in known(PACKAGE)]
    built: list[Filter] = [load(PACKAGE, part) for part in chosen]
    if tools is not None:
        built = [
            teacher.model_copy(update={"tools": tools}) if "tools" in type(teacher).model_fields else teacher
            for teacher in built
        ]
    return built


def required(chosen: Sequence[Filter]) -> list[tuple[str, int]]:
    """Name the filters and their versions, as the store does."""
    return [(kept.name, kept.version) for kept in chosen]


def judge(seen: Sequence[tuple[str, Trajectory]], chosen: Sequence[Filter]) -> Iterator[list[Verdict]]:
    """Judge conversations that are all at hand, in order."""
    plain = [kept for kept in chosen if not kept.studies]
    first = [[_verdict(check, trajectory) for check in plain] for _, trajectory in seen]
    studied = _studied(
        chosen, (StudiedTrace(name, one, faulty(given)) for (name, one), given in zip(seen, first, strict=True))
    )
    for (_, trajectory), given in zip(seen, first, strict=True):
        yield [*given, *(_verdict(check, trajectory) for check in studied)]


def sift(store: Store, chosen: Sequence[Filter]) -> Sifted:
    """Give every trace the verdicts that it lacks."""
    wanted = required(chosen)
    plain = [kept for kept in chosen if not kept.studies]
    faults: dict[str, frozenset[int]] = {}
    for kept in store.traces.all():
        faults[kept.id] = faulty(_verdict(check, kept.trajectory) for check in plain)
    studied = _studied(chosen, _seen(store.traces.all(), faults))
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for kept in store.traces.unfiltered(wanted):
        given = [_verdict(check, kept.trajectory) for check in (*plain, *studied)]
        store.verdicts.record(kept.id, given, wanted)
        counts["judged"] += 1
        counts["accepted"] += all(verdict.passed for verdict in given)
        for verdict in given:
            refused[verdict.checker] += not verdict.passed
            kinds.update(f"{verdict.checker}: {kind}" for kind in _kinds(verdict))
    return Sifted(
        judged=counts["judged"],
        accepted=counts["accepted"],
        refused={name: count for name, count in refused.most_common() if count},
        kinds=dict(kinds.most_common()),
    )


def _seen(kept: Iterable[Kept], faults: dict[str, frozenset[int]]) -> Iterator[StudiedTrace]:
    return (StudiedTrace(trace.id, trace.trajectory, faults.get(trace.id, frozenset())) for trace in kept)


def _studied(chosen: Sequence[Filter], seen: Iterable[StudiedTrace]) -> list[Filter]:
    """Let the filters that need it see all traces."""
    wanting = [kept for kept in chosen if kept.studies]
    if not wanting:
        return []
    everything = list(seen)
    return [check.studied(everything) for check in wanting]


def _verdict(chosen: Filter, trajectory: Trajectory) -> Verdict:
    """Ask a filter. One that raises refuses what it cannot judge, and says so."""
    try:
        return chosen.verdict(trajectory, list(chosen.faults(trajectory)))
    except Exception as error:  # noqa: BLE001 - a stranger's conversation may hold anything; the rest is judged
        return Verdict(
            checker=chosen.name,
            version=chosen.version,
            passed=False,
            score=0,
            reason=f"the filter raised {type(error).__name__}: {str(error)[:200]}",
            evidence={"faults": [{"message": -1, "turn": 0, "kind": "raised", "detail": str(error)[:200]}]},
        )


def _kinds(verdict: Verdict) -> Iterator[str]:
    listed = verdict.evidence.get("faults")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict):
            yield str(item.get("kind"))
