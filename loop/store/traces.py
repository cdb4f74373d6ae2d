"""Traces: conversations that happened elsewhere, kept as trajectories of player `trace`, and what was made of them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Connection, func, select

from loop.canonical import canonical, clean, digest
from loop.store.damage import json_list, json_object, reads
from loop.store.database import AnyRow, Database, chunks
from loop.store.rows import Values, play_row, prompt_row
from loop.store.tables import Play as PlayRow
from loop.store.tables import PlayState, Prompt
from loop.store.tables import Trace as TraceRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.tables import Verdict as VerdictRow
from loop.store.tasks import Tasks
from loop.store.trajectories import LeftOut, Trajectories
from loop.types import Accepted, Part, Play, Record, Split, Task, Trajectory

PLAYER: Final = "trace"
"""Who said what a trace says: somebody outside."""
CORRECTION: Final = "correction"
"""The arm of what a person corrected."""
DIRECT: Final = "direct"
"""The arm of a trace as it was imported."""


class Provenance(Record):
    """Where a trace comes from, and how it was made where it was made of another."""

    format: str = ""
    source: str = ""
    """The file or URL, as it was named."""
    line: int = 0
    licence: str = ""
    conversation: str = ""
    speaker: str = ""
    """Who talked, by a digest."""
    model: str = ""
    happened: int = 0
    """Microseconds since the epoch; 0 where nobody says."""
    replaced: Mapping[str, int] = {}
    """Personal values that were replaced, by kind."""
    origin: str | None = None
    """The trajectory that this one was made of."""
    arm: str = DIRECT
    changes: tuple[Mapping[str, JsonValue], ...] = ()
    """What was changed: the message's place, how, what stood there before, and why."""


class Kept(Record):
    """One trace as it is stored."""

    id: str
    task: Task
    trajectory: Trajectory
    provenance: Provenance


