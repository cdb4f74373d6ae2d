"""Choose what a candidate is trained on from everything that was ever accepted. Pure: records in, a dataset out.

Every round retrains from the base model (ReST-EM, Singh et al. 2023), so the dataset is drawn anew from the whole
store. Each rule has a count, and the same records, rules and seed give the same rows in the same order.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from datasketch import MinHash, MinHashLSH
from pydantic import JsonValue

from loop.canonical import canonical, digest
from loop.dataset.coverage import Coverage, Ranking
from loop.dataset.rules import MixRules
from loop.types import Accepted, ArmKey, Dataset, Record, Task, Tier, TurnAttempt

SHINGLE: Final = 3
"""Words of one shingle: what near-duplicates share."""
PERMUTATIONS: Final = 64
HARD: Final = frozenset({Tier.HARD, Tier.VERYHARD})


class Skill(Record):
    """What the champion's own plays say that it can do. What is not known counts as what it cannot."""

    rates: Mapping[ArmKey, float] = {}
    """Pass rates of arms, in 0..1."""
    asked: tuple[TurnAttempt, ...] = ()
    """The turns that it has played, in any order."""


def select(
    accepted: Iterable[Accepted],
    rules: MixRules,
    seed: int,
    leak: Callable[[Task], str | None] = lambda _: None,
    skill: Skill | None = None,
) -> Dataset:
    """Choose the rows of a dataset, in training order.

    Args:
        accepted: every accepted trajectory, in any order.
        rules: the settings of the mix.
        seed: breaks ties and orders the rows.
        leak: says in what a task is like one that a gate measures with; its rows are left out and counted.
        skill: what the champion can do.
    """
    counts: Counter[str] = Counter()
    pool = _audited(_trainable(accepted, rules, counts), leak, counts)
    pool = _per_task(_distinct(pool, counts), rules, seed, counts)
    skill = skill or Skill()
    counts["turns_played"], counts["turns_failed"] = len(skill.asked), sum(not attempt.right for attempt in skill.asked)
    chosen = _Deal(pool, rules, seed, counts, skill).run()
    counts["over_the_cap"] = len(pool) - len(chosen) - counts["near_duplicate"]
    counts.update(_described(chosen))
    rows = tuple(sorted((kept.id for kept in chosen), key=lambda name: draw(seed, name)))
    rates: dict[str, JsonValue] = {str(arm): round(rate, 4) for arm, rate in skill.rates.items()}
    record: dict[str, JsonValue] = {**rules.model_dump(mode="json"), "pass_rates": dict(sorted(rates.items()))}
    name = digest({"rows": list(rows), "rules": record, "seed": seed})
    return Dataset(id=name, rows=rows, counts=dict(sorted(counts.items())), rules=dict(sorted(record.items())))


def draw(seed: int, name: str) -> str:
    """Give a name its place in an order that the seed decides, whatever else is in it."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def own(each: Accepted) -> bool:
    """Whether the student won it."""
    return each.trajectory.policy is not None


def repaired(each: Accepted) -> bool:
    """Whether a tool answered with an error on the way."""
    return any(message.ok is False for message in each.trajectory.messages)


def length(each: Accepted) -> int:
    """Count what the player said: calls first, then characters."""
    said = sum(len(message.content) for message in each.trajectory.messages if message.role == "assistant")
    return len(each.trajectory.calls) * 10_000 + min(said, 9_999)


def spoken(each: Accepted) -> int:
    """Count the characters that are learned from: the player's messages and calls."""
    return sum(map(len, _said(each, {"assistant"})))


def _trainable(accepted: Iterable[Accepted], rules: MixRules, counts: Counter[str]) -> list[Accepted]:
    """Leave out what no candidate may see."""
    everything = list(accepted)
    pool = [candidate for candidate in everything if candidate.task.split in rules.splits]
    counts["accepted"] = len(everything)
    counts["not_for_training"] = len(everything) - len(pool)
    return pool


