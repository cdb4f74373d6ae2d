"""How a verb reads records and changes them: through the daemon, or with its lock where none runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from loop.cli.access import settings, url
from loop.control import channel, commands, lease
from loop.runtime import lock, paths
from loop.store import Store


@contextmanager
def store() -> Iterator[Store]:
    """Look records up; nothing is written."""
    with Store.open(url()) as opened:
        yield opened


@contextmanager
def made() -> Iterator[Store]:
    """Open the store, which is made where there is none yet; whoever writes holds the daemon's lock."""
    home = paths.find().create()
    with Store.open(settings().database or home.database) as opened:
        yield opened


def change(verb: str, **arguments: JsonValue) -> commands.Answer:
    """Have the daemon do it, or do it here with the daemon's lock."""
    home = paths.find()
    if lock.holder(home.data) is not None:
        return channel.call(home.run, verb, arguments)
    with lock.hold(home.data), store() as opened, lease.hold(opened, home.data):
        return commands.carry_out(opened, verb, arguments)
