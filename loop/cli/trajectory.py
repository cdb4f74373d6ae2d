"""`loopd trajectory`: single plays."""

from typing import Annotated, Any, Final

import typer

from loop.cli import access, terminal, transcript
from loop.cli.access import Csv, Json
from loop.cli.records import store
from loop.cli.terminal import Terminal
from loop.types import Purpose, Tier
from loop.ui.listing import ListedPlay, PlayFilter, PlayOutcome, find

app = typer.Typer(add_completion=False, help="Single plays: list, show.", no_args_is_help=True)

SHORT: Final = 12
"""Characters of an id that a table shows: `loopd trajectory show` takes them."""
PATIENCE: Final = 5.0
"""Seconds that a list looks through older plays before it says how far it came."""


@app.callback()
def trajectory() -> None:
    """Single plays: list, show."""


@app.command("list")
def list_plays(  # noqa: PLR0913 - one option a filter
    *,
    backend: Annotated[str, typer.Option(help="Backend used by the task.")] = "",
    family: Annotated[str, typer.Option(help="Task family.")] = "",
    tier: Annotated[Tier | None, typer.Option(help="Task tier.")] = None,
    verdict: Annotated[PlayOutcome | None, typer.Option(help="Verdict of the required checkers.")] = None,
    failed: Annotated[str, typer.Option(metavar="CHECKER", help="Checker that failed the play.")] = "",
    player: Annotated[str, typer.Option(help="student, or a teacher's name.")] = "",
    policy: Annotated[str, typer.Option(help="A prefix of a policy id.")] = "",
    rnd: Annotated[int | None, typer.Option("--round", min=0, help="Round number.")] = None,
    purpose: Annotated[Purpose | None, typer.Option(help="Purpose of the play: training or gate.")] = None,
    suite: Annotated[str, typer.Option(help="Suite name.")] = "",
    task: Annotated[str, typer.Option(help="A prefix of a task id.")] = "",
    words: Annotated[str, typer.Option(help="Text in a message or a call argument.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Plays per page.")] = 25,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Continue after this page.")] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List plays, newest first. Filters combine with AND."""
    given = {"backend": backend, "family": family, "tier": tier, "verdict": verdict, "failed": failed, "player": player}
    more = {"policy": policy, "round": rnd, "purpose": purpose, "suite": suite, "task": task, "words": words}
    with access.reading() as ask:
        page = find(ask, PlayFilter.model_validate({**given, **more}), after=after, limit=limit, seconds=PATIENCE)
    if as_json:
        access.show_json(page.model_dump(mode="json"))
        return
    access.show([_row(row) for row in page.rows], as_json=False, as_csv=as_csv)
    if page.next:
        far = f"Looked back to {page.back_to:%Y-%m-%d %H:%M:%S} UTC. " if page.back_to else ""
        terminal.say(f"{far}Older ones: add --after {page.next}", err=True)


def _row(play: ListedPlay) -> dict[str, Any]:
    """Spell what a person looks for first."""
    failed = f"failed {', '.join(play.failed)}" if play.failed else "refused"
    return {
        "trajectory": play.trajectory[:SHORT],
        "round": play.round,
        "player": f"{play.player} {play.policy[:8]}" if play.policy else play.player,
        "task": f"{play.backends}/{play.family}/{play.tier}",
        "verdict": {None: "open", True: "accepted", False: failed}[play.accepted],
    }


@app.command()
def show(trajectory_id: Annotated[str, typer.Argument(help="Trajectory id, or a prefix of it.")]) -> None:
    """Print one play in readable form."""
    with store() as opened:
        Terminal().print(transcript.play(opened.trajectories.get(trajectory_id)))
