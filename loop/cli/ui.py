"""`loopd ui`: the dashboard, in a browser."""

import socket
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Annotated, Final

import typer
from pydantic import JsonValue

from loop.cli import access, records, terminal
from loop.control.commands import Answer
from loop.errors import CannotCreate
from loop.runtime import log, paths
from loop.runtime.signals import wait
from loop.serve.address import find
from loop.serve.key import key
from loop.store import Store
from loop.ui.app import opened
from loop.ui.door import PATH, code
from loop.ui.site import Site

app = typer.Typer(add_completion=False)

PORT: Final = 11436
LOG: Final = "ui.jsonl"
HOST: Final = "127.0.0.1"
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port when no daemon runs; 0 picks a free one.")]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")]


@app.command()
def ui(*, port: Port = PORT, browser: Open = True) -> None:
    """Open the dashboard of the running daemon, or serve one until Ctrl-C."""
    places = paths.find().create()
    if (found := find(places.run)) is not None:
        _tell(found.url.removesuffix("/v1"), places, browser=browser)
        return
    log.set_up(places.logs, LOG)
    with _served(places, port) as address:
        _tell(address, places, browser=browser)
        terminal.say("Ctrl-C ends it.")
        wait()


@contextmanager
def _served(places: paths.Paths, port: int) -> Iterator[str]:
    """Show this home; nothing of it is held, so that a daemon may come and go."""
    listener = _bound(port)
    with ExitStack() as stack:
        url = access.settings().database or places.database
        store = cache(lambda: stack.enter_context(Store.open(url)))
        stack.enter_context(opened(Site(places, url, _change, store), key(places.data), listener))
        yield f"http://{HOST}:{listener.getsockname()[1]}"


def _change(verb: str, arguments: Mapping[str, JsonValue]) -> Answer:
    return records.change(verb, **arguments)


def _bound(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = f"{HOST}:{port} cannot be bound: {error.strerror}. Another program may have it"
        raise CannotCreate(f"{why}; choose another: loopd ui --port 0") from error


def _tell(address: str, places: paths.Paths, *, browser: bool) -> None:
    link = f"{address}{PATH}?code={code(key(places.data))}"
    terminal.say(f"Open within five minutes, once:\n{link}")
    if browser:
        webbrowser.open(link)
