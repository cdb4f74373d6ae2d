"""Recall: is what a user said in earlier conversations in the answers to later questions?

The judgement of BFCL's `agentic_checker`: an answer is right where one of the acceptable ones stands in it as words of
its own, capitals, most punctuation and the kind of quotes left aside. A play passes with every question; the score is
the share of right ones.
"""

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from checkers.evidence.turns import PlayedTurn, turns_of
from loop.types import Record, Task, Trajectory, Verdict
from task_generators.backends.bfcl_memory import QUESTIONS

__all__ = ["Recall"]

DROPPED: Final = str.maketrans("'", '"', ",./-_*^()")
"""What BFCL's comparison does not see, and the one kind of quotes that it knows."""

MAX_TEXT: Final = 64_000
"""Characters of an answer that are looked at."""

MAX_SHOWN: Final = 300
"""Characters of a question in a reason."""


class Recall(Record):
    """Counts the questions that were answered right."""

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """The name in the store."""
        return "recall"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Look for an acceptable answer in what closes every turn that asks."""
        asked = task.initial.get(QUESTIONS)
        if not isinstance(asked, list):
            return self._verdict(0, 0, "the task asks nothing that was said before: there is nothing to judge")
        played = {turn.user.content: turn for turn in turns_of(trajectory)}
        due = [(turn.user, right) for turn, right in zip(task.turns, asked, strict=False) if isinstance(right, list)]
        wrong = [
            user for user, right in due if right and not _right(played.get(user), [str(accepted) for accepted in right])
        ]
        total = sum(bool(right) for _, right in due)
        detail = f"first wrong: {wrong[0][:MAX_SHOWN]}" if wrong else "all are right"
        return self._verdict(total - len(wrong), total, f"{total - len(wrong)} of {total} questions; {detail}")

    def _verdict(self, right: int, asked: int, reason: str) -> Verdict:
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=right == asked,
            score=right / asked if asked else 1.0,
            reason=reason,
            evidence={"right": right, "asked": asked} if asked else {},
        )


def _right(played: PlayedTurn | None, right: Sequence[str]) -> bool:
    said = _plain(played.steps[-1].said.content[:MAX_TEXT]) if played and played.closed else ""
    return any(re.search(rf"\b{re.escape(_plain(accepted))}\b", said) for accepted in right)


def _plain(text: str) -> str:
    return text.translate(DROPPED).lower()
