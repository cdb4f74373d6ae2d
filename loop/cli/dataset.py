"""`loopd dataset`: what candidates were trained on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from loop.cli import terminal
from loop.cli.access import Csv, Json, show, show_json, show_query
from loop.cli.records import store
from loop.dataset.chat_format import Arguments
from loop.dataset.export import ExportFormat, write
from loop.errors import NotFound
from loop.store import Store
from loop.types import Dataset

app = typer.Typer(add_completion=False, help="Datasets: list, show, diff, export.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Dataset id, or a prefix of it.")]
Out = Annotated[Path, typer.Argument(help="Output file.")]
To = Annotated[ExportFormat, typer.Option(help="Format: messages (JSON lines), ATIF 1.7, Inspect log or Parquet.")]
Spelling = Annotated[Arguments, typer.Option(help="Tool-call arguments as an object (TRL) or a string (OpenAI).")]


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List every dataset and the round that made it."""
    show_query(
        "select round, dataset, dataset_rows from v_rounds where dataset is not null", as_json=as_json, as_csv=as_csv
    )


@app.command("show")
def show_(dataset: Id, *, as_json: Json = False) -> None:
    """Show the mix rules of a dataset, and how many rows each kept or dropped."""
    with store() as opened:
        match = _find(opened, dataset)
    counts = [{"what": name, "value": value} for name, value in {"id": match.id, **match.counts, **match.rules}.items()]
    show(counts, as_json=as_json)


@app.command()
def diff(one: Id, other: Id, *, as_json: Json = False) -> None:
    """Compare two datasets: counts, rules, and rows that only one has."""
    with store() as opened:
        first, second = _find(opened, one), _find(opened, other)
    mine, theirs = set(first.rows), set(second.rows)
    rows = [{"only in": first.id[:12], "trajectory": row} for row in first.rows if row not in theirs]
    rows += [{"only in": second.id[:12], "trajectory": row} for row in second.rows if row not in mine]
    if as_json:
        show_json({"one": first.id, "other": second.id, "changed": _changed(first, second), "rows": rows})
        return
    show(_changed(first, second), as_json=False)
    show(rows, as_json=False)


def _changed(first: Dataset, second: Dataset) -> list[dict[str, Any]]:
    """List the counts and rules that differ, and how many rows both have."""
    old, new = ({**dataset.counts, **dataset.rules} for dataset in (first, second))
    differ = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    rows = [{"what": name, first.id[:12]: old.get(name), second.id[:12]: new.get(name)} for name in differ]
    both = len(set(first.rows) & set(second.rows))
    return [*rows, {"what": "rows in both", first.id[:12]: both, second.id[:12]: both}]


@app.command()
def export(dataset: Id, out: Out, *, to: To = ExportFormat.MESSAGES, arguments: Spelling = "object") -> None:
    """Export a dataset for other trainers. Output is deterministic, byte for byte."""
    with store() as opened:
        name = _find(opened, dataset)
        spoiled: list[str] = []
        chosen = opened.datasets.rows(name.id, lambda _, why: spoiled.append(str(why)))
        rows = write(to, chosen, out, arguments)
    if spoiled:
        terminal.say(f"{len(spoiled)} damaged rows were left out. {spoiled[0]}", err=True)
    terminal.say(f"{rows} rows in {out}")


def _find(opened: Store, begins: str) -> Dataset:
    matches = [name for name in opened.datasets.ids() if name.startswith(begins)]
    if len(matches) != 1:
        raise NotFound(f"{len(matches)} datasets begin with '{begins}'. List them: loopd dataset list")
    return opened.datasets.get(matches[0])
