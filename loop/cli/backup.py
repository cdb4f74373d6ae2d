"""`loopd backup`: everything that cannot be made again, in one file, beside a running daemon."""

from pathlib import Path
from typing import Annotated

import typer

from loop.cli import terminal
from loop.cli.access import url
from loop.runtime import paths
from loop.storage import archive

app = typer.Typer(add_completion=False)

Target = Annotated[Path, typer.Argument(metavar="FILE", help="Output file; it must not exist.")]


@app.command()
def backup(file: Target) -> None:
    """Copy the database and every adapter that a policy refers to into one file.

    The daemon may be running. Base models are not included.
    """
    manifest = archive.write(file, url(), paths.find())
    size = file.stat().st_size / 2**20
    terminal.say(f"{file}: {len(manifest.files)} files, {size:.1f} MiB. Put it back: loopd restore {file}")
