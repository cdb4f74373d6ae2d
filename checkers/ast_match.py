"""AST match: are a single-turn question's calls written as one of the acceptable answers has them?

The judgement of `ast_checker` in BFCL (Patil et al., 2025), and beyond it five forgiving rules, each of which can be
switched off: where the benchmark's own answers are too narrow, a right call fails it. The evidence says which rule a
pass needed, so a report can give the score with each and with none. docs/worlds.md lists where the two differ.

Judged is the first message that calls: a question is asked once. A question without answers is about whether to call.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

from checkers.single_turn.acceptable import Acceptable
from checkers.single_turn.texts import RULES, Texts, texts_of
from loop.types import Call, Message, Record, Task, Trajectory, Verdict
from task_generators.backends.functions_backend import FUNCTIONS
from task_generators.backends.schemas import original_names

__all__ = ["AstMatch"]

TOGETHER: Final = "together"
"""Stands for the rules where no single one is enough."""


class SingleTurnQuestion(NamedTuple):
    """A question as the data set has it."""

    language: str
    documents: dict[str, Any]
    """By the function's own name."""
    right: list[dict[str, Any]] | None
    """One a call that is due: none for no call, None for any."""
    said: str


class AstMatch(Record):
    """Judges how the calls of a single-turn question are written. Every field is a forgiving rule."""

    nested: bool = True
    """Lists and objects inside of an object are compared member by member; BFCL compares them as they stand."""
    implicit_multiplication: bool = True
    """A formula's `2x` is `2*x`, and `x**2` is `x^2`, where BFCL compares to the letter."""
    country_aliases: bool = True
    """USA is United States."""
    supersets: bool = True
    """A text may be fuller than a right one, by words that the user said; than a single word, as the user said it."""
    whole_numbers: bool = True
    """A list of floats may hold 12 for 12.0."""

    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """The name in the store."""
        return "ast_match"

    @property
    def rules(self) -> frozenset[str]:
        """The forgiving rules that are on."""
        return frozenset(rule for rule in RULES if getattr(self, rule))

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge the first message that calls, under BFCL's rules and under the forgiving ones."""
        said = [message for message in trajectory.messages if message.role == "assistant"]
        if FUNCTIONS not in task.initial:
            return self._verdict("", "the task has no list of right answers: there is nothing to judge", [])
        if not said:
            return self._verdict("the player said nothing", "", [])
        asked = _asked(task)
        first = next((message for message in said if message.calls), said[-1])
        official = _fault(asked, first, frozenset())
        fault = official and _fault(asked, first, self.rules)
        needed = _needed(asked, first, self.rules) if official and not fault else []
        right = f"right, with the rules {', '.join(needed)}" if needed else "every call is as it should be"
        return self._verdict(fault, right, needed, official=not official)

    def _verdict(self, fault: str, right: str, needed: Sequence[str], *, official: bool | None = None) -> Verdict:
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=not fault,
            score=float(not fault),
            reason=fault or right,
            evidence={"needs": [*needed], **({} if official is None else {"official": official})},
        )


def _asked(task: Task) -> SingleTurnQuestion:
    question: Any = task.initial[FUNCTIONS]
    documents = {document["name"]: document for document in question["functions"]}
    return SingleTurnQuestion(
        question["language"], documents, question["answers"], " ".join(turn.user for turn in task.turns)
    )


def _needed(asked: SingleTurnQuestion, said: Message, rules: frozenset[str]) -> list[str]:
    """Name each rule that alone makes the message right."""
    alone: list[str] = [rule for rule in RULES if rule in rules and not _fault(asked, said, frozenset({rule}))]
    return alone or [TOGETHER]


def _fault(asked: SingleTurnQuestion, said: Message, rules: frozenset[str]) -> str:
    """Say what is wrong with a message; empty where nothing is."""
    if not asked.right:
        return _whether(said, due=asked.right is None)
    if len(said.calls) != len(asked.right):
        return f"{len(said.calls)} calls, where {len(asked.right)} were due"
    texts = texts_of(asked.said, rules) if "supersets" in rules else Texts(rules=rules)
    acceptable = Acceptable(asked.language, texts)
    left = list(said.calls)
    for due in asked.right:
        faults = [_call_fault(asked, acceptable, call, due) for call in left]
        if all(faults):
            return faults[0]
        left.pop(faults.index(""))
    return ""


def _whether(said: Message, *, due: bool) -> str:
    if due:
        return "" if said.calls else "a call was due, and none was made"
    if said.calls:
        return f"no function fits, but {said.calls[0].name} was called"
    return f"no function fits, but a call was begun: {said.fault}" if said.fault else ""


def _call_fault(asked: SingleTurnQuestion, acceptable: Acceptable, call: Call, due: dict[str, Any]) -> str:
    [(name, right)] = due.items()
    if original_names(list(asked.documents)).get(call.name) != name:
        return f"{call.name[:100]} was called, and {name} was due"
    fault = acceptable.fault(asked.documents[name], call.arguments, right)
    return f"{name}: {fault}" if fault else ""
