"""Which policy answers a request: the champion, unless a specialist is beyond doubt better at what it is about.

What it is about is read by `loop.routing.topics`; who is better at it by `loop.routing.gains`. A router may be learned
at any moment, or be a routed set's: then it is what the gates have judged, to the last count.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loop.routing.gains import Gain
from loop.routing.topics import Example, Reading, Topics
from loop.types import Policy, Record

THRESHOLD: Final = 0.8
"""Confidence from which a specialist may answer."""


class RoutedChoice(Record):
    """The specialist for a topic."""

    policy: str
    """Its id."""
    reason: str


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
    choices: Mapping[str, RoutedChoice]
    """By topic."""
    threshold: float = THRESHOLD

    def route(self, example: Example, *, by: str = "both", absent: Container[str] = ()) -> Routed:
        """Say who answers a request.

        Args:
            example: the request.
            by: what is looked at: `tools`, `words`, or `both`.
            absent: ids of specialists that cannot answer; the champion does in their place.
        """
        reading = self.topics.read(example, by=by)
        topic, confidence = reading.best
        choice = self.choices.get(topic)
        if choice is None:
            return self._to_champion(reading, f"no specialist is better at {topic} beyond doubt")
        if confidence < self.threshold:
            return self._to_champion(reading, f"{topic} is too unsure below {self.threshold:.0%}; {choice.reason}")
        if choice.policy in absent:
            return self._to_champion(reading, f"the adapter of specialist {choice.policy[:12]} is gone")
        reason = f"{topic}: {choice.reason}"
        return Routed(policy=choice.policy, specialist=True, topic=topic, confidence=confidence, reason=reason)

    def _to_champion(self, reading: Reading, why: str) -> Routed:
        topic, confidence = reading.best
        return Routed(policy=self.champion.id, specialist=False, topic=topic, confidence=confidence, reason=why)


def chosen(gains: Iterable[Gain]) -> dict[str, RoutedChoice]:
    """Choose for each topic the specialist that is the most surely better at it, where one is beyond doubt."""
    best: dict[str, Gain] = {}
    for gain in gains:
        if gain.low > 0 and (gain.low, gain.policy) > _rank(best.get(gain.backend)):
            best[gain.backend] = gain
    return {topic: RoutedChoice(policy=gain.policy, reason=str(gain)) for topic, gain in sorted(best.items())}


def _rank(gain: Gain | None) -> tuple[float, str]:
    return (gain.low, gain.policy) if gain else (0.0, "")


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


def evaluate(router: Router, examples: Sequence[Example]) -> Evaluation:
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
