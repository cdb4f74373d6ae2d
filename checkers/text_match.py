"""Text match: are the calls that a player wrote into its answer, in the words that it was asked for, the right ones?

For BFCL's format sensitivity: no tool is on offer, and a prompt says how a call is to be written. What was written is
read as BFCL reads it and judged as `ast_match` judges calls, forgiving rules included.
"""

from typing import Any

from checkers.ast_match import AstMatch
from checkers.single_turn.spelt import Spelt, spelt_calls
from loop.calls import NotACall
from loop.types import Call, Message, Task, Trajectory, Verdict
from task_generators.backends.formats import FORMAT
from task_generators.backends.functions_backend import FUNCTIONS
from task_generators.backends.schemas import safe_names

__all__ = ["TextMatch"]


class TextMatch(AstMatch):
    """Judges how calls are written in text."""

    @property
    def name(self) -> str:
        """The name in the store."""
        return "text_match"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Judge the first answer."""
        functions: Any = task.initial.get(FUNCTIONS, {})
        said = next((message for message in trajectory.messages if message.role == "assistant"), None)
        if FORMAT not in functions or said is None:
            return super().check(task, trajectory)
        if said.calls:
            return self._verdict("a tool was called, where the calls were to be written as text", "", [])
        try:
            calls = _read(said.content, functions)
        except NotACall as fault:
            return self._verdict(f"the answer is not in the words that were asked for: {fault}", "", [])
        message = Message(role="assistant", content="", calls=calls)
        return super().check(task, trajectory.model_copy(update={"messages": (message,)}))


def _read(text: str, functions: dict[str, Any]) -> tuple[Call, ...]:
    wanted = functions[FORMAT]
    safe = safe_names([document["name"] for document in functions["functions"]])
    calls = spelt_calls(text, wanted["returned"], tagged=wanted["tagged"])
    return tuple(_call(call, safe) for call in calls)


def _call(spelt: Spelt, safe: dict[str, str]) -> Call:
    return Call(name=safe.get(spelt.name, f"?{spelt.name}"), arguments=spelt.arguments)
