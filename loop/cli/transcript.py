"""A play as a person reads it: who said what, what the tools answered, and what the checkers made of it."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from loop.redaction import shown
from loop.store.trajectories import Shown
from loop.types import End, Message, Verdict
from loop.ui.reading import ShownCall, made, spoken

STYLES = {"system": "dim", "user": "bold cyan", "assistant": "bold green", "tool": "yellow"}
ORIGINS = {
    "user": "cyan",
    "result": "green",
    "rule": "green",
    "carried": "blue",
    "plan": "magenta",
    "schema": "dim",
    "blind": "bold red",
    "nowhere": "bold red reverse",
}
"""How the value of an argument is drawn, by where it came from."""
LONGEST = 2000
"""Characters of one message that are shown."""


def play(shown: Shown) -> RenderableType:
    """Draw one play: heading, conversation, verdicts."""
    return Group(_heading(shown), *_conversation(shown), "", _legend(), *map(_verdict, shown.verdicts))


def _legend() -> Text:
    """Say what the colours of arguments mean."""
    parts = [Text(f"{source} ", style=style) for source, style in ORIGINS.items()]
    return Text.assemble(("where arguments came from: ", "dim"), *parts)


def _heading(shown: Shown) -> Text:
    trajectory = shown.trajectory
    who = trajectory.player + (f" {trajectory.policy[:8]}" if trajectory.policy else "")
    facts = f"round {shown.round}, sample {trajectory.sample}, {trajectory.end}, {trajectory.seconds:.1f} s"
    failed = f"\n{trajectory.failure.kind}: {trajectory.failure.message}" if trajectory.failure else ""
    if shown.emptied:
        failed += "\nIts messages were deleted to make room (loopd gc); its verdicts were kept."
    return Text(f"{shown.id}\n{shown.task.arm} by {who}: {facts}{failed}\n", style="bold")


def _conversation(shown: Shown) -> Iterator[Text]:
    turn = 0
    for item in spoken(shown):
        if item.begins:
            turn = item.turn
            yield Text(f"\nturn {turn} of {len(shown.task.turns)}", style="dim")
        yield message(item.message, item.calls)
    if turn < len(shown.task.turns) and shown.trajectory.end is End.CLOSED:
        yield Text("\nnot played on: no other turn could have made it pass", style="dim")


def message(said: Message, calls: Sequence[ShownCall] = ()) -> Text:
    """Draw one message: who said it, what, and with which calls."""
    who = shown(said.name) if said.role == "tool" and said.name else said.role
    style = "bold red" if said.ok is False else STYLES[said.role]
    lines = [*map(Text, _clipped(said.content).splitlines()), *map(_call, calls or made(said))]
    text = Text.assemble((f"{who:>12}  ", style), Text(f"\n{'':>14}").join(lines))
    if said.fault:
        text.append(f"\n{'':>14}unreadable call: {shown(said.fault)}", style="red")
    if said.leniencies:
        text.append(f"\n{'':>14}read leniently: {', '.join(said.leniencies)}", style="dim")
    return text


def _call(call: ShownCall) -> Text:
    arguments = [
        Text.assemble(f"{shown(argument.name)}=", (_clipped(argument.text), ORIGINS.get(argument.source or "", "")))
        for argument in call.arguments
    ]
    return Text.assemble(shown(call.tool), "(", Text(", ").join(arguments), ")")


def _clipped(content: str) -> str:
    """Shorten, and show control characters as what they are: a tool's result must not steer the terminal."""
    kept = content if len(content) <= LONGEST else f"{content[:LONGEST]}… ({len(content)} characters)"
    return shown(kept, lines=True)


def _verdict(verdict: Verdict) -> Text:
    mark = ("✓ ", "green") if verdict.passed else ("✗ ", "red")
    return Text.assemble(mark, (f"{verdict.checker} {verdict.version}", "bold"), f": {verdict.reason}")