class Traces:
    """The traces. Keeping one twice changes nothing."""

    def __init__(self, database: Database, tasks: Tasks, trajectories: Trajectories) -> None:
        self._db = database
        self._tasks = tasks
        self._trajectories = trajectories

    def known(self, ids: Sequence[str]) -> set[str]:
        """Say which of these are there."""
        known: set[str] = set()
        with self._db.read() as connection:
            for some in chunks(ids):
                known.update(connection.scalars(select(TraceRow.trajectory).where(TraceRow.trajectory.in_(some))))
        return known

    def keep(self, kept: Sequence[Kept]) -> int:
        """Keep traces, all of them or none, and say how many were new.

        Raises:
            NotJson: a message cannot be stored as canonical JSON of bounded size.
            CheckNegative: a leak group lies in another split.
        """
        known = self.known([trace.id for trace in kept])
        fresh = list({trace.id: trace for trace in kept if trace.id not in known}.values())
        if not fresh:
            return 0
        now = self._db.clock()
        plays = [_play(trace) for trace in fresh]
        spelled = [self._trajectories.spell(play, trace.trajectory) for play, trace in zip(plays, fresh, strict=True)]
        with self._db.write() as connection:
            self._tasks.add(connection, list({trace.task.id: trace.task for trace in fresh}.values()))
            self._db.insert_once(connection, Prompt, [prompt_row("")])
            settled = {"state": PlayState.DONE, "ended": now}
            connection.execute(self._db.insert(PlayRow), [play_row(play, 0, now) | settled for play in plays])
            self._trajectories.insert(connection, spelled)
            connection.execute(self._db.insert(TraceRow), [_row(trace, now) for trace in fresh])
        self._trajectories.committed(spelled)
        return len(fresh)

    def all(self, *, arm: str | None = None, origin: str | None = None, accepted: bool | None = None) -> Iterator[Kept]:
        """Give traces in the order of their ids.

        Args:
            arm: only those made so; None for all.
            origin: only those made of this trajectory.
            accepted: only those that every filter accepted, or that one refused.
        """
        query = select(TrajectoryRow.id.label("key"), TrajectoryRow, *TraceRow.__table__.columns).join(
            TraceRow, TraceRow.trajectory == TrajectoryRow.id
        )
        if arm is not None:
            query = query.where(TraceRow.arm == arm)
        if origin is not None:
            query = query.where(TraceRow.origin == origin)
        if accepted is not None:
            query = query.where(TrajectoryRow.passed == int(accepted))
        return self._db.paged(query, TrajectoryRow.id, self._kept)

    def unfiltered(self, filters: Sequence[tuple[str, int]]) -> Iterator[Kept]:
        """Give traces that lack a verdict of some filter at its version, in the order of their ids."""
        judged = select(VerdictRow.trajectory).where(VerdictRow.trajectory == TrajectoryRow.id)
        lacking = [
            ~judged.where(VerdictRow.checker == name, VerdictRow.version == version).exists()
            for name, version in filters
        ]
        query = select(TrajectoryRow.id.label("key"), TrajectoryRow, *TraceRow.__table__.columns).join(
            TraceRow, TraceRow.trajectory == TrajectoryRow.id
        )
        condition = lacking[0]
        for item in lacking[1:]:
            condition |= item
        return self._db.paged(query.where(condition), TrajectoryRow.id, self._kept)

    def lessons(self, arm: str, left_out: LeftOut | None = None) -> Iterator[Accepted]:
        """Give what is trained on of an arm: of `direct` everything, else what was made for it and all that passed.

        Held-out users' traces never are. What people corrected is an arm of its own.
        """
        query = select(TrajectoryRow).join(TraceRow, TraceRow.trajectory == TrajectoryRow.id)
        passed = (TraceRow.arm == DIRECT) & (TrajectoryRow.passed == 1)
        chosen = TraceRow.arm == arm if arm in (DIRECT, CORRECTION) else (TraceRow.arm == arm) | passed
        made = select(TraceRow.origin).where(TraceRow.arm == arm, TraceRow.origin.is_not(None))
        query = query.where(TrajectoryRow.split == Split.TRAIN, chosen, TrajectoryRow.id.not_in(made))
        return self._db.paged(query, TrajectoryRow.id, partial(self._trajectories.accepted_of, left_out=left_out))

    def counts(self) -> dict[str, int]:
        """Count the traces of every arm."""
        query = select(TraceRow.arm, func.count()).group_by(TraceRow.arm).order_by(TraceRow.arm)
        with self._db.read() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query)}

    def _kept(self, connection: Connection, rows: Sequence[AnyRow]) -> list[Kept]:
        loaded = self._trajectories.load(connection, rows)
        return [
            Kept(id=row.id, task=task, trajectory=trajectory, provenance=provenance_of(row))
            for row, (task, trajectory) in zip(rows, loaded, strict=True)
        ]


def _play(kept: Kept) -> Play:
    return Play(
        id=kept.id, round=0, task=kept.task, player=Part(use=PLAYER), player_name=PLAYER, sample=_place(kept.id)
    )


def _place(identity: str) -> int:
    """Tell traces of one task apart: two that ask the same may be answered differently."""
    return int(digest(identity)[:12], 16) % 2**31


def _row(kept: Kept, now: int) -> Values:
    fields = kept.provenance.model_dump(mode="json")
    texts = {name: clean(value) if isinstance(value, str) else value for name, value in fields.items()}
    bodies = {name: canonical(fields[name]) for name in ("replaced", "changes")}
    return texts | bodies | {"trajectory": kept.id, "imported": now}


@reads(TraceRow)
def provenance_of(row: AnyRow) -> Provenance:
    """One row of `trace`, as a record."""
    fields = {name: getattr(row, name) for name in Provenance.model_fields}
    return Provenance.model_validate(
        fields | {"replaced": json_object(fields["replaced"]), "changes": json_list(fields["changes"])}
    )