def _audited(pool: Sequence[Accepted], leak: Callable[[Task], str | None], counts: Counter[str]) -> list[Accepted]:
    """Leave out what is like a task that a gate measures with, and count by what (rule 4)."""
    leaks = [leak(candidate.task) for candidate in pool]
    counts["leaked"] = sum(item is not None for item in leaks)
    counts.update(f"leaked_by_{item.replace(' ', '_')}" for item in leaks if item is not None)
    return [candidate for candidate, leaked in zip(pool, leaks, strict=True) if leaked is None]


def _distinct(pool: Sequence[Accepted], counts: Counter[str]) -> list[Accepted]:
    """Keep one of those that make the same calls in the same task: an own one, the shortest."""
    kept: dict[str, Accepted] = {}
    for candidate in sorted(pool, key=lambda one: (not own(one), length(one), one.id)):
        kept.setdefault(_signature(candidate), candidate)
    counts["same_calls"] = len(pool) - len(kept)
    return list(kept.values())


def _signature(each: Accepted) -> str:
    """Name what was called, with its arguments, in one task."""
    return digest([each.task.id, *(call.model_dump(mode="json") for call in each.trajectory.calls)])


def _per_task(pool: Sequence[Accepted], rules: MixRules, seed: int, counts: Counter[str]) -> list[Accepted]:
    """Cap the wins of a task: repairs first in their share of places, then own wins, then the shortest."""
    tasks: defaultdict[str, list[Accepted]] = defaultdict(list)
    for candidate in pool:
        tasks[candidate.task.id].append(candidate)
    kept = []
    for name in sorted(tasks):
        ranked = sorted(tasks[name], key=lambda one: (not own(one), length(one), draw(seed, one.id)))
        repairs = [one for one in ranked if repaired(one)][: math.ceil(rules.repair_share * rules.max_per_task)]
        rest = [one for one in ranked if one not in repairs]
        kept += [*repairs, *rest][: rules.max_per_task]
    counts["over_the_task_cap"] = len(pool) - len(kept)
    return kept


class _Deal:
    """Deals the places out, one by one, each to whoever is furthest behind."""

    def __init__(
        self,
        pool: Sequence[Accepted],
        rules: MixRules,
        seed: int,
        counts: Counter[str],
        skill: Skill,
    ) -> None:
        self.rules, self.counts, self.rates = rules, counts, skill.rates
        self.room = min(rules.max_rows, len(pool))
        self.coverage = Coverage(pool, self.room, skill.asked, rules.stress)
        arms: defaultdict[ArmKey, list[Accepted]] = defaultdict(list)
        for candidate in pool:
            arms[candidate.task.arm].append(candidate)
        self.mastered = {arm for arm, wins in arms.items() if _share(wins, own) >= rules.mastered}
        self.own = {arm: self._queue([win for win in wins if own(win)], seed) for arm, wins in arms.items()}
        self.taught = {arm: self._queue([win for win in wins if not own(win)], seed) for arm, wins in arms.items()}
        self.chosen: list[Accepted] = []
        self.had: Counter[str] = Counter()
        self.sketches: dict[ArmKey, MinHashLSH] = {}

    def run(self) -> list[Accepted]:
        """Own wins first, up to their share and beyond it where teachers have too few; then teachers' for the rest."""
        taught = sum(map(len, self.taught.values()))
        self._deal(self.own, max(math.ceil(self.rules.own_share * self.room), self.room - taught))
        self._deal(self.taught, self.room)
        self._deal(self.own, self.room)
        return self.chosen

    def _queue(self, wins: Sequence[Accepted], seed: int) -> "_Queue":
        return _Queue(wins, self.rules, seed, self.coverage)

    def _deal(self, queues: "dict[ArmKey, _Queue]", upto: int) -> None:
        while len(self.chosen) < upto and any(queues.values()):
            queue = queues[self._next([arm for arm, wins in queues.items() if wins])]
            each = queue.pop()
            if self._seen(each):
                self.counts["near_duplicate"] += 1
            else:
                self._take(each)

    def _take(self, each: Accepted) -> None:
        self.chosen.append(each)
        self.coverage.add(each.id)
        for name in each.task.backends:
            self.had[name] += spoken(each) if self.rules.even == "said" else 1

    def _next(self, arms: Sequence[ArmKey]) -> ArmKey:
        """Pick the arm that is owed a place: of the backend that had least, of the kind that is owed a share."""
        backend = min(sorted({name for arm in arms for name in arm.backends}), key=lambda name: self.had[name])
        here = [row.task.arm for row in self.chosen if backend in row.task.backends]
        arms = [arm for arm in arms if backend in arm.backends]
        for share, kind in (
            (self.rules.hard_share, _is_hard),
            (self.rules.rehearsal_share, self.mastered.__contains__),
        ):
            owed = sum(map(kind, here)) < share * (len(here) + 1)
            if owed and any(map(kind, arms)):
                arms = [arm for arm in arms if kind(arm)]
                break
        had = Counter(here)
        return min(arms, key=lambda arm: ((had[arm] + 1) / self._need(arm), str(arm)))

    def _need(self, arm: ArmKey) -> float:
        return max(self.rules.least_need, 1 - round(self.rates.get(arm, 0.0), 4), 1e-9)

    def _seen(self, each: Accepted) -> bool:
        """Whether a row of another task of the arm is nearly this one; else remember it."""
        if self.rules.near_duplicate == 1:
            return False
        index = self.sketches.setdefault(each.task.arm, MinHashLSH(self.rules.near_duplicate, PERMUTATIONS))
        sketch = _sketch(each)
        if any(name.partition("/")[0] != each.task.id for name in index.query(sketch)):
            return True
        index.insert(f"{each.task.id}/{each.id}", sketch)
        return False


