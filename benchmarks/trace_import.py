"""Import many traces in one run: how long it takes, and how much memory.

    python -m benchmarks.trace_import [--traces 100000] [--out DIR]

Writes distinct conversations of 20 messages each, with names, addresses, calls and results, as OpenAI's messages, then
runs `loopd trace import` on them in a home of its own, twice: the second time everything is known. What was aimed for:
100,000 traces in ten minutes and 2 GiB.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

TEXT: Final = {"type": "string"}
TOOLS: Final = [
    {"type": "function", "function": {"name": name, "description": name.replace("_", " "), "parameters": {
        "type": "object", "properties": dict.fromkeys(names, TEXT), "required": list(names)}}}
    for name, names in (("find_table", ("city", "kind")), ("book_table", ("name", "time", "guests", "mail")))
]  # fmt: skip
CITIES: Final = ("Oslo", "Bergen", "Lund", "Turku", "Graz", "Ghent", "Porto", "Turin", "Leeds", "Nantes")
KINDS: Final = ("Thai", "Greek", "Indian", "French", "Korean", "Mexican", "Turkish", "Spanish")
WORDS: Final = (
    "table", "window", "garden", "quiet", "music", "children", "parking", "terrace", "birthday", "vegan", "allergy",
    "nuts", "river", "view", "early", "late", "cheap", "cosy", "corner", "wine", "menu", "seats", "friends", "parents",
    "office", "lunch", "dinner", "weekend", "evening", "market", "station", "bridge", "old", "new",
)  # fmt: skip
NAMES: Final = ("Ada Miller", "Ben Carter", "Carla Jones", "David Moore", "Erin Clark", "Frank Hall", "Grace Young")
TURNS: Final = 5
"""Of four messages: a request, a call, its result, an answer."""


def conversation(number: int) -> dict[str, Any]:
    """Give one conversation; none of another number is like it."""
    rng, messages = random.Random(number), list[dict[str, Any]]()
    for turn in range(TURNS):
        messages += _turn(rng, f"{number}-{turn}")
    return {"messages": messages, "tools": TOOLS, "user": f"user-{number % 5000}", "conversation_id": f"c{number}"}


def _turn(rng: random.Random, key: str) -> Iterator[dict[str, Any]]:
    city, kind, name = rng.choice(CITIES), rng.choice(KINDS), rng.choice(NAMES)
    place, mail = f"{rng.choice(WORDS).title()} {key}", f"{name.split()[0].lower()}{rng.randrange(10**6)}@example.com"
    wish = " ".join(rng.sample(WORDS, 12))
    if rng.random() < 0.5:  # noqa: PLR2004 - half of the turns book
        arguments = {
            "name": place,
            "time": f"{rng.randrange(11, 22)}:30",
            "guests": str(rng.randrange(1, 9)),
            "mail": mail,
        }
        said, tool = (
            f"Book {place} at {arguments['time']} for {arguments['guests']}, {mail}. My name is {name}.",
            "book_table",
        )
    else:
        arguments, said, tool = {"city": city, "kind": kind}, f"{kind} food in {city}, {wish}", "find_table"
    row = {"name": place, "city": city, "kind": kind, "phone": f"+1-510-555-{rng.randrange(10_000):04}", **arguments}
    call = {"id": key, "type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
    yield {"role": "user", "content": said}
    yield {"role": "assistant", "content": "", "tool_calls": [call]}
    yield {"role": "tool", "tool_call_id": key, "content": json.dumps([row])}
    yield {"role": "assistant", "content": f"{place} in {city}: {wish}."}


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--out", type=Path, help="where the file and the home go; a temporary directory by itself")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.out) as folder:
        source = Path(folder) / "traces.jsonl"
        with source.open("w", encoding="utf-8") as file:
            for number in range(options.traces):
                file.write(json.dumps(conversation(number)) + "\n")
        print(f"{options.traces} traces, {source.stat().st_size / 1e6:.0f} MB", flush=True)
        for name in ("first", "second"):
            _import(name, source, Path(folder) / "home")
        store = Path(folder) / "home" / "data" / "loopd.db"
        print(f"store {store.stat().st_size / 1e6:.0f} MB")
    return 0


def _import(name: str, source: Path, home: Path) -> None:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "loop.cli", "trace", "import", str(source), "--licence", "CC0-1.0"]
    subprocess.run(command, env={**os.environ, "LOOPD_HOME": str(home)}, check=True)
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name} import: {took:.0f} s, {worked:.0f} s of processor, {after.ru_maxrss / 1024:.0f} MiB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
