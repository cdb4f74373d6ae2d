"""The pages in a browser: first paint, and how long a filter takes, with many plays in the store.

    python benchmarks/pages.py [--plays 100000] [--home DIRECTORY] [--shots DIRECTORY] [--chromium PATH]

A home is filled (or, with --home, one that is there is shown as it is), `loopd ui` serves it, and a headless Chromium
loads each page and turns the filter. It prints medians of seven, and how busy the machine was. With --shots every page
is kept as a picture: light, dark, on a phone.
"""

import argparse
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import store as filling
from playwright.sync_api import Browser, Page, sync_playwright

from loop.store import Store
from loop.types import Arm, Standing

ROUNDS = 4
"""Rounds that are lived; the others are copies of them."""
REPEATS = 7
PAGES = {"overview": "/", "plays": "/plays", "curriculum": "/curriculum", "policies": "/policies"}
FILTERS = (
    ("verdict", "refused"),
    ("backend", "Trade"),
    ("tier", "easy"),
    ("verdict", ""),
    ("backend", ""),
    ("tier", ""),
    ("words", "look at the files"),
    ("words", "nobody said this"),
    ("words", ""),
)
INDEXED = """insert into trajectory_words_index (rowid, words) select number, words from trajectory_words
 where trajectory >= ? and trajectory < ?"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
TURN = """async ([name, value]) => {
  const began = performance.now();
  const rows = document.querySelector('#rows');
  const changed = new Promise((done) => new MutationObserver(done).observe(rows, {childList: true}));
  const choice = document.querySelector(`#filter [name=${name}]`);
  choice.value = value;
  choice.dispatchEvent(new Event('input', {bubbles: true}));
  await changed;
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def fill(home: Path, count: int) -> None:
    """Live some rounds, and copy them until there are so many plays."""
    (home / "data").mkdir(parents=True)
    file = home / "data" / "loopd.db"
    with Store.open(f"sqlite:///{file}") as opened:
        opened.policies.add(filling.STOCK, Standing.CHAMPION)
        filling.measure_something(opened)
        for _ in range(ROUNDS):
            filling.fill(opened)
        opened.arms.save(Arm(key=filling.task(n).arm, alpha=3, plays=4, wins=3) for n in range(6))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma foreign_keys = off")
        connection.execute("pragma synchronous = off")
        for number in range(ROUNDS + 1, count // filling.PER_ROUND + 1):
            copy(connection, (number - 1) % ROUNDS + 1, number)
        connection.execute("update trajectory set passed = abs(random()) % 3 > 0")
        connection.execute("pragma optimize")
        connection.commit()


def copy(connection: sqlite3.Connection, source: int, number: int) -> None:
    """Copy a round with all that belongs to it, an hour later."""
    later = f"{3_600_000_000 * (number - source)}"
    rows("round", connection, f"id = {source}", id=str(number), candidate="null", dataset="null")
    new = {"id": f"'{number:06}' || substr(id, 7)", "round": str(number)}
    rows("play", connection, f"round = {source}", **new, key=f"'{number}' || key")
    rows("trajectory", connection, f"round = {source}", **new, stored=f"stored + {later}", started=f"started + {later}")
    inside = f"trajectory >= '{source:06}-' and trajectory < '{source:06}.'"
    for table in ("message", "tool_call", "verdict"):
        rows(table, connection, inside, trajectory=f"'{number:06}' || substr(trajectory, 7)")
    rows("trajectory_words", connection, inside, trajectory=f"'{number:06}' || substr(trajectory, 7)", number="null")
    connection.execute(INDEXED, [f"{number:06}-", f"{number:06}."])
    connection.commit()


def rows(table: str, connection: sqlite3.Connection, where: str, **changes: str) -> None:
    """Copy rows of a table, some columns changed."""
    columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
    told = ", ".join(changes.get(column, column) for column in columns)
    connection.execute(f"insert into {table} ({', '.join(columns)}) select {told} from {table} where {where}")  # noqa: S608 - our own words


@contextmanager
def served(home: Path) -> Iterator[str]:
    """Run `loopd ui` on a home; its link."""
    loopd = [sys.executable, "-m", "loop.cli", "ui", "--no-open", "--port", "0"]
    environment = {**os.environ, "LOOPD_HOME": str(home)}
    with subprocess.Popen(loopd, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        yield next(line.strip() for line in server.stdout if line.startswith("http"))
        server.send_signal(signal.SIGINT)


def measure(page: Page, base: str) -> None:
    """Print what each page and each turn of the filter takes."""
    for name, path in PAGES.items():
        paints = []
        for _ in range(REPEATS):
            page.goto(base + path)
            page.wait_for_load_state("networkidle")
            paints.append(page.evaluate(PAINT))
        print(f"first paint of {name:12} {statistics.median(paints):7.0f} ms")
    page.goto(f"{base}/plays")
    for name, value in FILTERS:
        turns = [page.evaluate(TURN, [name, each]) for _ in range(REPEATS) for each in (value, "")][::2]
        print(f"filter {name}={value or 'any':16} {statistics.median(turns):7.0f} ms")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def picture(browser: Browser, link: str, shots: Path) -> None:
    """Keep every page as a picture."""
    shots.mkdir(parents=True, exist_ok=True)
    base = link.partition("/open")[0]
    entered = browser.new_context()
    entered.new_page().goto(link)
    state = entered.storage_state()
    for scheme in ("light", "dark"):
        for width, height in ((1280, 900), (390, 844)):
            size = {"width": width, "height": height}
            page = browser.new_context(viewport=size, color_scheme=scheme, storage_state=state).new_page()
            page.goto(f"{base}/plays?verdict=refused")
            play = page.get_attribute("#rows a", "href") or "/plays"
            for name, path in {**PAGES, "play": play}.items():
                page.goto(base + path)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=str(shots / f"{name}-{scheme}-{width}.png"))


def main() -> None:
    """Fill, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plays", type=int, default=100_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = options.home or Path(folder) / "home"
        if not options.home:
            began = time.perf_counter()
            fill(home, options.plays)
            print(f"{options.plays:,} plays, filled in {time.perf_counter() - began:.0f} s")
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=options.chromium, args=arguments)
        with served(home) as link:
            page = browser.new_page()
            page.goto(link)
            measure(page, link.partition("/open")[0])
        if options.shots:
            with served(home) as link:
                picture(browser, link, options.shots)
        browser.close()


if __name__ == "__main__":
    main()
