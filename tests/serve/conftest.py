"""A whole endpoint over a tiny model: address, key, store, and real children."""

from contextlib import contextmanager, suppress
from dataclasses import dataclass

import openai
import psutil
import pytest

from loop import config, parts
from loop.control.progress import Board
from loop.runtime import paths
from loop.serve import endpoint
from loop.serve.key import key
from loop.store import Store


@dataclass(frozen=True)
class Open:
    """An endpoint as its clients see it, and what is behind it."""

    url: str
    key: str
    store: Store
    paths: paths.Paths
    config: config.Config
    base: parts.Base
    board: Board

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.key}"}


def servers():
    """List the living servers that this process started."""
    found = []
    for each in psutil.Process().children():
        with suppress(psutil.Error):
            found += [each] if "loop.student.server" in each.cmdline() else []
    return found


@contextmanager
def opened(home, *, busy=lambda: False, **settings):
    places = paths.Paths(data=home / "data", logs=home / "logs", config=home / "config").create()
    student = {"source": "tiny", "template": "compact", "system": "You act with tools."}
    flags = {"student": student, "serve": {"port": 0, **settings}}
    chosen = config.load(places, "quickstart", flags, {})
    board = Board(places.run, "quickstart")
    with Store.open(places.database) as store:
        base = parts.base_model(chosen, places)
        with endpoint.opened(chosen, places, store, board, base, busy=busy) as address:
            yield Open(address.url, key(places.data), store, places, chosen, base, board)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as found:
        yield found
