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
    home = paths.find()
    with store() as opened:
        findings = [*opened.inspection.findings(quick=quick), *_files(opened, home)]
    if as_json or findings:
        show([finding.model_dump() for finding in findings], as_json=as_json)
    if findings:
        terminal.say(_advice(findings, home), err=True)
        raise typer.Exit(Damaged.exit_code)
    if not as_json:
        terminal.say("Everything is as it should be.")


def _files(opened: Store, home: paths.Paths) -> Iterator[IntegrityFinding]:
    """Hold the adapters to the policies that name them."""
    try:
        policies = opened.policies.all()
    except Damaged:
        return  # its row is named already
    for policy, standing in policies:
        path = home.adapter(policy)
        if path is None or standing not in KEPT:
            continue
        try:
            adapters.verify(path, base=policy.base)
        except LoopdError as error:
            yield IntegrityFinding(where=f"adapter of the {standing}", key=policy.id, fault=str(error))


def _advice(findings: Sequence[IntegrityFinding], home: paths.Paths) -> str:
    copies = sorted(home.data.glob("*.bak"), key=lambda path: path.stat().st_mtime)
    newest = f" The newest copy here is {copies[-1]}." if copies else ""
    many = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return f"{many}. Put a copy of the database that is whole in its place.{newest}"
