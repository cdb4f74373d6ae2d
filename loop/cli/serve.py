"""`loopd serve`: the champion at an address of this machine, for any client of OpenAI's API."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from loop.cli import access, terminal
from loop.cli.access import Json
from loop.control import lease, progress
from loop.errors import LoopdError
from loop.parts import base_model
from loop.runtime import child, lock, log, paths
from loop.runtime.signals import wait
from loop.serve import endpoint
from loop.serve.address import Address, find
from loop.serve.key import key
from loop.store import Store

app = typer.Typer(add_completion=False)

Key = Annotated[bool, typer.Option("--key", help="Print only the API key, creating it if needed.")]


@app.command()
def serve(*, show_key: Key = False, as_json: Json = False) -> None:
    """Serve the champion to any OpenAI-compatible client. A running daemon already does."""
    home = paths.find().create()
    if show_key:
        terminal.say(key(home.data))
        return
    endpoint = find(home.run)
    if endpoint is None and lock.holder(home.data) is not None:
        raise LoopdError(f"loopd runs and offers no endpoint: {_why(home)}")
    if endpoint is not None:
        _tell(endpoint, as_json=as_json)
        return
    with _open(home) as address:
        _tell(address, as_json=as_json)
        wait()


@contextmanager
def _open(home: paths.Paths) -> Iterator[Address]:
    """Be the one process of this data directory, and answer."""
    settings = access.settings()
    with ExitStack() as stack:
        stack.enter_context(lock.hold(home.data))
        log.set_up(home.logs)
        child.reap(home.run)
        store = stack.enter_context(Store.open(settings.database or home.database))
        stack.enter_context(lease.hold(store, home.data))
        board = progress.Board(home.run, settings.profile)
        stack.callback(board.close)
        board.update(stage=progress.SERVING)
        base = base_model(settings, home)
        yield stack.enter_context(endpoint.opened(settings, home, store, board, base))


def _tell(address: Address, *, as_json: bool) -> None:
    if as_json:
        access.show_json(address.model_dump())
        return
    terminal.say(
        f"Base URL  {address.url}\n"
        "Model     loopd  (also loopd/champion, loopd/stock, loopd/POLICY)\n"
        "Key       loopd serve --key\n"
        f'Try       curl -H "Authorization: Bearer $(loopd serve --key)" {address.url}/models'
    )


def _why(home: paths.Paths) -> str:
    now = progress.find(home.run)
    return (now.endpoint if now else "") or "serve.enabled is false"
