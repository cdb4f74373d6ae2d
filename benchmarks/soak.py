"""A store that lives for long: killed and suspended at random, then left alone; what it holds on to is measured.

    python benchmarks/soak.py [--minutes 30] [--url URL] [--json FILE]

For two thirds of the time a process that lives round after round is killed or stopped for a while, at random moments,
and started again. For the last third it is left alone: resident memory, open descriptors and the write-ahead log must
not grow with the rounds. In the end every row is inspected.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from loop.store import Store

sys.path.append(str(Path(__file__).parent.parent / "tests" / "store"))
import life

LOOK = 5.0
"""Seconds between two looks at a process that is left alone."""


def start(url: str) -> int:
    """Begin a process that lives until it is killed."""
    child = os.fork()
    if child == 0:
        with Store.open(url) as store:
            life.live(store, rounds=sys.maxsize)
        os._exit(0)
    return child


def disturb(url: str, seconds: float, chance: random.Random) -> dict[str, int]:
    """Kill and suspend for so long; how often."""
    end, done = time.monotonic() + seconds, {"kills": 0, "suspensions": 0}
    while time.monotonic() < end:
        child = start(url)
        time.sleep(chance.uniform(0.5, 5))
        if chance.random() < 1 / 3:
            os.kill(child, signal.SIGSTOP)
            time.sleep(chance.uniform(0.5, 3))
            os.kill(child, signal.SIGCONT)
            time.sleep(chance.uniform(0, 1))
            done["suspensions"] += 1
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it ended by itself"
        done["kills"] += 1
    return done


def watch(url: str, seconds: float) -> Iterator[dict[str, float]]:
    """Leave one alone for so long, and look at it; the first look is left out, since it still warms up."""
    child = start(url)
    process, log, end = psutil.Process(child), Path(url.removeprefix("sqlite:///") + "-wal"), time.monotonic() + seconds
    try:
        time.sleep(LOOK)
        with Store.open(url) as store:
            while time.monotonic() < end:
                time.sleep(LOOK)
                yield {
                    "rounds": store.rounds.all()[-1].id,
                    "rss_mib": process.memory_info().rss / 2**20,
                    "descriptors": process.num_fds(),
                    "log_mib": log.stat().st_size / 2**20 if log.exists() else 0,
                }
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def soak(url: str, minutes: float) -> dict[str, Any]:
    """Disturb, watch, inspect."""
    disturbed = disturb(url, minutes * 40, random.Random(20))
    looks = list(watch(url, minutes * 20))
    with Store.open(url) as store:
        found = [str(each) for each in store.inspection.findings()]
    grown = {name: looks[-1][name] - looks[0][name] for name in looks[0]}
    per_thousand = 1000 * grown["rss_mib"] / max(1, grown["rounds"] * life.PLAYS)
    return {
        **disturbed,
        "first": looks[0],
        "last": looks[-1],
        "rss_mib_per_1000_plays": per_thousand,
        "findings": found,
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--url")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result = soak(asked.url or f"sqlite:///{place}/loopd.db", asked.minutes)
    print(json.dumps(result, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(result))
    sys.exit(bool(result["findings"]))


if __name__ == "__main__":
    main()
