"""Another program that serves an exported directory, for as long as it is compared."""

import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2

from loop.errors import CannotCreate, NotFound
from loop.runtime import gpu
from loop.runtime.child import Child
from loop.runtime.paths import Paths

PATIENCE: Final = 600
"""Seconds until a server has loaded its model."""
NAME: Final = "mlx-lm-server"


@contextmanager
def mlx_lm_server(out: Path, paths: Paths, max_tokens: int) -> Iterator[str]:
    """Serve a directory of mlx-lm's layout with mlx-lm's own server, and give its address.

    Raises:
        NotFound: nothing in the directory can be served so.
        CannotCreate: the server does not come up; the message names its log.
    """
    if not (out / "config.json").is_file():
        raise NotFound(f"mlx-lm cannot serve {out}. Start a server for it (EXPORT.md) and give its URL.")
    port = _free_port()
    words = ["--model", str(out), "--host", "127.0.0.1", "--port", str(port), "--max-tokens", str(max_tokens)]
    with Child(
        NAME,
        [sys.executable, "-m", "mlx_lm.server", *words],
        run=paths.run,
        logs=paths.logs,
        environment=_environment(),
    ) as child:
        child.drain()
        _wait(child, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"


def _environment() -> Mapping[str, str]:
    return {**gpu.preload(), "HF_HUB_OFFLINE": "1"}


def _wait(child: Child, address: str) -> None:
    end = time.monotonic() + PATIENCE
    with httpx2.Client(timeout=5, trust_env=False) as http:
        while child.alive and time.monotonic() < end:
            try:
                http.get(address).raise_for_status()
            except httpx2.HTTPError:
                time.sleep(0.5)
            else:
                return
    raise CannotCreate(f"{NAME} did not start: see {child.log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
