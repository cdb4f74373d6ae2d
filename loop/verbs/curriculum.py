"""`loopd curriculum`: what the student can do, arm by arm; freeze and weigh arms."""

from typing import Annotated

import typer

from loop.verbs.access import Json, change, show_query

app = typer.Typer(help="The curriculum's arms: show, set, freeze.", no_args_is_help=True)
Arm = Annotated[str, typer.Argument(help="BACKEND[+BACKEND]/FAMILY/TIER, as `show` spells it.")]


@app.command()
def show(*, as_json: Json = False) -> None:
    """Every arm: pass rate with interval, weight, plays, when seen last."""
    show_query("select * from v_curriculum", as_json=as_json)


@app.command("set")
def set_(arm: Arm, *, weight: Annotated[float, typer.Option(min=0, help="Factor on how often it is drawn.")]) -> None:
    """Draw an arm more or less often."""
    typer.echo(str(change("curriculum.steer", arm=arm, weight=weight)))


@app.command()
def freeze(arm: Arm, *, off: Annotated[bool, typer.Option("--off", help="Let it be drawn again.")] = False) -> None:
    """Draw an arm no more; its backend's floor is kept all the same."""
    typer.echo(str(change("curriculum.steer", arm=arm, frozen=not off)))
