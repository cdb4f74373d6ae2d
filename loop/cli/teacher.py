"""`loopd teacher`: who they are, what they cost, and whether they work."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from loop import plugins
from loop.cli import transcript
from loop.cli.access import Csv, Json, settings, show, show_query
from loop.cli.access import reading as reading_store
from loop.cli.terminal import Terminal
from loop.cli.trial import probe as one_request
from loop.cli.trial import trial_tasks
from loop.config import Teaching
from loop.errors import CannotCreate, CheckNegative, NotFound, nearest
from loop.rollout.play import play
from loop.store.trajectories import Shown
from loop.types import End, Part, Play, Task
from teachers.base.finding import ProbeFinding
from teachers.base.teacher import Teacher
from teachers.provider.retry import UNKNOWN

UNKNOWN_FAILURES = f"""
    select player, failure_message, count(*) from play where failure_message like '%{UNKNOWN}%'
    group by player, failure_message order by 3 desc, 2 limit 20
"""  # noqa: S608 - a constant of ours
app = typer.Typer(add_completion=False, help="Teachers: list, show, test, probe, budget.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A teacher named under [[teachers]], or any built-in teacher.")]


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List the built-in teachers, and which are configured."""
    configured = {teacher.use for teacher in settings().teachers}
    rows = [{"teacher": name, "configured": name in configured, "what": _what(name)} for name in known()]
    show(rows, as_json=as_json, as_csv=as_csv)


@app.command("show")
def show_(name: Name, *, as_json: Json = False) -> None:
    """Show a teacher's settings and limits."""
    each = _find(name)
    teacher: Any = plugins.load("teachers", each)
    row = {**teacher.model_dump(mode="json"), "limits": each.limits.model_dump(mode="json")}
    show([{"setting": key, "value": value} for key, value in row.items()], as_json=as_json)


@app.command()
def test(name: Name) -> None:
    """Let it play three tasks and show them. May cost as much as three plays."""
    each = _find(name)
    failed = 0
    for task in trial_tasks():
        shown = _played(each, task)
        failed += shown.trajectory.end is End.FAILED or not all(verdict.passed for verdict in shown.verdicts)
        Terminal().print(transcript.play(shown))
    if failed:
        raise CheckNegative(f"{failed} of 3 plays were not accepted.")


@app.command()
def probe(name: Name, *, as_json: Json = False) -> None:
    """Check its setup and isolation on this machine, then ask it one small question."""
    teacher: Teacher = plugins.load("teachers", _find(name))
    findings = [*teacher.check(), one_request(teacher), *_unknown(teacher.name)]
    show([finding.model_dump() for finding in findings], as_json=as_json)
    if not all(finding.ok for finding in findings if finding.weight == "must"):
        raise CheckNegative("The teacher is not usable; the lines above say why.")


@app.command()
def budget(*, as_json: Json = False) -> None:
    """Show what teachers have cost, including reservations."""
    show_query("select * from v_spend", as_json=as_json)


def known() -> list[str]:
    """Names of the teachers that come with loopd."""
    return plugins.known("teachers")


def _unknown(player: str) -> Iterator[ProbeFinding]:
    """Show what plays of this teacher failed of and no rule knows; it is worth a report."""
    try:
        with reading_store() as ask:
            rows = ask(UNKNOWN_FAILURES).rows
    except (NotFound, CannotCreate, CheckNegative):
        return  # no store yet, or none that can be read: there is nothing to show
    for name, message, count in rows:
        if name == player:
            yield ProbeFinding(name="unknown failure", ok=False, detail=f"{count} plays: {message}", weight="should")


def _what(name: str) -> str:
    return (plugins.find("teachers", name).__doc__ or "").strip().splitlines()[0]


def _find(name: str) -> Teaching:
    for teacher in settings().teachers:
        if name in {teacher.use, plugins.load("teachers", teacher).name}:
            return teacher
    if name in known():
        return Teaching(use=name)
    raise NotFound(f"There is no teacher '{name}'.{nearest(name, known())}")


def _played(each: Teaching, task: Task) -> Shown:
    part, configured = Part(use=each.use, settings=each.settings), settings()
    owed = Play(id="test", round=0, task=task, player=part, player_name=each.use, system=configured.student.system)
    trajectory = play(owed)
    checkers: list[Any] = [plugins.load("checkers", checker) for checker in configured.checkers]
    verdicts = tuple(checker.check(task, trajectory) for checker in checkers if trajectory.end is not End.FAILED)
    return Shown(id="test", round=0, task=task, trajectory=trajectory, verdicts=verdicts)
