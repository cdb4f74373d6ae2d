"""ATIF, the Agent Trajectory Interchange Format of Harbor, versions 1.0 to 1.8: one trajectory a document.

Steps of `user`, `agent` and `system`; an agent's step holds its message, its calls and, in `observation`, their
results, each under the id of its call. Steps that only repeat an earlier context are left out, and so are the
trajectories of sub-agents, which are trajectories of their own.
"""

from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from loop.traces import chat
from loop.traces.conversation import Conversation
from loop.traces.reader import RowReader
from loop.traces.tools import catalogue
from loop.traces.trace import LocatedTrace, NotATrace, SourceRow, Trace, UnreadableRow
from loop.traces.untrusted import mapping, moment, sequence, text, word

__all__ = ["Atif"]


class Atif(RowReader):
    """Reads trajectories."""

    def claims(self, value: JsonValue) -> bool:
        """Whether it names a version of ATIF."""
        return isinstance(value, dict) and str(value.get("schema_version", "")).startswith("ATIF-v1.")

    def read(self, rows: Iterable[SourceRow]) -> Iterator[LocatedTrace | UnreadableRow]:
        """Read every trajectory, and behind it those of its sub-agents."""
        for row in rows:
            yield from super().read([row])
            inner = row.value.get("subagent_trajectories") if isinstance(row.value, dict) else None
            if isinstance(inner, list):
                yield from super().read(SourceRow(row.place, value) for value in inner)

    def trace(self, value: JsonValue) -> Trace:
        """Read one trajectory.

        Raises:
            NotATrace: a step is none.
        """
        document = mapping(value, "the document")
        agent = mapping(document.get("agent", {}), "agent")
        conversation = Conversation()
        steps = [mapping(step, "steps") for step in sequence(document.get("steps"), "steps")]
        for number, step in enumerate(steps):
            if not step.get("is_copied_context"):
                _hear(conversation, step, f"steps[{number}]")
        times = [at for step in steps if (at := moment(step.get("timestamp")))]
        return Trace(
            messages=conversation.finished(),
            catalogue=catalogue(agent.get("tool_definitions"), "agent.tool_definitions"),
            conversation=word(document.get("trajectory_id") or document.get("session_id")),
            model=word(agent.get("model_name")),
            happened=min(times, default=0),
        )


def _hear(conversation: Conversation, step: dict[str, JsonValue], location: str) -> None:
    source, said = step.get("source"), chat.content_of(step.get("message"), f"{location}.message")
    if source == "user":
        conversation.user(said)
    elif source == "agent":
        thought = step.get("reasoning_content")
        calls = [
            chat.asked(word(call.get("tool_call_id")), text(call.get("function_name"), location), call.get("arguments"))
            for call in (mapping(call, f"{location}.tool_calls") for call in _listed(step, "tool_calls", location))
        ]
        conversation.assistant(said, calls, reasoning=thought if isinstance(thought, str) else None)
    elif source == "system":
        if said:
            conversation.system(said)
    else:
        raise NotATrace(f"{location}.source is neither user, agent nor system")
    observation = mapping(step.get("observation") or {}, f"{location}.observation")
    for item in _listed(observation, "results", f"{location}.observation"):
        result = mapping(item, f"{location}.observation.results")
        content = chat.result_text(result.get("content"), f"{location}.observation.results.content")
        if source == "agent":
            conversation.result(content, word(result.get("source_call_id")))
        elif content:
            conversation.system(content)


def _listed(record: dict[str, JsonValue], name: str, location: str) -> list[JsonValue]:
    return list(sequence(record.get(name) or [], f"{location}.{name}"))
