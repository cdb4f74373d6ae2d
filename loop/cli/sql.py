"""`loopd sql`: any question that a SELECT can ask."""

from typing import Annotated

import typer

from loop.cli import access
from loop.cli.access import Json

app = typer.Typer(add_completion=False)

Query = Annotated[str, typer.Argument(help="One SELECT; docs/sql.md lists the views.")]


@app.command()
def sql(query: Query, *, as_json: Json = False) -> None:
    """Ask the store, also while the daemon runs. Read only."""
    access.show_query(query, as_json=as_json)
