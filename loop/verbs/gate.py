"""`loopd gate`: what the gates said; pause and resume them."""

from typing import Annotated

import typer

from loop.verbs.access import Json, Reason, change, show_query

app = typer.Typer(help="Promotion gates: results, pause, resume.", no_args_is_help=True)
Gate = Annotated[str, typer.Argument(help="depth, breadth, or all.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Every judgement, the newest first."""
    show_query("select * from v_gates order by 1 desc", as_json=as_json)


@app.command()
def pause(gate: Gate, *, reason: Reason = "") -> None:
    """Promote nobody until the gate is resumed; rounds go on, candidates wait."""
    answer = change("gate.pause", gate=gate, reason=reason)
    typer.echo(f"Paused: {answer['paused']}. Resume: loopd gate resume {gate}")


@app.command()
def resume(gate: Gate) -> None:
    """Let candidates be promoted again."""
    answer = change("gate.resume", gate=gate)
    typer.echo(
        f"Still paused: {answer['paused'] or 'none'}. Rounds whose candidates wait: {answer['queued'] or 'none'}"
    )
