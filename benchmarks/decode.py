"""The engine beside bare calls of mlx-lm, in one process: what one forward pass costs, and what it keeps in memory.

    python benchmarks/decode.py [--quick] [--base DIR] [--json FILE]

- shared: a decoding step of 16 rows behind one prefix, beside 16 copies of that prefix in mlx-lm's own cache;
- overhead: `Engine.step` beside the bare model call, at the same batch sizes;
- alone: one request beside `mlx_lm.generate`.

In the first two every row says one token a step; the request that is alone is served as any other, guesses included.

Each pair first gives the same tokens, untimed; then the two take turns, and medians are compared.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import mlx.core as mx
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import KVCache

from loop.compute.cpu.denormals import flush_denormals
from loop.compute.cpu.glibc import keep_freed
from loop.runtime import paths
from loop.runtime.gpu import preload
from loop.student.engine.batching import GIB, Engine
from loop.student.engine.conversations import TokenRequest
from loop.weights.loading import load
from loop.weights.sources import find

ROWS: Final = 16
TAIL: Final = 64
"""Tokens that each row has of its own."""
BATCHES: Final = (1, 4, 16)
CHUNK: Final = 512
"""Tokens of a prefix that are computed at a time."""
ROUNDS: Final = 3
REPLACED: Final = ("swiglu", "scaled_dot_product_attention")
"""What the engine replaces in a model's module."""


class Size(NamedTuple):
    """How large a run is."""

    prefix: int
    steps: int
    """Decoding steps of a round."""
    prompt: int
    answer: int
    """Tokens of the request that is alone."""


SIZES: Final = {"quick": Size(600, 4, 120, 16), "usual": Size(3000, 6, 400, 48)}


class Pair(NamedTuple):
    """Medians of seconds."""

    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times longer theirs takes."""
        return self.theirs / self.ours


def in_turn(ours: Callable[[], object], theirs: Callable[[], object], steps: int) -> Pair:
    """Time two calls, a round of each in turn; seconds of one call."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS):
        order = ((0, ours), (1, theirs))
        for place, call in order if number % 2 == 0 else order[::-1]:
            for _ in range(steps):
                began = time.perf_counter()
                call()
                taken[place].append(time.perf_counter() - began)
    return Pair(statistics.median(taken[0]), statistics.median(taken[1]))


class Copies:
    """Rows in mlx-lm's own cache, each with a copy of the prefix: all are equally long, so nothing is padding."""

    def __init__(self, model: Any, prefix: Sequence[int], tails: Sequence[Sequence[int]]) -> None:  # noqa: ANN401 - mlx-lm's
        self.model = model
        self.cache = [KVCache() for _ in model.layers]
        for first in range(0, len(prefix), CHUNK):
            model.model(mx.array([prefix[first : first + CHUNK]]), cache=self.cache)
            mx.eval([(layer.keys, layer.values) for layer in self.cache])
        for layer in self.cache if prefix else []:
            layer.keys, layer.values = (
                mx.contiguous(mx.repeat(part[:, :, : layer.offset], len(tails), axis=0))
                for part in (layer.keys, layer.values)
            )
            mx.eval(layer.keys, layer.values)
        self.tokens = mx.array(tails)
        self.said: list[list[int]] = []

    def step(self) -> None:
        """Read what is new and say the next token of every row."""
        logits = self.model(self.tokens, cache=self.cache)[:, -1]
        self.tokens = mx.argmax(logits, axis=-1)[:, None]
        mx.eval(self.tokens)
        self.said.append(self.tokens[:, 0].tolist())

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return sum(int(layer.nbytes) for layer in self.cache)


def seated(model: Any, prefix: Sequence[int], tails: Sequence[Sequence[int]], steps: int) -> Engine:  # noqa: ANN401 - mlx-lm's
    """Build an engine whose rows have all said their first token."""
    engine = Engine(model, max_rows=len(tails), kv_bytes=8 * GIB)
    engine.guesses = 0  # a step is one token of each row here
    for tail in tails:
        engine.submit(TokenRequest(tokens=(*prefix, *tail), prefix=len(prefix), max_tokens=steps))
    while engine.waiting or any(not row.spoken for row in engine.talks.rows.values()):
        engine.step()
    return engine


def said(engine: Engine, count: int) -> list[list[int]]:
    """Give the first tokens that each row said, by step."""
    while min(len(row.spoken) for row in engine.talks.rows.values()) < count:
        engine.step()
    return [[row.spoken[step] for row in engine.talks.rows.values()] for step in range(count)]


@contextmanager
def as_it_came(model: Any) -> Iterator[None]:  # noqa: ANN401 - mlx-lm's
    """Give mlx-lm its own functions back for as long as the block lasts."""
    module = sys.modules[type(model).__module__]
    mine = {name: getattr(module, name) for name in REPLACED}
    for name, function in ORIGINAL.items():
        setattr(module, name, function)
    try:
        yield
    finally:
        for name, function in mine.items():
            setattr(module, name, function)


ORIGINAL: Final[dict[str, Any]] = {}
"""The model module's own functions, noted before the engine is built."""


