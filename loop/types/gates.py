"""How a candidate is measured beside the champion, and what was decided."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from loop.canonical import digest
from loop.types.record import Id, Part, Record
from loop.types.tasks import Entry, Task


class Suite(Record):
    """A frozen set of held-out tasks."""

    name: Id
    tasks: tuple[Task, ...]
    checkers: tuple[Part, ...] = ()
    """Checkers that judge its plays in place of the configured ones; empty for those. Part of every measurement's
    fingerprint, not of the identity."""
    occasion: str = ""
    """When it is played, where that matters: what was measured on another occasion does not count. Part of every
    measurement's fingerprint, not of the identity."""

    @cached_property
    def id(self) -> str:
        """Sha256 over the name and the tasks' ids, in order."""
        return digest([self.name, *(task.id for task in self.tasks)])


class Score(Entry):
    """One sample of one task of a suite by one policy."""

    sample: int
    passed: bool
    measures: Mapping[str, float] = {}
    """What else was measured on this play: completion `tokens`, `kl` to the base in nats a token."""


class GateVerdict(StrEnum):
    """What a gate says. Only HOLDS promotes."""

    HOLDS = "holds"
    FAILS = "fails"
    INCONCLUSIVE = "inconclusive"


class GatePart(Record):
    """One comparison inside a gate: one backend, one category, one measure. In the unit of what it compares."""

    name: str
    verdict: GateVerdict
    champion_rate: float
    candidate_rate: float
    difference: float
    low: float
    high: float
    """The two-sided 95 % interval of the difference."""
    bound: float
    """The one-sided bound that was held against the margin, at the error that this look may spend."""
    margin: float
    tasks: int
    samples: int
    """Plays a task, of each policy, behind the rates and the interval."""
    look: int
    """Plays of each policy at the look that decided, or at the last one; 0 before any."""
    spent: float = 0.0
    """One-sided error that this look may spend."""
    left: float = 0.0
    """One-sided error that is kept for the looks after it."""
    unit: str = "rate"
    """What the figures count, where they are no pass rates."""
    total: int = 0
    """Tasks that could be played; 0 where nobody counted."""
    won: int = 0
    """Tasks that the candidate passes more often."""
    lost: int = 0
    """Tasks that the champion passes more often."""
    decides: bool = True
    """Whether the gate rests on it; false for what is only reported."""
    beside: str = ""
    """`Policy.id` of the former champion that it is compared with; empty for the present one."""


TWIN = "-sealed"
"""Ends the name under which a gate's sealed twin is judged."""
EXTERNAL = "-external"
"""Ends the name under which a suite is judged that no gate measures with and nothing trains on."""
RESTS = "rests: "
"""Begins the reason of a round that was not trained, since not even a flawless candidate could be promoted."""


class Trial(Record):
    """What a gate is told besides the scores of champion and candidate."""

    entries: tuple[Entry, ...] = ()
    """The suite's sound tasks in its order, played or not; empty for just the tasks that both have scores of."""
    earlier: Mapping[str, tuple[Score, ...]] = {}
    """Scores of former champions under the same fingerprint, by `Policy.id`; empty for one that has none yet."""
    best: Mapping[str, str] = {}
    """The former champion that each backend was last set beside, perhaps under another fingerprint."""


class GateResult(Record):
    """A gate's judgement of one candidate beside one champion, with what it rests on. Rates lie in 0..1."""

    gate: Id
    verdict: GateVerdict
    reason: str
    champion_rate: float
    candidate_rate: float
    difference: float
    """Candidate minus champion, paired by task."""
    low: float
    high: float
    """The two-sided 95 % interval of the difference."""
    margin: float
    tasks: int
    samples: int
    """Plays a task, of each policy."""
    improved: bool = False
    """Whether the candidate is better beyond doubt."""
    wants: tuple[str, ...] = ()
    """Task ids that should be played, or played more often, before deciding; empty unless inconclusive."""
    may_improve: tuple[str, ...] = ()
    """Plays of these task ids could still show that the candidate is better; empty where that is shown or hopeless."""
    beside: Mapping[str, tuple[str, ...]] = {}
    """Task ids that the candidate and a former champion should have played, by the latter's `Policy.id`."""
    next_samples: int = 0
    """Plays a task, of each policy, that `wants`, `beside` or `may_improve` should reach; 0 where none asks."""
    plays: int = 0
    """Plays that the judgement rests on, both policies together."""
    parts: tuple[GatePart, ...] = ()
    """Every comparison that was made, the one over all tasks first."""
    chance: float = 1.0
    """The one-sided p value of "the candidate is no better"."""
    spent: float = 0.0
    """The error that `chance` was held against, for `improved`."""
    attempt: int = 1
    """Candidates judged since the last promotion, this one counted."""
    left: float = 0.0
    """The error of a false improvement that is kept for this candidate's later looks."""
    candidate: str = ""
    """`Policy.id` of the candidate."""
    champion: str = ""
    """`Policy.id` of the champion that it was measured beside."""
    suite: str = ""
    """Name of the suite."""
    suite_id: str = ""
    """`Suite.id`."""
    fingerprint: str = ""
    """What makes scores comparable: suite, checkers, rule, sampling."""
    rules: tuple[GatePart, ...] = ()
    """The same plays under every rule that they can tell of, the one that judged first; for comparison only."""

    @property
    def decides(self) -> bool:
        """Whether a promotion rests on it: twins and external suites are played afterwards, and decide nothing."""
        return not self.gate.endswith((TWIN, EXTERNAL))


class Gate(Protocol):
    """Judges a candidate beside the champion on a suite. A frozen pydantic model."""

    @property
    def name(self) -> str:
        """The name in the store."""
        ...

    @property
    def suite(self) -> str:
        """Name of the suite that it measures on."""
        ...

    def attempted(self, number: int) -> "Gate":
        """Return this gate for the `number`-th candidate since the last promotion."""
        ...

    def within(self, most: int) -> "Gate":
        """Return this gate for `most` plays a task of each policy: error is spent over the looks there will be."""
        ...

    def judge(self, champion: Sequence[Score], candidate: Sequence[Score], trial: Trial | None = None) -> GateResult:
        """Judge paired scores: the same tasks, samples and rule for both; without scores, say what to play first."""
        ...


class Promotion(Record):
    """The end of a round: whether the candidate became champion, and why."""

    candidate: str
    promoted: bool
    reason: str


class Transfer(Record):
    """What training on one backend did to another: one row of `v_transfer`. Rates lie in 0..1."""

    trained_backend: str
    trained_rows: int
    evaluated_backend: str
    suite: str
    tasks: int
    pass_rate: float
    parent_pass_rate: float | None
    difference: float | None
    """Candidate minus parent, under the same fingerprint."""
