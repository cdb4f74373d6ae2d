"""A play as a person reads it: who said what, what the tools answered, and what the checkers made of it."""

import json
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from loop.redaction import shown
from loop.store.trajectories import Shown
from loop.types import Call, End, Message, Verdict

STYLES = {"system": "dim", "user": "bold cyan", "assistant": "bold green", "tool": "yellow"}
LONGEST = 2000
"""Characters of one message that are shown."""


def play(shown: Shown) -> RenderableType:
    """Draw one play: heading, conversation, verdicts."""
    return Group(_heading(shown), *_conversation(shown), "", *map(_verdict, shown.verdicts))


def _heading(shown: Shown) -> Text:
    trajectory = shown.trajectory
    who = trajectory.player + (f" {trajectory.policy[:8]}" if trajectory.policy else "")
    facts = f"round {shown.round}, sample {trajectory.sample}, {trajectory.end}, {trajectory.seconds:.1f} s"
    failed = f"\n{trajectory.failure.kind}: {trajectory.failure.message}" if trajectory.failure else ""
    return Text(f"{shown.id}\n{shown.task.arm} by {who}: {facts}{failed}\n", style="bold")


def _conversation(shown: Shown) -> Iterator[Text]:
    turn = 0
    for each in shown.trajectory.messages:
        if each.role == "user":
            turn += 1
            yield Text(f"\nturn {turn} of {len(shown.task.turns)}", style="dim")
        yield message(each)
    if turn < len(shown.task.turns) and shown.trajectory.end is End.CLOSED:
        yield Text("\nnot played on: no other turn could have made it pass", style="dim")


def message(said: Message) -> Text:
    """Draw one message: who said it, what, and with which calls."""
    who = shown(said.name) if said.role == "tool" and said.name else said.role
    style = "bold red" if said.ok is False else STYLES[said.role]
    lines = [*(_clipped(said.content).splitlines()), *map(_call, said.calls)]
    text = Text.assemble((f"{who:>12}  ", style), f"\n{'':>14}".join(lines))
    if said.fault:
        text.append(f"\n{'':>14}unreadable call: {said.fault}", style="red")
    if said.leniencies:
        text.append(f"\n{'':>14}read leniently: {', '.join(said.leniencies)}", style="dim")
    return text


def _call(call: Call) -> str:
    arguments = ", ".join(f"{name}={json.dumps(each, ensure_ascii=False)}" for name, each in call.arguments.items())
    return _clipped(f"{shown(call.name)}({arguments})")


def _clipped(content: str) -> str:
    """Shorten, and show control characters as what they are: a tool's result must not steer the terminal."""
    kept = content if len(content) <= LONGEST else f"{content[:LONGEST]}… ({len(content)} characters)"
    return shown(kept, lines=True)


def _verdict(verdict: Verdict) -> Text:
    mark = ("✓ ", "green") if verdict.passed else ("✗ ", "red")
    return Text.assemble(mark, (f"{verdict.checker} {verdict.version}", "bold"), f": {verdict.reason}")
