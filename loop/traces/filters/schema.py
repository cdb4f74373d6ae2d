"""Schema: does every call name a tool that was offered, with the arguments that it takes?

A name that was not offered is drift or invention; where one tool on offer is close to it, the reason names that one.
`tools` are today's, where a trace is to be held to them; otherwise the trace's own catalogue counts. A conversation
most of whose calls are for other tools is foreign as a whole.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from loop.traces.filtering import WHOLE, Filter, TraceFault, said
from loop.types import Call, Catalogue, Trajectory
from task_generators.backends.arguments import problem

__all__ = ["Schema"]

FOREIGN: Final = 0.5
"""Share of the calls, beyond which a conversation belongs elsewhere."""


class Schema(Filter):
    """Judges names and arguments."""

    tools: Catalogue = Catalogue()
    """Today's tools; empty for those that each trace shows."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find calls that no tool on offer would take."""
        offered = self.tools if self.tools.tools else trajectory.catalogue
        calls = wrong = 0
        for index, message in said(trajectory):
            if message.fault:
                yield TraceFault(index, "unread", message.fault)
            for call in message.calls:
                calls += 1
                if fault := _fault(call, offered):
                    wrong += 1
                    yield TraceFault(index, *fault)
        if calls > 1 and wrong > FOREIGN * calls:
            yield TraceFault(WHOLE, "foreign", f"{wrong} of {calls} calls fit no tool on offer")


def _fault(call: Call, offered: Catalogue) -> tuple[str, str] | None:
    if not offered.tools:
        return "unshown", f"{call.name} is called, and no tool was shown"
    tool = offered.find(call.name)
    if tool is None:
        near = get_close_matches(call.name, [tool.name for tool in offered.tools], n=1)
        return "name", f"{call.name} was not on offer{f'; {near[0]} was' if near else ''}"
    try:
        wrong = problem({"properties": {}, **tool.parameters}, call.arguments)
    except (TypeError, KeyError, AttributeError):  # a stranger's schema may say anything
        wrong = None
    return ("arguments", f"{call.name}: {wrong}") if wrong else None
