"""Which policy answers a request: the champion, unless a specialist is beyond doubt better at what it is about.

What it is about is read by `loop.serve.topics`; who is better at it is read from `v_transfer`, the scores that suites
gave. A specialist is chosen where the lower bound of its gain over the champion, by backend, is above nought, and only
for requests that are about that backend as far as can be told. Everything else goes to the champion.
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loop import plugins
from loop.config import Config
from loop.serve.topics import TopicExample, TopicReading, Topics
from loop.store import Store
from loop.types import Part, Policy, Record, Split, Standing, TaskGenerator, Transfer
from task_generators.backends.catalogues import tools_of

THRESHOLD: Final = 0.8
"""Confidence from which a specialist may answer."""
SURE: Final = 1.96
"""Standard errors below a gain that its lower bound lies: 95 %, two-sided."""
TASKS: Final = 48
"""Training tasks of each generator that topics are learned from."""


class SpecialistGain(Record):
    """What a specialist is better by than the champion, on one backend."""

    policy: str
    backend: str
    suite: str
    tasks: int
    gain: float
    low: float
    """Lower bound of the gain, 95 %."""

    def __str__(self) -> str:
        """Spell it for people."""
        return f"{self.gain:+.0%} on {self.suite} (n={self.tasks}, at least {self.low:+.0%})"


class Routed(Record):
    """Who answers, and why."""

    policy: str
    """Its id."""
    specialist: bool
    topic: str
    confidence: float
    reason: str

    @property
    def words(self) -> str:
        """Spell it for a header."""
        return f"{self.topic}; confidence={self.confidence:.2f}; {self.reason}"


@dataclass(frozen=True)
class Router:
    """Chooses among a champion and its specialists."""

    topics: Topics
    champion: Policy
    gains: tuple[SpecialistGain, ...]

    def route(self, example: TopicExample, *, by: str = "both") -> Routed:
        """Say who answers a request.

        Args:
            example: the request.
            by: what is looked at: `tools`, `words`, or `both`.
        """
        reading = self.topics.read(example, by=by)
        topic, confidence = reading.best
        gain = self.better(topic)
        if gain is None:
            return self._to_champion(reading, f"no specialist is better at {topic} beyond doubt")
        if confidence < THRESHOLD:
            return self._to_champion(reading, f"{topic} is too unsure below {THRESHOLD:.0%}; {gain}")
        reason = f"{topic}: {gain}"
        return Routed(policy=gain.policy, specialist=True, topic=topic, confidence=confidence, reason=reason)

    def better(self, backend: str) -> SpecialistGain | None:
        """Find the specialist that is the most surely better at a backend, if one is."""
        gains = [gain for gain in self.gains if gain.backend == backend and gain.low > 0]
        return max(gains, key=lambda gain: (gain.low, gain.policy), default=None)

    def _to_champion(self, reading: TopicReading, why: str) -> Routed:
        topic, confidence = reading.best
        return Routed(policy=self.champion.id, specialist=False, topic=topic, confidence=confidence, reason=why)


class Evaluation(Record):
    """What a router does with requests whose right policy nobody knows. Shares of the requests."""

    requests: int
    coverage: float
    """Share that specialists answer."""
    confidence: float
    """Mean, over all."""
    disagreement: float
    """Share that tools alone and words alone would send to different policies."""
    policies: Mapping[str, int]


def evaluate(router: Router, examples: Sequence[TopicExample]) -> Evaluation:
    """Say what a router does with requests, without labels."""
    routes = [router.route(example) for example in examples]
    split = [
        router.route(example, by="tools").policy != router.route(example, by="words").policy for example in examples
    ]
    counts = {name: sum(route.policy == name for route in routes) for name in {route.policy for route in routes}}
    count = max(1, len(routes))
    return Evaluation(
        requests=len(routes),
        coverage=sum(route.specialist for route in routes) / count,
        confidence=sum(route.confidence for route in routes) / count,
        disagreement=sum(split) / count,
        policies=dict(sorted(counts.items())),
    )


class Routing:
    """Keeps a router until the champion or a specialist is another one."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config, self._store = config, store
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()
        self._router: Router | None = None

    def router(self, champion: Policy) -> Router:
        """Give the router of this moment; learns it where it is another one."""
        specialists = [policy.id for policy, standing in self._store.policies.all() if standing is Standing.SPECIALIST]
        with self._lock:
            known = (champion.id, *specialists)
            if self._router is None or known != self._known:
                self._router, self._known = learned(self._config, self._store, champion), known
            return self._router


def learned(config: Config, store: Store, champion: Policy) -> Router:
    """Learn a router from the configured generators' training tasks and from what the suites measured."""
    examples = [example for part in config.sampling.generators for example in _examples(part)]
    examples += [
        TopicExample(tools=tuple(tools_of(topic)), text="", topic=topic) for topic in {e.topic for e in examples}
    ]
    specialists = [policy for policy, standing in store.policies.all() if standing is Standing.SPECIALIST]
    theirs = _rates(store.policies.transfer(champion.id))
    gains = [gain for policy in specialists for gain in _gains(store, policy, champion, theirs)]
    return Router(Topics.learned(examples), champion, tuple(gains))


def _examples(part: Part) -> Iterator[TopicExample]:
    """Make training tasks, arms in turn, always the same ones."""
    generator: TaskGenerator = plugins.load("task_generators", part)
    for number in range(TASKS):
        arm = generator.arms[number % len(generator.arms)]
        if len(arm.backends) == 1:
            task = generator.make(arm, number, Split.TRAIN)
            text = " ".join(turn.user for turn in task.turns)
            yield TopicExample(tools=task.tools, text=text, topic=arm.backends[0])


def _rates(rows: Sequence[Transfer]) -> dict[tuple[str, str], tuple[float, int]]:
    return {(row.evaluated_backend, row.suite): (row.pass_rate, row.tasks) for row in rows}


def _gains(
    store: Store, policy: Policy, champion: Policy, theirs: Mapping[tuple[str, str], tuple[float, int]]
) -> Iterator[SpecialistGain]:
    """Compare a specialist with the champion by backend: with its parent's rates where that is the champion."""
    seen: set[tuple[str, str]] = set()
    for row in store.policies.transfer(policy.id):
        place = row.evaluated_backend, row.suite
        other = row.parent_pass_rate if policy.parent == champion.id else theirs.get(place, (None, 0))[0]
        if other is None or place in seen:
            continue
        seen.add(place)
        gain, error = row.pass_rate - other, _error(row.pass_rate, other, row.tasks)
        yield SpecialistGain(
            policy=policy.id,
            backend=row.evaluated_backend,
            suite=row.suite,
            tasks=row.tasks,
            gain=gain,
            low=gain - SURE * error,
        )


def _error(one: float, other: float, tasks: int) -> float:
    """Give the standard error of a difference of two rates (Agresti and Caffo 2000: two plays more of each)."""
    count = tasks + 2
    rates = ((one * tasks + 1) / count, (other * tasks + 1) / count)
    return math.sqrt(sum(rate * (1 - rate) / count for rate in rates))