def _is_hard(arm: ArmKey) -> bool:
    return arm.tier in HARD


def _share(wins: Sequence[Accepted], kind: Callable[[Accepted], bool]) -> float:
    return sum(map(kind, wins)) / len(wins)


class _Queue:
    """An arm's wins that have no place yet: the newest go first in their share, the others by what they add."""

    def __init__(self, wins: Sequence[Accepted], rules: MixRules, seed: int, coverage: Coverage) -> None:
        self.share = rules.newest_share
        self.left = {win.id: win for win in wins}
        self.newest = [win.id for win in sorted(wins, key=lambda one: (one.trajectory.started, one.id))]
        self.drawn = sorted(self.left, key=lambda name: draw(seed, name), reverse=True)
        self.ranking = Ranking(reversed(self.drawn), coverage) if rules.cover else None
        self.taken = self.new = 0

    def __len__(self) -> int:
        return len(self.left)

    def pop(self) -> Accepted:
        """Take the next."""
        from_newest = self.share > 0 and self.new <= self.share * self.taken
        while (name := self._name(from_newest=from_newest)) not in self.left:
            pass
        self.taken += 1
        self.new += from_newest
        return self.left.pop(name)

    def _name(self, *, from_newest: bool) -> str:
        if from_newest:
            return self.newest.pop()
        return self.ranking.best() if self.ranking else self.drawn.pop()


def _sketch(each: Accepted) -> MinHash:
    words = " ".join(_said(each, {"user", "assistant"})).split()
    shingles = [" ".join(words[start : start + SHINGLE]).encode() for start in range(max(1, len(words) - SHINGLE + 1))]
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch(shingles)
    return sketch


def _said(each: Accepted, roles: Collection[str]) -> Iterator[str]:
    for message in each.trajectory.messages:
        if message.role in roles:
            yield message.content
            yield from (canonical(call.model_dump(mode="json")) for call in message.calls)


def _described(chosen: Sequence[Accepted]) -> Counter[str]:
    """Count what the dataset is made of."""
    counts = Counter({"rows": len(chosen), "own": sum(map(own, chosen)), "repairs": sum(map(repaired, chosen))})
    counts["taught"] = len(chosen) - counts["own"]
    counts.update(f"tier_{kept.task.tier}" for kept in chosen)
    counts.update(f"backend_{name}" for kept in chosen for name in kept.task.backends)
    return counts
