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
    home = paths.find().create()
    if (endpoint := find(home.run)) is not None:
        _tell(endpoint.url.removesuffix("/v1"), home, browser=browser)
        return
    log.set_up(home.logs, LOG)
    with _served(home, port) as address:
        _tell(address, home, browser=browser)
        terminal.say("Ctrl-C ends it.")
        wait()


@contextmanager
def _served(home: paths.Paths, port: int) -> Iterator[str]:
    """Show this home; nothing of it is held, so that a daemon may come and go."""
    listener = _bound(port)
    with ExitStack() as stack:
        url = access.settings().database or home.database
        store = cache(lambda: stack.enter_context(Store.open(url)))
        stack.enter_context(opened(Site(home, url, _change, store), key(home.data), listener))
        yield f"http://{HOST}:{listener.getsockname()[1]}"


def _change(verb: str, arguments: Mapping[str, JsonValue]) -> Answer:
    return records.change(verb, **arguments)


def _bound(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = f"{HOST}:{port} cannot be bound: {error.strerror}. Another program may have it"
        raise CannotCreate(f"{why}; choose another: loopd ui --port 0") from error


def _tell(address: str, home: paths.Paths, *, browser: bool) -> None:
    link = f"{address}{PATH}?code={code(key(home.data))}"
    terminal.say(f"Open within five minutes, once:\n{link}")
    if browser:
        webbrowser.open(link)
