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

Source = Annotated[Path, typer.Argument(metavar="FILE", help="File written by `loopd backup`.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace an existing store.")]


@app.command()
def restore(file: Source, *, replace: Replace = False) -> None:
    """Restore a backup's database and adapters. The daemon must not be running.

    The backup is verified first. With SQLite the old database is kept beside the new one.
    """
    home = paths.find().create()
    url = settings().database or home.database
    there = copies.there(url)
    if there and not replace:
        raise CheckNegative("There is a store already. To replace it with the backup: loopd restore FILE --replace")
    with lock.hold(home.data):
        if there:
            _no_daemon_elsewhere(url, home)
        manifest = archive.restore(file, url, home)
    terminal.say(f"{len(manifest.files)} files restored. Look at them: loopd fsck. Go on: loopd start")


def _no_daemon_elsewhere(url: str, home: paths.Paths) -> None:
    """Make sure that no daemon of another data directory writes to the database that is replaced."""
    with suppress(Damaged, CannotCreate), Store.open(url) as store, lease.hold(store, home.data):
        pass
