"""Questions that are answered with one SQL statement and nothing else: no tool is on offer, the schema is told.

The statement is the turn's closing message; the checker `sql_match` reads it. Words are those of the generator `sql`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from loop.canonical import digest
from loop.errors import NotFound, nearest
from loop.types import ArmKey, Novelty, Record, Split, Task, Tier, Turn
from task_generators.families.sql.story import BACKEND, SqlStory, number_of, one_table
from task_generators.writing.draws import draws
from task_generators.writing.generator import MOST_DRAWS, split_of

__all__ = ["TextToSql"]

PROMPT: Final = """\
A SQLite database has this schema:
{schema}

{question}

Answer with one SQL statement in SQLite's dialect and nothing else: no words, no code fence."""


class Shot(NamedTuple):
    """A question and the statement that answers it."""

    move: str
    """Of the wording."""
    blanks: Mapping[str, Any]
    sql: str


def _lookup(story: SqlStory) -> Shot:
    name = story.name()
    return Shot("lookup", {"name": name}, number_of(story, name))


def _find(story: SqlStory) -> Shot:
    name = story.name()
    return Shot("find", {"name": name}, f"SELECT id FROM {story.kind.table} WHERE name = '{name}'")  # noqa: S608 - own words


def _count(story: SqlStory) -> Shot:
    most = story.rng.choice(sorted(story.rows.values())[1:])
    sql = f"SELECT COUNT(*) FROM {story.kind.table} WHERE {story.kind.number} < {most}"  # noqa: S608 - own words
    return Shot("count", {"most": most}, sql)


def _over(story: SqlStory) -> Shot:
    least = story.rng.choice(sorted(story.rows.values())[:-1])
    table, number = story.kind.table, story.kind.number
    sql = f"SELECT name, {number} FROM {table} WHERE {number} > {least} ORDER BY {number}"  # noqa: S608 - own words
    return Shot("over", {"least": least}, sql)


def _top(story: SqlStory) -> Shot:
    end, order = story.rng.choice([("highest", " DESC"), ("lowest", "")])
    table, number = story.kind.table, story.kind.number
    return Shot("ask_top", {"end": end}, f"SELECT name FROM {table} ORDER BY {number}{order} LIMIT 1")  # noqa: S608 - own words


FAMILIES: Final[Mapping[str, Callable[[SqlStory], Shot]]] = {
    "shot-lookup": _lookup,
    "shot-find": _find,
    "shot-count": _count,
    "shot-over": _over,
    "shot-top": _top,
}
UNSEEN: Final = "shot-top"
"""The family that is never trained."""


class TextToSql(Record):
    """Single-shot questions on databases of one table, each with a database of its own."""

    judged_by: str = "sql_match"
    """The checker without which every answer would pass."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "text_to_sql"

    @property
    def arms(self) -> tuple[ArmKey, ...]:
        """Everything that it makes for training."""
        return tuple(_arm(family) for family in FAMILIES if family != UNSEEN)

    @property
    def unseen(self) -> tuple[ArmKey, ...]:
        """What it makes for measurements alone."""
        return (_arm(UNSEEN),)

    def make(self, arm: ArmKey, seed: int, split: Split = Split.TRAIN) -> Task:
        """Make one task; held-out ones are worded in frames of their own.

        Raises:
            NotFound: there is no such arm, or it is never trained and the split is training's.
        """
        known = [*self.arms, *(self.unseen if split is not Split.TRAIN else ())]
        if arm not in known:
            raise NotFound(
                f"{self.name} makes no {split} '{arm}'.{nearest(str(arm), [str(number) for number in known])}"
            )
        for draw in range(MOST_DRAWS):
            rng = draws(f"{self.name}/{arm.family}/{split}/{seed}/{draw}", suites=split is not Split.TRAIN)
            story = one_table(rng)
            story.speak(split)
            shot = FAMILIES[arm.family](story)
            group = f"{self.name}:{digest([shot.sql, list(story.rows)])[:24]}"
            if split_of(group) is split:
                return _task(arm, seed, split, story, shot, group)
        raise NotFound(f"{arm}: no {split} task in {MOST_DRAWS} draws")


def _arm(family: str) -> ArmKey:
    return ArmKey(backends=(BACKEND,), family=family, tier=Tier.EASY)


def _task(  # noqa: PLR0913 - all of a task
    arm: ArmKey, seed: int, split: Split, story: SqlStory, shot: Shot, group: str
) -> Task:
    state: Any = story.initial[BACKEND]
    question = story.said(shot.move, **story.blanks, **shot.blanks)
    return Task(
        generator="text_to_sql",
        family=arm.family,
        tier=arm.tier,
        seed=seed,
        backends=arm.backends,
        initial=story.initial,
        tools=(),
        turns=(Turn(user=asked(state["schema"], question), closing=shot.sql),),
        split=split,
        leak_group=group,
        novelty=None if split is Split.TRAIN else Novelty.FAMILY if arm.family == UNSEEN else Novelty.WORDS,
    )


def asked(schema: str, question: str) -> str:
    """Spell what the user says: schema, question, and how to answer."""
    return PROMPT.format(schema=schema, question=question)
