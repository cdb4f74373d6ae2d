"""`loopd sql`: any question that a SELECT can ask."""

from typing import Annotated

import typer

from loop.cli import access
from loop.cli.access import Csv, Json
from loop.runtime.query import views

app = typer.Typer(add_completion=False)

Query = Annotated[str | None, typer.Argument(help="One SELECT statement. Default: list the views.")]


@app.command()
def sql(query: Query = None, *, as_json: Json = False, as_csv: Csv = False) -> None:
    """Query the store, read-only; works while the daemon runs."""
    access.show_query(query or views(access.url()), as_json=as_json, as_csv=as_csv)
