"""Datasets: what each candidate was trained on."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial

from sqlalchemy import Connection, select, update

from loop.errors import NotFound
from loop.store.damage import json_object, reads
from loop.store.database import AnyRow, Database
from loop.store.rows import part
from loop.store.tables import Dataset as DatasetTable
from loop.store.tables import DatasetRow
from loop.store.tables import Round as RoundRow
from loop.store.tables import Trajectory as TrajectoryRow
from loop.store.trajectories import LeftOut, Trajectories
from loop.types import Accepted, Dataset, Round


class Datasets:
    """The datasets. The database refuses a row that is not a training play of a training task."""

    def __init__(self, database: Database, trajectories: Trajectories) -> None:
        self._db = database
        self._trajectories = trajectories

    def save(self, rnd: Round, dataset: Dataset) -> Dataset:
        """Keep a round's dataset. Doing so twice is a no-op.

        Raises:
            sqlalchemy.exc.IntegrityError: a row is no training play of a training task: a bug in the mix.
        """
        head = {
            "id": dataset.id,
            "rows": len(dataset.rows),
            "counts": part(dataset, "counts"),
            "rules": part(dataset, "rules"),
            "made": self._db.clock(),
        }
        rows = [{"dataset": dataset.id, "place": index, "trajectory": row} for index, row in enumerate(dataset.rows)]
        with self._db.write() as connection:
            self._db.insert_once(connection, DatasetTable, [head])
            self._db.insert_once(connection, DatasetRow, rows)
            connection.execute(update(RoundRow).where(RoundRow.id == rnd.id).values(dataset=dataset.id))
        return dataset

    def note_trained(self, dataset: Dataset, trained: Collection[str]) -> None:
        """Note which rows of a dataset its training took; the others count for no policy."""
        taken, mine = set(trained), DatasetRow.dataset == dataset.id
        with self._db.write() as connection:
            connection.execute(update(DatasetRow).where(mine).values(left_out=None))
            for index, row in enumerate(dataset.rows):
                if row not in taken:
                    connection.execute(update(DatasetRow).where(mine, DatasetRow.place == index).values(left_out=1))

    def of(self, rnd: Round) -> Dataset | None:
        """Return the round's dataset, if it has one."""
        with self._db.read() as connection:
            dataset = connection.scalar(select(RoundRow.dataset).where(RoundRow.id == rnd.id))
            return self._dataset(connection, dataset) if dataset else None

    def ids(self) -> tuple[str, ...]:
        """Ids of all datasets, the oldest first."""
        with self._db.read() as connection:
            return tuple(connection.scalars(select(DatasetTable.id).order_by(DatasetTable.made, DatasetTable.id)))

    def get(self, dataset_id: str) -> Dataset:
        """Look a dataset up by its id.

        Raises:
            NotFound: there is no such dataset.
        """
        with self._db.read() as connection:
            return self._dataset(connection, dataset_id)

    def rows(self, dataset_id: str, left_out: LeftOut | None = None) -> Iterator[Accepted]:
        """Yield a dataset's trajectories, in its order.

        Args:
            dataset_id: whose.
            left_out: told of every one that is damaged, and goes on without it; None raises `Damaged` there.
        """
        query = (
            select(DatasetRow.place, TrajectoryRow)
            .join(TrajectoryRow, TrajectoryRow.id == DatasetRow.trajectory)
            .where(DatasetRow.dataset == dataset_id)
        )
        return self._db.paged(query, DatasetRow.place, partial(self._trajectories.accepted_of, left_out=left_out))

    def _dataset(self, connection: Connection, dataset_id: str) -> Dataset:
        head = connection.execute(select(DatasetTable).where(DatasetTable.id == dataset_id)).first()
        if head is None:
            raise NotFound(f"There is no dataset {dataset_id}. List them: loopd dataset list")
        query = select(DatasetRow.trajectory).where(DatasetRow.dataset == dataset_id).order_by(DatasetRow.place)
        return _dataset_of(head, connection.scalars(query).all())


@reads(DatasetTable)
def _dataset_of(head: AnyRow, rows: Sequence[str]) -> Dataset:
    return Dataset(id=head.id, rows=tuple(rows), counts=json_object(head.counts), rules=json_object(head.rules))
