"""Stop: does the conversation end with the assistant's own words, and no turn run on?

A trace that breaks off at a call teaches to call and not what comes of it; rows that are meant so (one question, one
call) are let pass by `open_end`.
"""

from collections.abc import Iterator

from pydantic import Field

from loop.traces.filtering import WHOLE, Filter, TraceFault
from loop.types import Trajectory

__all__ = ["ConversationEnds"]


class ConversationEnds(Filter):
    """Judges ends."""

    open_end: bool = False
    """Whether a trace may end with a call."""
    steps: int = Field(default=20, ge=1)
    """Messages of the assistant that one turn may take."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find turns that run on, and an end that is none."""
        messages, step = trajectory.messages, 0
        for index, message in enumerate(messages):
            step = 0 if message.role == "user" else step + (message.role == "assistant")
            if step == self.steps + 1:
                yield TraceFault(index, "over-run", f"the turn takes more than {self.steps} steps")
        last = next((message for message in reversed(messages) if message.role != "system"), None)
        if last is None or last.role == "user":
            yield TraceFault(WHOLE, "unanswered", "the last word is the user's")
        elif last.role == "tool" or (last.calls and not self.open_end):
            yield TraceFault(len(messages) - 1, "breaks off", "the conversation ends without a closing message")
