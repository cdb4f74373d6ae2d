"""Trajectories as a log of Inspect (UK AI Security Institute): `inspect view` shows them, `read_eval_log` reads them.

https://inspect.aisi.org.uk/eval-logs.html, version 2, JSON (read 2026-11).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from loop.dataset.chat_format import new_tools, tools
from loop.types import Accepted, Catalogue, Message


def log(accepted: Sequence[Accepted]) -> dict[str, JsonValue]:
    """Spell conversations as one log."""
    first = min((item.trajectory.started for item in accepted), default=0)
    models = sorted({item.trajectory.policy or item.trajectory.player for item in accepted})
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "created": datetime.fromtimestamp(first / 1e6, UTC).isoformat(),
            "task": "loopd",
            "task_id": "loopd",
            "run_id": "loopd",
            "eval_id": "loopd",
            "dataset": {"name": "loopd", "samples": len(accepted), "sample_ids": [item.id for item in accepted]},
            "model": ", ".join(models) or "none",
            "config": {},
        },
        "results": {"total_samples": len(accepted), "completed_samples": len(accepted), "scores": []},
        "samples": [_sample(item) for item in accepted],
    }


def _sample(accepted: Accepted) -> JsonValue:
    trajectory = accepted.trajectory
    messages = [*_messages(trajectory.messages, trajectory.catalogue)]
    opening = next(
        (index for index, message in enumerate(trajectory.messages) if message.role == "assistant"), len(messages)
    )
    return {
        "id": accepted.id,
        "epoch": 1,
        "input": [*messages[:opening]] or "",
        "target": "",
        "messages": [*messages],
        "output": {"model": trajectory.policy or trajectory.player, "choices": []},
        "metadata": {
            "task": accepted.task.id,
            "arm": str(accepted.task.arm),
            "tools": [*tools(trajectory.messages, trajectory.catalogue)],
        },
        "scores": {},
    }


def _messages(messages: Sequence[Message], catalogue: Catalogue) -> Iterator[JsonValue]:
    waiting: list[str] = []
    for index, message in enumerate(messages):
        entry: dict[str, JsonValue] = {"role": message.role, "content": message.content + new_tools(message, catalogue)}
        if message.role == "tool":
            entry |= {"function": message.name} if message.name else {}
            entry |= {"tool_call_id": waiting.pop(0)} if waiting else {}
            if message.ok is False:
                entry["error"] = {"type": "unknown", "message": message.content}
        else:
            waiting = [f"call_{index}_{number}" for number in range(len(message.calls))]
        if message.calls:
            entry["tool_calls"] = [
                {"id": name, "function": call.name, "arguments": dict(call.arguments), "type": "function"}
                for name, call in zip(waiting, message.calls, strict=True)
            ]
        yield entry
