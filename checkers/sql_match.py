"""SQL match: is a raw answer the one statement that was asked for, and does it find what the right one finds?

For tasks without tools whose closing message is a statement (`text_to_sql`, Defog's questions). Three things are told
apart: *clean*, the answer is one statement that reads, with no words, fence or comment around it; *execution*, run on
the task's database it finds what an accepted statement finds; *exact*, the two are spelt alike but for case, blanks
and quotes. Spelling never decides execution. Where the answer is not clean, the statement within it is run all the
same, so that the two failures can be told apart.
"""

import re
from typing import Any, Final

from checkers.evidence.databases import SQL, StatementPair, agree, opened
from checkers.evidence.statements import TOKEN, Statement, first_word
from checkers.evidence.tables import Rows, holds, is_bare, rows_of
from loop.types import Call, Record, Task, Trajectory, Verdict
from task_generators.backends.worlds import BackendWorld

__all__ = ["SqlMatch"]

READS: Final = frozenset({"select", "with", "values"})
FENCE: Final = re.compile(r"```(?:sql|sqlite)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)
BEGIN: Final = re.compile(r"\b(?:select|with)\b", re.IGNORECASE)
MALFORMED: Final = re.compile(r"syntax error|incomplete input|unrecognized token|one statement at a time")
"""What SQLite says of a text that is no single statement. (Any other error is a wrong statement, cleanly written.)"""
MOST_ACCEPTED: Final = 40
_NOTHING: Final = {"exact": False, "execution": False, "clean": False}
MOST_SAID: Final = 20_000
"""Characters of an answer that are read: SQLite runs no more here."""


class SqlMatch(Record):
    """Judges a raw answer. A task with tools on offer, or whose closing is no statement, is none of its business."""

    clean: bool = True
    """Whether an answer must be one statement and nothing else to pass."""
    elsewhere: bool = True
    """Whether the statement must do the same on other databases of the schema too, so that none passes by luck."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "sql_match"

    @property
    def version(self) -> int:
        """Bumped with every change of judgement."""
        return 1

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge the last answer."""
        if not applies(task):
            return self._verdict(True, "no statement was asked for", {})
        said = next((message for message in reversed(trajectory.messages) if message.role == "assistant"), None)
        if said is None or said.calls:
            why = "a tool was called, where a statement was asked for" if said else "there is no answer"
            return self._verdict(False, why, _NOTHING)
        return self._judge(task, said.content[: MOST_SAID + 1])

    def _judge(self, task: Task, raw: str) -> Verdict:
        world, mine, golds = opened(_database(task)), statement_in(raw), accepted(task)
        if world is None:
            return self._verdict(False, "the task's database cannot be built", _NOTHING)
        clean = _is_clean(world, raw)
        exact = any(Statement(sql=mine).spelling == Statement(sql=gold).spelling for gold in golds)
        rows, _ = _run(world, mine)
        right = rows is not None and any(self._same(task, world, (gold, mine), rows) for gold in golds)
        evidence = {"exact": exact, "execution": right, "clean": clean}
        if not right:
            return self._verdict(False, "the statement does not find what was asked for", evidence)
        if self.clean and not clean:
            return self._verdict(False, "the answer is not one statement and nothing else", evidence)
        return self._verdict(True, "the statement finds what was asked for", evidence)

    def _same(self, task: Task, world: BackendWorld, pair: tuple[str, str], rows: Rows) -> bool:
        """Whether two statements find the same here and, where that proves too little, on other databases."""
        wanted, _ = _run(world, pair[0])
        if wanted is None or not holds(rows, wanted, ordered=Statement(sql=pair[0]).ordered):
            return False
        if not (self.elsewhere or is_bare(wanted)):
            return True
        proof = agree(_database(task), StatementPair(*pair), task.turns[0].user)
        return proof is True or (proof is None and not is_bare(wanted))

    def _verdict(self, passed: bool, reason: str, evidence: dict[str, Any]) -> Verdict:  # noqa: FBT001 - its one result
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=passed,
            score=float(passed),
            reason=reason,
            evidence=evidence,
        )


def applies(task: Task) -> bool:
    """Whether a task asks for a statement."""
    return not task.tools and SQL in task.initial and first_word(task.turns[0].closing) in READS


def accepted(task: Task) -> tuple[str, ...]:
    """Give the statements that are right: the closing message, and the others that a data set accepts."""
    others = (value for value in task.turns[0].answer if isinstance(value, str))
    return (task.turns[0].closing, *others)[:MOST_ACCEPTED]


def statement_in(raw: str) -> str:
    """Give the statement within an answer: in its fence, or from its first SELECT or WITH to the semicolon after it."""
    fenced = FENCE.search(raw[:MOST_SAID])
    text = fenced[1] if fenced else raw[:MOST_SAID]
    begin = BEGIN.search(text)
    if begin is None:
        return ""
    end = next((token.start() for token in TOKEN.finditer(text, begin.start()) if token[0] == ";"), len(text))
    return text[begin.start() : end].strip()


def _is_clean(world: BackendWorld, raw: str) -> bool:
    """Whether an answer is one statement that reads, as SQLite takes it, with nothing around it."""
    commented = any(token.lastgroup == "comment" for token in TOKEN.finditer(raw[:MOST_SAID]))
    if len(raw) > MOST_SAID or commented or "```" in raw or first_word(raw) not in READS:
        return False
    _, error = _run(world, raw.strip())
    return MALFORMED.search(error) is None


def _run(world: BackendWorld, sql: str) -> tuple[Rows | None, str]:
    """Run a statement that can change nothing: its rows, or what SQLite says."""
    ok, value = world.answer(Call(name="query", arguments={"sql": sql}))
    error = value.get("error", "") if isinstance(value, dict) else ""
    return (rows_of(value), "") if ok else (None, str(error))


def _database(task: Task) -> Any:  # noqa: ANN401 - the backend's own words
    return task.initial[SQL]
