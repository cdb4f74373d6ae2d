"""What it costs to hold calls to the tools on offer: processor time, with SmolLM2's vocabulary and whole catalogues.

    python benchmarks/constrained.py [--quick] [--json FILE]

Before anything is timed, rows that are held to nothing say the tokens of an unmasked step, and every call of the sample
fits the grammar. Times are of the process on one core, so that a busy machine does not count.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import mlx.core as mx
from tokenizers import Tokenizer

from loop.runtime import paths
from loop.student.grammar.answer import Held
from loop.student.grammar.constraint import Constraint, Matcher, masked
from loop.student.sampling import SamplingParams, choose
from loop.templates.parse import OPEN
from loop.templates.render import Renderer
from loop.templates.spans import call_text
from loop.types import Call, Catalogue
from loop.weights.sources import find
from task_generators.backends.catalogues import catalogue, tools_of

BACKENDS: Final = ("GorillaFileSystem", "TradingBot", "TravelAPI", "VehicleControlAPI")
ROWS: Final = 16
CALLS: Final = (
    Call(name="mv", arguments={"source": "annual_report.txt", "destination": "archive"}),
    Call(name="place_order", arguments={"order_type": "Buy", "symbol": "AAPL", "price": 227.16, "amount": 100}),
    Call(name="get_stock_info", arguments={"symbol": "NVDA"}),
)


def seconds(work: Callable[[], object]) -> float:
    """Time one run, in seconds of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def said(tokenizer: Tokenizer, call: Call) -> list[int]:
    """Encode a call as a model begins it: the marker by itself."""
    parts = (OPEN, call_text(call).removeprefix(OPEN))
    return [token for part in parts for token in tokenizer.encode(part, add_special_tokens=False).ids]


def follow(matcher: Matcher, tokens: Sequence[int], size: int) -> tuple[list[float], list[float]]:
    """Follow a call; the seconds of each mask and of each token."""
    masks, steps = [], []
    for token in tokens:
        masks.append(seconds(lambda: matcher.fits(size)))
        steps.append(seconds(lambda token=token: matcher.advance(token)))  # type: ignore[misc]  # bound now
    return masks, steps


def states(constraint: Constraint, tokenizer: Tokenizer, offered: Catalogue) -> dict[str, float]:
    """Follow calls for the first time and again: milliseconds."""
    size, new, again, steps = constraint.vocabulary.vocab_size, [], [], []
    for times in (new, again):
        for call in CALLS:
            masks, advances = follow(constraint.begin(Held(offered=offered)), said(tokenizer, call), size)
            times.extend(masks)
            steps.extend(advances)
    return {
        "mask, first time, mean": 1e3 * sum(new) / len(new),
        "mask, first time, most": 1e3 * max(new),
        "mask, again, median": 1e3 * median(again),
        "token, median": 1e3 * median(steps),
    }


def step(constraint: Constraint, offered: Catalogue, tokenizer: Tokenizer, rounds: int) -> dict[str, float]:
    """Compare choosing 16 rows' tokens with and without masks, in turns: milliseconds."""
    matcher, size = constraint.begin(Held(offered=offered)), constraint.vocabulary.vocab_size
    logits = mx.random.normal((ROWS, size), key=mx.random.key(0))
    samplings, chances = [SamplingParams()] * ROWS, [0.0] * ROWS
    assert choose(masked(logits, [None] * ROWS), samplings, chances) == choose(logits, samplings, chances)
    for token in said(tokenizer, CALLS[0])[:16]:
        assert matcher.advance(token)
    arms: dict[str, Callable[[], object]] = {
        "free": lambda: choose(logits, samplings, chances),
        "held": lambda: choose(masked(logits, [matcher] * ROWS), samplings, chances),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            times[name].append(seconds(arm))
    return {f"{ROWS} rows, {name}": 1e3 * median(found) for name, found in times.items()}


def measure(rounds: int) -> dict[str, float]:
    """Give every figure, in milliseconds."""
    renderer = Renderer.load(find("embedded", paths.find().create().models), "compact")
    tokenizer, constraint = renderer.tokenizer, Constraint(renderer.tokenizer, renderer.end)
    offered = catalogue([name for backend in BACKENDS for name in tools_of(backend)], BACKENDS)
    figures = {"vocabulary": 1e3 * seconds(lambda: constraint.vocabulary)}
    figures["catalogue"] = 1e3 * seconds(lambda: constraint.begin(Held(offered=offered)))
    for call in CALLS:
        matcher = constraint.begin(Held(offered=offered))
        assert all(matcher.advance(token) for token in said(tokenizer, call)), f"{call.name} does not fit"
    return {
        **figures,
        **states(constraint, tokenizer, offered),
        **step(constraint, offered, tokenizer, rounds),
    }


def main(argv: Sequence[str]) -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(argv)
    figures = measure(20 if options.quick else 200)
    for what, milliseconds in figures.items():
        print(f"{what:24} {milliseconds:10.4f} ms")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
