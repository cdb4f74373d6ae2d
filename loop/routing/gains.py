"""What a specialist is better at than the champion, from what suites measured of both."""

from collections.abc import Iterator

from loop.gates.comparison import MarginTest, described
from loop.gates.pairing import by_backend, pair
from loop.store import Store
from loop.store.suites import ScoreConditions
from loop.types import TWIN, Policy, Record


class Gain(Record):
    """What a specialist is better by than the champion, on one backend."""

    policy: str
    backend: str
    suite: str
    tasks: int
    gain: float
    low: float
    """Lower bound of the gain, of a two-sided 95 % interval."""

    def __str__(self) -> str:
        """Spell it for people."""
        return f"{self.gain:+.0%} on {self.suite} (n={self.tasks}, at least {self.low:+.0%})"


def gains(store: Store, champion: Policy, specialist: Policy) -> Iterator[Gain]:
    """Compare a specialist with the champion, paired by task, by suite and backend.

    These are the scores that `v_transfer` sums up. Sealed twins teach nothing here: they tell what came of it.
    """
    mutual = set(store.suites.measured(champion.id)) & set(store.suites.measured(specialist.id))
    for met in sorted(mutual, key=lambda item: (item.suite, item.fingerprint)):
        if not met.suite.endswith(TWIN):
            yield from _gains(store, champion, specialist, met)


def _gains(store: Store, champion: Policy, specialist: Policy, met: ScoreConditions) -> Iterator[Gain]:
    unsound = store.soundness.unsound(met.suite_id)
    old, new = (
        [score for score in store.suites.scores(item.id, met.suite_id, met.fingerprint) if score.task not in unsound]
        for item in (champion, specialist)
    )
    paired = pair(old, new)
    for backend, rows in by_backend(paired.entries).items() if paired.entries else ():
        comparison = described(MarginTest(backend, rows, 0.0, decides=False), paired)
        yield Gain(
            policy=specialist.id,
            backend=backend,
            suite=met.suite,
            tasks=comparison["tasks"],
            gain=comparison["difference"],
            low=comparison["low"],
        )