def shared(model: Any, size: Size, draw: Callable[[int], list[int]]) -> dict[str, float]:  # noqa: ANN401 - mlx-lm's
    """Time a step of rows behind one prefix against one over copies, and weigh both."""
    prefix, tails = draw(size.prefix), [draw(TAIL) for _ in range(ROWS)]
    checked, least = 6, 8
    engine = seated(model, prefix, tails, 2 * least + ROUNDS * size.steps)
    with as_it_came(model):
        copies = Copies(model, prefix, tails)
        for _ in range(checked):
            copies.step()
    same(said(engine, checked), copies.said, "shared")

    def over_copies() -> None:
        with as_it_came(model):
            copies.step()

    pair = in_turn(engine.step, over_copies, size.steps)
    token = engine.talks.rack.token_bytes
    needed = (len(prefix) + sum(len(row.held) for row in engine.talks.rows.values())) * token
    return {
        "rows": ROWS,
        "prefix": size.prefix,
        "ms": 1e3 * pair.ours,
        "ms_over_copies": 1e3 * pair.theirs,
        "times_faster": pair.ratio,
        "prefix_copies": engine.prefixes.nbytes / (len(prefix) * token),
        "kv_gb": engine.stats.kv_bytes / 1e9,
        "kv_over_least": engine.stats.kv_bytes / needed,
        "kv_gb_of_copies": copies.nbytes / 1e9,
    }


def overhead(model: Any, size: Size, draw: Callable[[int], list[int]]) -> dict[str, dict[str, float]]:  # noqa: ANN401 - mlx-lm's
    """Time `Engine.step` against the model called by hand, with the same rows and the same elementwise functions."""
    found = {}
    for rows in BATCHES:
        tails = [draw(TAIL) for _ in range(rows)]
        engine = seated(model, (), tails, 8 + 2 * ROUNDS * size.steps)
        bare = Copies(model, (), tails)
        bare.step()
        same(said(engine, 1), bare.said, "overhead")
        pair = in_turn(engine.step, bare.step, size.steps)
        found[str(rows)] = {"ms": 1e3 * pair.ours, "ms_bare": 1e3 * pair.theirs, "over_bare": 1 / pair.ratio}
    return found


def alone(model: Any, size: Size, draw: Callable[[int], list[int]]) -> dict[str, float]:  # noqa: ANN401 - mlx-lm's
    """Time one whole request, reading included, against `mlx_lm.generate`."""
    prompt = draw(size.prompt)

    def ours() -> list[int]:
        engine = Engine(model, max_rows=1)
        engine.submit(TokenRequest(tokens=tuple(prompt), prefix=size.prompt - TAIL, max_tokens=size.answer))
        answers = []
        while not answers:
            answers = engine.step()
        return list(answers[0].tokens)

    def theirs() -> list[int]:
        with as_it_came(model):
            steps = generate_step(mx.array(prompt), model, max_tokens=size.answer)
            return [int(token) for token, _ in steps]

    same([ours()], [theirs()], "alone")
    pair = in_turn(ours, theirs, 1)
    return {"prompt": size.prompt, "answer": size.answer, "seconds": pair.ours, "times_faster": pair.ratio}


def same(ours: list[list[int]], theirs: list[list[int]], name: str) -> None:
    """Refuse to time what gives different tokens."""
    if ours != theirs:
        raise SystemExit(f"{name}: the tokens differ, nothing is timed: {ours} and {theirs}")


def measure(base: Path, size: Size) -> dict[str, Any]:
    """Run every comparison."""
    flush_denormals()
    keep_freed()
    model = load(base)
    module = sys.modules[type(model).__module__]
    ORIGINAL.update({name: getattr(module, name) for name in REPLACED})
    rng = random.Random(0)
    words = range(3, min(1000, model.args.vocab_size))

    def draw(count: int) -> list[int]:
        return [rng.choice(words) for _ in range(count)]

    return {
        "size": size._asdict(),
        "alone": alone(model, size, draw),
        "overhead": overhead(model, size, draw),
        "shared": shared(model, size, draw),
    }


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    one, many = report["alone"], report["shared"]
    print(f"alone: {one['prompt']} tokens in, {one['answer']} out: {one['times_faster']:.2f} times mlx_lm.generate")
    for rows, found in report["overhead"].items():
        print(f"step of {rows:>2} rows: {found['ms']:.1f} ms, {found['over_bare']:.2f} of the bare model call")
    print(
        f"step of {many['rows']} rows behind {many['prefix']} tokens: {many['ms']:.0f} ms, over copies "
        f"{many['ms_over_copies']:.0f} ms: {many['times_faster']:.1f} times; {many['kv_gb']:.2f} GB of keys and "
        f"values ({many['kv_over_least']:.2f} of the least), copies {many['kv_gb_of_copies']:.2f} GB"
    )


def main() -> None:
    """Measure in a child that has the fast matrix library, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_const", const="quick", dest="size", default="usual")
    parser.add_argument("--base", default="embedded", help="model: a directory, or another source that loopd knows")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.child:
        raise SystemExit(
            subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--child"], env={**os.environ, **preload()}, check=False
            ).returncode
        )
    report = measure(find(options.base, paths.find().models), SIZES[options.size])
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.flush()
    os._exit(0)  # MLX's threads stumble over a plain exit


if __name__ == "__main__":
    main()
