"""The public address: bound, behind its key, for as long as the daemon or `loopd serve` runs."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import structlog

from loop.config import Config
from loop.control.progress import Board
from loop.errors import CannotCreate
from loop.parts import Base
from loop.runtime import loopback
from loop.runtime.durable import replace_text
from loop.runtime.gpu import Gpu, Served
from loop.runtime.paths import Paths
from loop.serve import app
from loop.serve.address import FILE, Address
from loop.serve.capture import Capture
from loop.serve.context import Context, stock_policy
from loop.serve.key import key
from loop.serve.loaded_models import LoadedModels
from loop.serve.placement import Placement, placed
from loop.store import Store

log = structlog.get_logger()
FAREWELL: Final = 5
"""Seconds that answers under way have when the address closes."""


@contextmanager
def opened(  # noqa: PLR0913 - all that answers come from
    config: Config,
    paths: Paths,
    store: Store,
    board: Board,
    base: Base,
    *,
    busy: Callable[[], bool] = lambda: False,
) -> Iterator[Address]:
    """Answer people while the block runs.

    Raises:
        CannotCreate: the port is taken.
    """
    stock = stock_policy(config, base)

    def best() -> Placement:
        return placed(config, store, (store.policies.champion() or stock).alone)

    models = LoadedModels(_serving(config, paths, base), best, most=config.serve.models, keep=config.serve.keep)
    capture = Capture(store, paths.data, config.serve.capture)
    context = Context(
        config=config, paths=paths, store=store, board=board, base=base, models=models, capture=capture, busy=busy
    )
    answering = app.composed(context, key(paths.data))
    listener = _bound(config.serve.host, config.serve.port)
    how = loopback.serving(answering, listener, app.LIMITS, name="endpoint", farewell=FAREWELL, beside=models.tend)
    with capture.running(), how:
        address = Address(url=_url(listener), pid=os.getpid())
        replace_text(paths.run / FILE, address.model_dump_json(), durable=False)
        board.update(endpoint=f"{address.url}{capture.words}")
        log.info("endpoint_open", url=address.url)
        try:
            yield address
        finally:
            (paths.run / FILE).unlink(missing_ok=True)


@contextmanager
def beside(  # noqa: PLR0913 - as above
    config: Config, paths: Paths, store: Store, board: Board, base: Base, *, busy: Callable[[], bool]
) -> Iterator[None]:
    """Answer people while the daemon runs. Where the port is taken it says so, and runs without."""
    with contextlib.ExitStack() as stack:
        if config.serve.enabled:
            try:
                stack.enter_context(opened(config, paths, store, board, base, busy=busy))
            except CannotCreate as error:
                log.warning("endpoint_closed", why=str(error))
                board.update(endpoint=str(error))
        yield


def _serving(config: Config, paths: Paths, base: Base) -> Callable[[Placement], AbstractContextManager[Served]]:
    def serving(placement: Placement) -> AbstractContextManager[Served]:
        policy = placement.policy
        return Gpu(paths.run, paths.logs, paths.scratch, kind="people").serving(
            base.path,
            template=policy.template,
            adapter=None if placement.beside else paths.adapter(policy),
            beside={name: paths.models / name for name in placement.beside},
            precision=policy.precision,
            max_rows=config.serve.rows,
        )

    return serving


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = f"{host}:{port} cannot be bound: {error.strerror}. Another program may have it"
        raise CannotCreate(f"{why}; choose another: LOOPD_SERVE__PORT=11436 loopd start") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"
