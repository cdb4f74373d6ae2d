"""`loopd curriculum`: what the student can do, arm by arm; freeze and weigh arms."""

from difflib import get_close_matches
from typing import Annotated, Final

import typer

from loop import plugins
from loop.cli import terminal
from loop.cli.access import Csv, Json, settings, show_query
from loop.cli.records import change
from loop.control.commands import Answer
from loop.errors import ConfigError

app = typer.Typer(add_completion=False, help="Curriculum arms: show, set, freeze.", no_args_is_help=True)
MOST: Final = 1000
"""The greatest weight: beyond it, nothing else of its backend would be drawn anyway."""
Arm = Annotated[str, typer.Argument(help="BACKEND[+BACKEND]/FAMILY/TIER, as `show` spells it.")]
Weight = Annotated[float, typer.Option(min=0, max=MOST, help="Sampling weight: 1 is the default, 2 is twice as often.")]


@app.command()
def show(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List every arm: pass rate with interval, weight, plays, last round played."""
    show_query("select * from v_curriculum order by arm", as_json=as_json, as_csv=as_csv)


@app.command("set")
def set_(arm: Arm, *, weight: Weight) -> None:
    """Sample an arm more or less often."""
    _check(arm)
    _tell(change("curriculum.steer", arm=arm, weight=weight))


@app.command()
def freeze(arm: Arm, *, off: Annotated[bool, typer.Option("--off", help="Sample it again.")] = False) -> None:
    """Stop sampling an arm; its backend still gets its minimum share."""
    _check(arm)
    _tell(change("curriculum.steer", arm=arm, frozen=not off))


def _check(arm: str) -> None:
    """Refuse a name that no generator has: weighing it would change nothing, and nobody would see."""
    generators = [plugins.load("task_generators", part) for part in settings().sampling.generators]
    known = sorted({str(key) for generator in generators for key in generator.arms})
    if arm not in known:
        close = ", ".join(get_close_matches(arm, known, n=3, cutoff=0.0))
        raise ConfigError(f"No generator of this configuration has the arm '{arm}'. The nearest: {close}.")


def _tell(answer: Answer) -> None:
    state = "frozen: only its backend's floor may still draw it" if answer["frozen"] else "drawn by its weight"
    terminal.say(f"{answer['arm']}: weight {answer['weight']:g}, {state}. It counts from the next draw on.")
