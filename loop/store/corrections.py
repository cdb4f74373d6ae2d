"""What people said of answers, kept as it was said, and whether policies have learned it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue
from sqlalchemy import Connection, select

from loop.canonical import canonical, clean, digest
from loop.store.damage import json_object, reads
from loop.store.database import AnyRow, Database
from loop.store.tables import Correction as CorrectionRow
from loop.store.tables import CorrectionKind, CorrectionScore
from loop.types import Message, Record

__all__ = ["Correction", "CorrectionKind", "Corrections", "NumberedCorrection"]


class Correction(Record):
    """What a person said of one answer."""

    kind: CorrectionKind
    trajectory: str | None = None
    """The play or trace that it is about; None where the answer was given elsewhere."""
    place: int | None = None
    """The message that it is about; None for the last answer."""
    author: str = ""
    note: str = ""
    request: Mapping[str, JsonValue] = {}
    """Where there is no trajectory: `messages` up to the answer and with it, and `tools`, as OpenAI spells them."""
    message: Message | None = None
    """The answer as it should have been."""
    said: int
    """Microseconds since the epoch."""

    @property
    def key(self) -> str:
        """Name what is said, of what, by whom: saying it twice is saying it once."""
        return digest(self.model_dump(mode="json", exclude={"said"}))


class NumberedCorrection(NamedTuple):
    """A correction and its number."""

    id: int
    correction: Correction


class Corrections:
    """The corrections. Nothing is ever changed: the database refuses it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, correction: Correction) -> int:
        """Keep a correction, once, and give its number."""
        row = {
            "key": correction.key,
            "trajectory": correction.trajectory,
            "place": correction.place,
            "kind": correction.kind,
            "author": clean(correction.author),
            "note": clean(correction.note),
            "request": canonical(dict(correction.request)) if correction.request else "",
            "body": canonical(correction.message.model_dump(mode="json")) if correction.message else "",
            "said": correction.said,
        }
        with self._db.write() as connection:
            self._db.insert_once(connection, CorrectionRow, [row])
            number = connection.scalar(select(CorrectionRow.id).where(CorrectionRow.key == correction.key))
        assert number is not None
        return int(number)

    def all(self, after: int = 0) -> Iterator[NumberedCorrection]:
        """Give corrections after a number, in the order in which they came."""
        query = select(CorrectionRow).where(CorrectionRow.id > after)
        return self._db.paged(query, CorrectionRow.id, _numbered)

    def score(self, number: int, policy: str, answer: Message, *, learned: bool) -> None:
        """Keep what a policy answers where somebody corrected."""
        row = {
            "correction": number,
            "policy": policy,
            "learned": int(learned),
            "answer": canonical(answer.model_dump(mode="json", exclude={"tokens"})),
            "scored": self._db.clock(),
        }
        with self._db.write() as connection:
            self._db.upsert(connection, CorrectionScore, [row])

    def learned(self, policy: str) -> dict[int, bool]:
        """Say of each correction that a policy was asked about whether it answers as corrected."""
        query = select(CorrectionScore.correction, CorrectionScore.learned).where(CorrectionScore.policy == policy)
        with self._db.read() as connection:
            return {row.correction: bool(row.learned) for row in connection.execute(query)}

    def answers(self, policy: str) -> dict[int, Message]:
        """Give what a policy answered where somebody corrected."""
        query = select(CorrectionScore).where(CorrectionScore.policy == policy)
        with self._db.read() as connection:
            return {row.correction: _answer_of(row) for row in connection.execute(query)}


@reads(CorrectionScore)
def _answer_of(row: AnyRow) -> Message:
    return Message.model_validate(json_object(row.answer))


def _numbered(_connection: Connection, rows: Sequence[AnyRow]) -> list[NumberedCorrection]:
    return [NumberedCorrection(row.id, correction_of(row)) for row in rows]


@reads(CorrectionRow)
def correction_of(row: AnyRow) -> Correction:
    """One row of `correction`, as a record."""
    return Correction(
        kind=row.kind,
        trajectory=row.trajectory,
        place=row.place,
        author=row.author,
        note=row.note,
        request=json_object(row.request) if row.request else {},
        message=Message.model_validate(json_object(row.body)) if row.body else None,
        said=row.said,
    )
