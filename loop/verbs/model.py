"""`loopd model`: the policies, and going back to an earlier one."""

from typing import Annotated

import typer

from loop.verbs.access import Json, Reason, change, show_query

app = typer.Typer(help="Policies: list, roll back.", no_args_is_help=True)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Every policy with its place."""
    show_query("select * from v_policies", as_json=as_json)


@app.command()
def rollback(
    policy: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")], *, reason: Reason = ""
) -> None:
    """Make an earlier champion champion again, at once."""
    answer = change("model.rollback", policy=policy, reason=reason)
    typer.echo(f"The champion is {answer['champion']}.")
