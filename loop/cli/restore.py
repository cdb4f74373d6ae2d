"""`loopd restore`: put a backup back."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from loop.cli import terminal
from loop.cli.access import settings
from loop.control import lease
from loop.errors import CannotCreate, CheckNegative, Damaged
from loop.runtime import lock, paths
from loop.storage import archive
from loop.store import Store, copies

app = typer.Typer(add_completion=False)

Source = Annotated[Path, typer.Argument(metavar="FILE", help="What `loopd backup` wrote.")]
Replace = Annotated[bool, typer.Option("--replace", help="Put it in the place of a store that is there.")]


@app.command()
def restore(file: Source, *, replace: Replace = False) -> None:
    """Put a backup's database and adapters in their places. The daemon must not be running.

    Everything in the backup is checked first. With SQLite, the database that was there is kept beside the new one.
    """
    places = paths.find().create()
    url = settings().database or places.database
    there = copies.there(url)
    if there and not replace:
        raise CheckNegative("There is a store already. Put the backup in its place: loopd restore FILE --replace")
    with lock.hold(places.data):
        if there:
            _no_daemon_elsewhere(url, places)
        manifest = archive.restore(file, url, places)
    terminal.say(f"{len(manifest.files)} files restored. Look at them: loopd fsck. Go on: loopd start")


def _no_daemon_elsewhere(url: str, places: paths.Paths) -> None:
    """Make sure that no daemon of another data directory writes to the database that is replaced."""
    with suppress(Damaged, CannotCreate), Store.open(url) as store, lease.hold(store, places.data):
        pass
