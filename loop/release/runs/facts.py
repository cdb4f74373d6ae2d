"""What the views say of one round, asked once, each answer with its query."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from loop.errors import NotFound
from loop.runtime.query import Query
from loop.types import EXTERNAL, TWIN, Record

Row = dict[str, Any]
ROUND: Final = "select * from v_rounds where round = {0}"
DATASET: Final = "select * from v_datasets where round = {0}"
ARMS: Final = (
    "select count(distinct t.arm) as arms, count(distinct t.task) as tasks, count(distinct t.backends) as backends "
    "from v_trajectories t where t.round = {0} and t.purpose = 'train'"
)
AUDITS: Final = "select count(*) as wins, sum(held) as held from v_audits where round = {0}"
TRAINING: Final = (
    "select count(*) as steps, max(steps) as planned, avg(tokens_per_second) as speed, max(peak_gb) as peak, "
    "min(heldout_loss) as heldout, min(at) as began, max(at) as ended from v_training where round = {0}"
)
LOSSES: Final = (
    "select f.loss as first, l.loss as last from v_training f join v_training l on l.round = f.round "
    "where f.round = {0} and f.step = (select min(step) from v_training where round = {0}) "
    "and l.step = (select max(step) from v_training where round = {0})"
)
GATES: Final = "select * from v_gates where round = {0} order by gate"
PLAYED: Final = (
    "select suite, policy, sum(case when round = {0} then 1 else 0 end) as here, count(*) as plays "
    "from v_trajectories where purpose = 'gate' and policy is not null and round <= {0} group by suite, policy"
)
POLICY: Final = "select * from v_policies where policy = '{1}'"
SPEED: Final = (
    "select count(*) as plays, sum(completion_tokens) as tokens, sum(seconds) as seconds, sum(requests) as answers "
    "from v_trajectories where round = {0} and purpose = 'gate' and policy = '{1}'"
)
PAUSED: Final = "select distinct gate from v_gates where paused = 1 order by gate"


class SourcedRows(NamedTuple):
    """Rows, and the query that gave them."""

    rows: Sequence[Row]
    sql: str

    @property
    def first(self) -> Row:
        """The first row; empty where there is none."""
        return self.rows[0] if self.rows else {}


class Facts(Record):
    """Everything that a rendered round is made of."""

    number: int
    round: SourcedRows
    dataset: SourcedRows
    arms: SourcedRows
    audits: SourcedRows
    training: SourcedRows
    losses: SourcedRows
    gates: SourcedRows
    played: SourcedRows
    policy: SourcedRows
    speed: SourcedRows
    paused: SourcedRows

    @property
    def candidate(self) -> str:
        """The round's candidate; empty without one."""
        return str(self.round.first["candidate"] or "")

    @property
    def proposed(self) -> bool:
        """Whether the round began at its gates, with a candidate that needed no training."""
        return bool(self.candidate) and self.round.first["dataset"] is None

    @property
    def deciding(self) -> list[Row]:
        """The gates that a decision rests on."""
        return [row for row in self.gates.rows if not row["gate"].endswith((TWIN, EXTERNAL))]


def gather(ask: Query, number: int) -> Facts:
    """Ask everything about a round.

    Raises:
        NotFound: there is no such round.
    """

    def answer(query: str, *words: str) -> SourcedRows:
        spelled = query.format(number, *words)
        result = ask(spelled)
        return SourcedRows([dict(zip(result.columns, row, strict=True)) for row in result.rows], spelled)

    rnd = answer(ROUND)
    if not rnd.rows:
        raise NotFound(f"There is no round {number}. See: loopd status")
    candidate = str(rnd.first["candidate"] or "")
    return Facts(
        number=number,
        round=rnd,
        dataset=answer(DATASET),
        arms=answer(ARMS),
        audits=answer(AUDITS),
        training=answer(TRAINING),
        losses=answer(LOSSES),
        gates=answer(GATES),
        played=answer(PLAYED),
        policy=answer(POLICY, _digest(candidate)),
        speed=answer(SPEED, _digest(candidate)),
        paused=answer(PAUSED),
    )


def _digest(word: str) -> str:
    """Let nothing but a digest's letters into a query."""
    return "".join(letter for letter in word if letter in "0123456789abcdef")
