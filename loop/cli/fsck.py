"""`loopd fsck`: is everything that is kept still what was stored? It looks, and changes nothing."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer

from loop.cli import terminal
from loop.cli.access import Json, show
from loop.cli.records import store
from loop.errors import Damaged, LoopdError
from loop.runtime import paths
from loop.store import Store
from loop.store.inspection import IntegrityFinding
from loop.types import Standing
from loop.weights import adapters

app = typer.Typer(add_completion=False)

Quick = Annotated[
    bool, typer.Option("--quick", help="Check keys, constraints and invariants only, not every row and message.")
]

KEPT: Final = (Standing.CHAMPION, Standing.CANDIDATE, Standing.RETIRED, Standing.SPECIALIST)
"""Whose adapters must be there; a rejected policy's may have been collected."""


@app.command()
def fsck(*, quick: Quick = False, as_json: Json = False) -> None:
    """Verify every row and file: digests, invariants and rules 4 to 6 of docs/architecture.md."""
    places = paths.find()
    with store() as opened:
        found = [*opened.inspection.findings(quick=quick), *_files(opened, places)]
    if as_json or found:
        show([finding.model_dump() for finding in found], as_json=as_json)
    if found:
        terminal.say(_advice(found, places), err=True)
        raise typer.Exit(Damaged.exit_code)
    if not as_json:
        terminal.say("Everything is as it should be.")


def _files(opened: Store, places: paths.Paths) -> Iterator[IntegrityFinding]:
    """Hold the adapters to the policies that name them."""
    try:
        policies = opened.policies.all()
    except Damaged:
        return  # its row is named already
    for policy, standing in policies:
        path = places.adapter(policy)
        if path is None or standing not in KEPT:
            continue
        try:
            adapters.verify(path, base=policy.base)
        except LoopdError as error:
            yield IntegrityFinding(where=f"adapter of the {standing}", key=policy.id, fault=str(error))


def _advice(found: Sequence[IntegrityFinding], places: paths.Paths) -> str:
    copies = sorted(places.data.glob("*.bak"), key=lambda path: path.stat().st_mtime)
    newest = f" The newest copy here is {copies[-1]}." if copies else ""
    many = "1 finding" if len(found) == 1 else f"{len(found)} findings"
    return f"{many}. Put a copy of the database that is whole in its place.{newest}"
