"""`loopd correction`: what people said of answers, and what can be learned of it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from loop.cli import terminal
from loop.cli.access import Csv, Json, show, show_query
from loop.cli.records import change, store
from loop.errors import CannotCreate, CheckNegative
from loop.traces.corrections import lessons, pairs

Numbers = Annotated[list[int], typer.Argument(min=1, metavar="NUMBER…", help="Numbers of corrections.")]
Author = Annotated[str, typer.Option("--by", help="Author of the decision.")]
Note = Annotated[str, typer.Option(help="Reason.")]
app = typer.Typer(
    add_completion=False, help="Corrections: list, check, confirm, withdraw, export.", no_args_is_help=True
)


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List every correction, and whether later policies have learned it."""
    query = """
        select c.correction, c.kind, c.author, c.said, c.trajectory, c.place, c.note,
          (select sum(l.learned) from v_learned l where l.correction = c.correction) as policies_learned,
          (select count(*) from v_learned l where l.correction = c.correction) as policies_asked
        from v_corrections c order by c.correction
    """
    show_query(query, as_json=as_json, as_csv=as_csv)


@app.command()
def check(*, as_json: Json = False) -> None:
    """Check which corrections teach something, and which are doubted, and why (exit code 1)."""
    with store() as opened:
        learnable, skipped = lessons(opened)
    rows = [{"correction": lesson.id, "teaches": "yes", "why": ""} for lesson in learnable]
    rows += [
        {"correction": correction.id, "teaches": "doubted" if correction.doubted else "no", "why": correction.reason}
        for correction in skipped
    ]
    show(sorted(rows, key=lambda row: int(str(row["correction"]))), as_json=as_json)
    if doubted := [correction for correction in skipped if correction.doubted]:
        raise CheckNegative(f"{len(doubted)} of {len(rows)} corrections are doubted.")


@app.command()
def confirm(numbers: Numbers, *, author: Author = "", note: Note = "") -> None:
    """Confirm doubted corrections after a look at them: they are learned."""
    _settle(numbers, author, note, right=True)


@app.command()
def withdraw(numbers: Numbers, *, author: Author = "", note: Note = "") -> None:
    """Withdraw corrections: they stay stored, and are learned no more."""
    _settle(numbers, author, note, right=False)


def _settle(numbers: list[int], author: str, note: str, *, right: bool) -> None:
    for number in numbers:
        change("correction.settle", correction=number, right=right, author=author, note=note)
        terminal.say(f"Correction {number} is {'confirmed' if right else 'withdrawn'}.")


@app.command()
def export(out: Annotated[Path, typer.Argument(help="Output file: JSON lines for preference training.")]) -> None:
    """Write preference pairs (prompt, chosen, rejected, tools) as TRL's DPO takes them."""
    with store() as opened:
        lines = [json.dumps(pair, ensure_ascii=False) for pair in pairs(opened)]
    try:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise CannotCreate(f"{out}: {error.strerror}") from error
    terminal.say(f"{len(lines)} pairs in {out}")
