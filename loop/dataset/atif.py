"""Trajectories as ATIF 1.7, Harbor's Agent Trajectory Interchange Format: one document each.

A step is a user's message, an instruction, or an answer of the agent with its calls and, as its observation, their
results under the calls' ids. Tools that came later are named in their step's `extra`; the definitions of all tools
stand with the agent. https://github.com/laude-institute/harbor, RFC 0001 (read 2026-11).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pydantic import JsonValue

from loop.dataset.chat_format import tools
from loop.types import Accepted, Message, Trajectory

SCHEMA: Final = "ATIF-v1.7"
SOURCES: Final = {"user": "user", "assistant": "agent", "system": "system"}


def document(accepted: Accepted) -> dict[str, JsonValue]:
    """Spell one trajectory."""
    trajectory = accepted.trajectory
    steps = _steps(trajectory)
    return {
        "schema_version": SCHEMA,
        "session_id": accepted.task.leak_group or accepted.id,
        "trajectory_id": accepted.id,
        "agent": {
            "name": "loopd",
            "version": _version(),
            "model_name": trajectory.policy or trajectory.player,
            "tool_definitions": [*tools(trajectory.messages, trajectory.catalogue), *_late(trajectory)],
        },
        "steps": steps,
        "final_metrics": {
            "total_prompt_tokens": trajectory.usage.prompt_tokens,
            "total_completion_tokens": trajectory.usage.completion_tokens,
            "total_cached_tokens": trajectory.usage.cached_tokens,
            "total_steps": len(steps),
        },
        "extra": {"task": trajectory.task, "player": trajectory.player, "end": str(trajectory.end)},
    }


def _late(trajectory: Trajectory) -> list[JsonValue]:
    later = {name for message in trajectory.messages for name in message.adds}
    only = trajectory.catalogue.model_copy(
        update={"tools": tuple(tool for tool in trajectory.catalogue.tools if tool.name in later)}
    )
    return [*tools((), only)]


def _steps(trajectory: Trajectory) -> list[JsonValue]:
    messages = trajectory.messages
    steps: list[dict[str, JsonValue]] = []
    for index, message in enumerate(messages):
        if message.role in SOURCES:
            steps.append(_step(len(steps) + 1, message, messages[index + 1 :]))
        elif not steps or not _answers(messages, index):
            steps.append({"step_id": len(steps) + 1, "source": "system", "message": "", "observation": _alone(message)})
    if steps and trajectory.started:
        moment = datetime.fromtimestamp(trajectory.started / 1e6, UTC)
        steps[0]["timestamp"] = moment.isoformat().replace("+00:00", "Z")
    return [*steps]


def _step(number: int, message: Message, after: Sequence[Message]) -> dict[str, JsonValue]:
    step: dict[str, JsonValue] = {"step_id": number, "source": SOURCES[message.role], "message": message.content}
    if message.reasoning:
        step["reasoning_content"] = message.reasoning
    if message.adds:
        step["extra"] = {"adds": [*message.adds]}
    if message.role == "assistant" and (message.fault or not message.learned):
        step["extra"] = {"fault": message.fault, "learned": message.learned}
    if message.calls:
        names = [f"call_{number}_{index}" for index in range(len(message.calls))]
        calls: list[JsonValue] = [
            {"tool_call_id": name, "function_name": call.name, "arguments": dict(call.arguments)}
            for name, call in zip(names, message.calls, strict=True)
        ]
        step["tool_calls"] = calls
        results = _results(after, len(names))
        step["observation"] = {
            "results": [
                {"source_call_id": name, "content": result.content}
                for name, result in zip(names, results, strict=False)
            ]
        }
    return step


def _results(after: Sequence[Message], calls: int) -> list[Message]:
    results = []
    for message in after[:calls]:
        if message.role != "tool":
            break
        results.append(message)
    return results


def _answers(messages: Sequence[Message], index: int) -> bool:
    """Whether a result stands among as many as its message has calls."""
    behind = 0
    while messages[index].role == "tool" and index:
        index, behind = index - 1, behind + 1
    return len(messages[index].calls) >= behind


def _alone(message: Message) -> JsonValue:
    return {"results": [{"content": message.content}]}


def _version() -> str:
    try:
        return version("loopd-rest")
    except PackageNotFoundError:
        return "0"
