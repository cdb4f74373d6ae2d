"""Serve one policy of the student as a chat endpoint on loopback.

    python -m loop.student.server --base DIR [--adapter DIR] --template NAME --token-file FILE

It prints one JSON line when it is ready, and ends when its stdin does (its parent is gone) or on SIGTERM. On Linux
OpenBLAS has to be in LD_PRELOAD before it starts.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Final

import mlx.core as mx
import structlog
import uvicorn

from loop.compute import memory
from loop.compute.cpu.denormals import flush_denormals
from loop.compute.cpu.glibc import keep_freed, one_arena
from loop.errors import ConfigError, LoopdError
from loop.runtime import ceiling
from loop.runtime.child import exit_with_parent
from loop.runtime.gpu_turn import GpuTurn
from loop.runtime.loopback import ADDRESS, ServerSettings
from loop.student.endpoint import LIMITS, Endpoint
from loop.student.engine import attention
from loop.student.engine.adapters import Adapters
from loop.student.engine.batching import GIB, Engine
from loop.student.engine.interface import Batching
from loop.student.engine.plain import PlainEngine
from loop.student.engine.stored import PrefixDirectory
from loop.student.grammar.constraint import Constraint
from loop.student.service import Service
from loop.templates.render import Renderer
from loop.types import Precision
from loop.weights import loading

log = structlog.get_logger()
BUFFERS: Final = 2**29
"""Bytes of freed memory that MLX may keep for reuse."""
LEAST_ROOM: Final = 4 * GIB
"""Bytes for keys and values at least; on Linux, where only small models are served, no more."""


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loop.student.server", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="directory of the base model")
    parser.add_argument("--adapter", type=Path, help="directory of the adapter; none for the stock model")
    parser.add_argument(
        "--beside", action="append", default=[], metavar="NAME=DIR", type=_named, help="an adapter that requests name"
    )
    parser.add_argument("--precision", choices=list(Precision), default=Precision.BASE, help="of the served weights")
    parser.add_argument("--template", required=True, help="name of the template that renders messages to tokens")
    parser.add_argument("--token-file", type=Path, required=True, help="file that holds the bearer token")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--max-rows", type=int, default=16, help="conversations decoded at once")
    parser.add_argument("--prefixes", type=Path, help="directory that keeps prefixes for the next server")
    parser.add_argument("--prefix-mib", type=int, default=4096, help="MiB of prefixes there, at most")
    parser.add_argument("--policy", help="what names the weights: prefixes are kept under it")
    options = parser.parse_args(argv)
    if options.beside and (options.adapter or options.precision != Precision.BASE):
        raise ConfigError("Adapters share the base as it is: leave out --adapter and --precision.")
    return options


def _named(text: str) -> tuple[str, Path]:
    name, _, directory = text.partition("=")
    if not name or not directory:
        raise ConfigError(f"{text} is not NAME=DIR: --beside names an adapter and its directory.")
    return name, Path(directory)


def _engine(options: argparse.Namespace, renderer: Renderer) -> Batching:
    flush_denormals()
    keep_freed()
    one_arena()
    mx.set_cache_limit(BUFFERS)
    model = loading.load(options.base, options.adapter, Precision(options.precision))
    constraint = Constraint(renderer.tokenizer, renderer.end)
    if attention.known(model):
        beside = Adapters(model)
        for name, directory in options.beside:
            beside.add(name, directory, options.base)
        return Engine(
            model,
            max_rows=options.max_rows,
            kv_bytes=_kv_bytes(),
            stored=_place(options),
            constraint=constraint,
            beside=beside,
        )
    if options.beside:
        raise ConfigError(f"Adapters cannot share a base of the family '{model.model_type}'. Serve each alone.")
    log.warning("family_unknown", family=model.model_type, engine=PlainEngine.kind)
    return PlainEngine(model, max_rows=options.max_rows, constraint=constraint)


def _kv_bytes() -> int:
    """Give the bytes for keys and values beside the loaded model.

    Raises:
        ConfigError: the model alone takes what it may.
    """
    free = memory.available()
    wanted = room(free) if mx.metal.is_available() else LEAST_ROOM
    most = ceiling.given(os.environ)
    if most is None:
        return wanted
    if not free:
        held = mx.get_active_memory() / GIB
        raise ConfigError(f"The model alone takes {held:.1f} GiB, and windows.memory_gib allows {most / GIB:.1f}.")
    return min(wanted, free)


def room(free: int) -> int:
    """Give the bytes for keys and values: half of what is free once the model is loaded.

    A token of Qwen3-4B takes 147 kB, so that sixteen plays behind nine whole catalogues want some ten GiB.
    """
    return max(LEAST_ROOM, free // 2)


def _place(options: argparse.Namespace) -> PrefixDirectory | None:
    if not (options.prefixes and options.policy and options.prefix_mib):
        return None
    budget = options.prefix_mib * 2**20
    return PrefixDirectory(directory=options.prefixes, budget=budget, policy=options.policy, template=options.template)


async def _serve(options: argparse.Namespace) -> int:
    renderer = Renderer.load(options.base, options.template)
    token = options.token_file.read_text(encoding="ascii").strip()
    broken = False

    def failed() -> None:
        nonlocal broken
        broken = server.should_exit = True

    service = Service(lambda: _engine(options, renderer), failed=failed, turn=GpuTurn.given(os.environ))
    app = Endpoint(service, renderer).app(token)
    server = uvicorn.Server(ServerSettings(app, LIMITS))
    service.start()
    engine = await asyncio.wrap_future(service.ready)
    with contextlib.closing(socket.create_server((ADDRESS, options.port))) as listener:
        _announce(listener.getsockname()[1], engine.kind, options.max_rows)
        await server.serve(sockets=[listener])
    service.stop()
    return int(broken)


def _announce(port: int, engine: str, rows: int) -> None:
    device = str(mx.default_device().type).rpartition(".")[2]
    dtype = str(loading.number_type()).rpartition(".")[2]
    ready = {"port": port, "device": device, "dtype": dtype, "engine": engine, "rows": rows}
    print(json.dumps(ready), flush=True)  # noqa: T201 - the parent reads it


def main(argv: list[str]) -> int:
    """Serve until the parent goes away; 0 unless something broke."""
    exit_with_parent()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is the parent's
    try:
        return asyncio.run(_serve(_arguments(argv)))
    except LoopdError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent logs it
        return error.exit_code


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # MLX's threads and the one that holds stdin would stumble over a plain exit
