"""Does the whole loop improve a model, and which of its parts does it owe that to? Rounds from the stock model.

Five arms on equal budgets of tasks, plays, lessons and gate samples, each in a home of its own:
the loop as it is; files only; gold calls cloned without interleaving; arms drawn alike instead of by the curriculum;
and, from the loop's first champion on, two rounds with every teacher off. Resumable: the same command goes on where
it stopped, and one that has finished only reports.

    python benchmarks/rest.py --out DIR [--rounds N] [--arms loop files ...] [--quick]

Prints a table, and writes rest.json and rest.svg into DIR. Four rounds of the loop and two of each other arm take about
two hours and twenty minutes on two cores. `--rounds` gives every arm but `alone` so many. `--quick` is a rehearsal on
shipped fakes.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from checkers.dataflow import Dataflow
from loop.store import Store

FEW: Final[Mapping[str, tuple[str, ...]]] = {
    "files": ("tidy", "notes"),
    "maths": ("chain",),
    "messages": ("contact",),
    "sql": ("same",),
    "tickets": ("open",),
    "trading": ("buy",),
    "travel": ("airport",),
    "twitter": ("mention",),
    "vehicle": ("fuel",),
}
"""A family of every backend whose arguments only an earlier result supplies, and one of files without: what two cores
have time to teach."""
GATES: Final = {"depth": "quick-depth", "breadth": "quick-breadth"}
COMMON: Final[Mapping[str, str]] = {
    "LOOPD_SAMPLING__GENERATORS": "[" + ", ".join(f'{{use = "{name}"}}' for name in FEW) + "]",
    "LOOPD_SAMPLING__FAMILIES": json.dumps([family for families in FEW.values() for family in families]),
    "LOOPD_SAMPLING__BACKENDS": "[]",
    "LOOPD_GATING__GATES": f'[{{use = "depth", settings = {{suite = "{GATES["depth"]}", margin = 0.2}}}}, '
    f'{{use = "breadth", settings = {{suite = "{GATES["breadth"]}", margin = 0.2, backend_margin = 0.9}}}}]',
    "LOOPD_GATING__MAX_SAMPLES": "1",
    "LOOPD_SAMPLING__TIERS": '["easy", "moderate"]',
    "LOOPD_SAMPLING__TEACHER_TASKS": "90",
    "LOOPD_TRAINING__TAKE": "480",
    "LOOPD_TRAINING__MIX": "{max_rows = 480}",
}
"""The quickstart's model and settings, but a family or two of every backend, two tiers, few lessons a round, and one
play a gate's task. Each round trains on all that was ever accepted, up to 480 rows. 32 and 48 plays can only exclude a
loss of some 20 points, so that is the margin. Of a backend's six they exclude nothing once one was lost: such a
candidate is refused, whatever it gains elsewhere.
"""
ARMS: Final[Mapping[str, Mapping[str, str]]] = {
    "loop": {},
    "files": {"LOOPD_SAMPLING__BACKENDS": '["GorillaFileSystem"]'},
    "cloned": {
        "LOOPD_TEACHERS": '[{use = "cloned"}]',
        "LOOPD_CHECKERS": '[{use = "outcome"}, {use = "stop"}, {use = "format"}]',
    },
    "uniform": {"LOOPD_SAMPLING__CURRICULUM": '{use = "uniform", settings = {samples = 4}}'},
    "alone": {"LOOPD_TEACHERS": "[]", "LOOPD_SAMPLING__TEACHER_TASKS": "0"},
}
"""What sets an arm apart. `cloned` goes without the data-flow checker, which would refuse every such row."""
QUICK: Final[Mapping[str, str]] = {
    "LOOPD_STUDENT__SOURCE": '"tiny"',
    "LOOPD_STUDENT__PLAYER": '"loop.testing:Apprentice"',
    "LOOPD_SAMPLING__TASKS": "9",
    "LOOPD_SAMPLING__TEACHER_TASKS": "18",
    "LOOPD_TRAINING__MIN_ROWS": "8",
    "LOOPD_TRAINING__MIX": "{max_rows = 32}",
    "LOOPD_PLAYS__POOL": '"local"',
}
ROUNDS: Final[Mapping[str, int]] = {"loop": 4, "files": 2, "cloned": 2, "uniform": 2, "alone": 2}
"""Rounds of each arm; of `alone`, those with every teacher off."""
BOOTSTRAP: Final = 2000
COLOURS: Final = ("#1f6feb", "#d1242f", "#9a6700", "#1a7f37", "#8250df")


def main() -> int:
    """Run what is missing, then report."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    for arm in options.arms:
        run_arm(arm, options)
    report = {arm: history(options.out / arm) for arm in options.arms if (options.out / arm).exists()}
    (options.out / "rest.json").write_text(json.dumps(report, indent=1))
    (options.out / "rest.svg").write_text(plot(report))
    print(table(report))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where homes and results go, and are found again")
    parser.add_argument("--rounds", type=int, help="of every arm but `alone`; by itself four of loop, two of others")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--quick", action="store_true", help="a rehearsal on shipped fakes")
    return parser.parse_args()


def run_arm(arm: str, options: argparse.Namespace) -> None:
    """Bring an arm to its number of rounds, one at a time, so that the first champion can be branched off."""
    home = options.out / arm
    rounds = ROUNDS[arm] if options.rounds is None else options.rounds  # 0: only report
    if arm == "alone":
        branch = options.out / "first-champion"
        if not branch.exists():
            print("alone: the loop has no champion of its own yet; left out", flush=True)
            return
        if not home.exists():
            branch_off(branch, home)
        rounds = ended(branch) + ROUNDS[arm]
    while ended(home) < rounds:
        one_round(arm, home, options)
        if arm == "loop" and promoted(home) and not (options.out / "first-champion").exists():
            branch_off(home, options.out / "first-champion")


def branch_off(home: Path, target: Path) -> None:
    """Copy a home, whole or not at all: what was killed half-way is begun anew."""
    building = target.with_name(f".{target.name}")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(home, building)
    building.rename(target)


def one_round(arm: str, home: Path, options: argparse.Namespace) -> None:
    """Run the daemon for one round.

    Raises:
        SystemExit: it failed; what it said stands above.
    """
    words = {**COMMON, **ARMS[arm], **(QUICK if options.quick else {}), "LOOPD_HOME": str(home)}
    command = [sys.executable, "-m", "loop.cli", "start", "--foreground", "--profile", "quickstart", "--rounds", "1"]
    began = time.monotonic()
    done = subprocess.run(command, env={**os.environ, **words}, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(done.returncode)
    print(f"{arm}: round {ended(home)} took {(time.monotonic() - began) / 60:.1f} minutes", flush=True)


def asked(home: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask an arm's store."""
    path = home / "data" / "loopd.db"
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def ended(home: Path) -> int:
    """Count the rounds that have ended."""
    return sum(state in {"done", "failed"} for (state,) in asked(home, "select state from v_rounds"))


def promoted(home: Path) -> bool:
    """Whether a candidate was ever promoted."""
    return bool(asked(home, "select 1 from v_rounds where decision = 'promoted'"))


ENDED: Final = """
    select round, decision, dataset_rows, student_plays, student_accepted, teacher_accepted, candidate
    from v_rounds where state in ('done', 'failed') order by round
"""
PLAYS: Final = """
    select policy, suite, tier, task, avg(accepted) from v_trajectories
    where purpose = 'gate' and accepted is not null group by policy, suite, tier, task
"""


def history(home: Path) -> list[dict[str, Any]]:
    """Read an arm's rounds: what was accepted, what was decided, and how the candidate did on each suite."""
    scores = asked(home, PLAYS)
    return [
        {
            "round": number, "decision": decision, "rows": rows, "own_plays": plays, "own_accepted": own,
            "taught": taught, "suites": {gate: _scored(scores, policy, suite) for gate, suite in GATES.items()},
            "invented": invented(home, policy),
        }
        for number, decision, rows, plays, own, taught, policy in asked(home, ENDED)
    ]  # fmt: skip


def _scored(scores: Sequence[tuple[Any, ...]], policy: str, suite: str) -> dict[str, Any]:
    """Pass rate with its 95 % interval over tasks (bootstrap, fixed seed), and by tier."""
    mine = [(tier, rate) for who, where, tier, _, rate in scores if (who, where) == (policy, suite)]
    if not mine:
        return {}
    rates = np.array([rate for _, rate in mine])
    drawn = np.random.default_rng(0).choice(rates, (BOOTSTRAP, rates.size)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    tiers = {tier: float(np.mean([r for t, r in mine if t == tier])) for tier in dict.fromkeys(t for t, _ in mine)}
    return {"tasks": len(mine), "rate": float(rates.mean()), "low": float(low), "high": float(high), "tiers": tiers}


def invented(home: Path, policy: str | None) -> int:
    """Count a candidate's plays outside files that use a value from nowhere, or before a result supplied it."""
    mine = f"purpose = 'gate' and sample = 0 and suite = '{GATES['breadth']}' and policy = '{policy}'"
    ids = [found for (found,) in asked(home, f"select trajectory from v_trajectories where {mine}")]  # noqa: S608 - our own words
    store = Store.open(f"sqlite:///{home / 'data' / 'loopd.db'}")
    plays = (store.trajectories.get(each) for each in ids)
    return sum(not Dataflow().check(play.task, play.trajectory).passed for play in plays)


def table(report: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Tabulate, in Markdown."""
    lines = [
        "| arm | round | rows | own wins / plays | taught | depth | breadth | values made up | decision |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, rounds in report.items():
        for each in rounds:
            depth, breadth = (_cell(each["suites"][gate]) for gate in GATES)
            own = f"{each['own_accepted']} / {each['own_plays']}"
            lines.append(
                f"| {arm} | {each['round']} | {each['rows'] or 0} | {own} | {each['taught']} | {depth} | {breadth} "
                f"| {each['invented']} | {each['decision'] or 'no candidate'} |"
            )
    return "\n".join(lines)


def _cell(score: Mapping[str, Any]) -> str:
    if not score:
        return "-"
    return f"{100 * score['rate']:.0f} % [{100 * score['low']:.0f}, {100 * score['high']:.0f}] n={score['tasks']}"


def plot(report: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw pass rates over rounds with intervals, one panel a suite, as SVG."""
    panels = [_panel(report, gate, 60 + 380 * place) for place, gate in enumerate(GATES)]
    keys = [
        f'<text x="{60 + 140 * place}" y="330" style="fill:{COLOURS[place % len(COLOURS)]}">{arm}</text>'
        for place, arm in enumerate(report)
    ]
    style = "<style>text{font:13px sans-serif;fill:#57606a}line,polyline{fill:none}</style>"
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 345"><rect width="800" height="345" fill="#fff"/>'
    return "\n".join([head, style, *panels, *keys, "</svg>"])


def _panel(report: Mapping[str, Sequence[Mapping[str, Any]]], gate: str, left: float) -> str:
    most = max([each["round"] for rounds in report.values() for each in rounds], default=1)
    parts = [f'<text x="{left}" y="20">{gate}: pass rate by round</text>']
    for share in (0.0, 0.5, 1.0):
        y = _height(share)
        parts.append(f'<line x1="{left}" x2="{left + 320}" y1="{y}" y2="{y}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{left - 40}" y="{y + 4}">{share:.0%}</text>')
    ticks = {number: left + 300 * number / most - 4 for number in range(1, most + 1)}
    parts += [f'<text x="{x:.0f}" y="307">{number}</text>' for number, x in ticks.items()]
    for place, rounds in enumerate(report.values()):
        colour, found = COLOURS[place % len(COLOURS)], [each for each in rounds if each["suites"][gate]]
        across = [left + 300 * each["round"] / most + 4 * place for each in found]
        scores = [each["suites"][gate] for each in found]
        points = " ".join(f"{x:.0f},{_height(s['rate']):.0f}" for x, s in zip(across, scores, strict=True))
        parts.append(f'<polyline points="{points}" stroke="{colour}" stroke-width="2"/>')
        for x, score in zip(across, scores, strict=True):
            ends = f'y1="{_height(score["low"]):.0f}" y2="{_height(score["high"]):.0f}"'
            parts.append(f'<line x1="{x:.0f}" x2="{x:.0f}" {ends} stroke="{colour}"/>')
            parts.append(f'<circle cx="{x:.0f}" cy="{_height(score["rate"]):.0f}" r="4" fill="{colour}"/>')
    return "\n".join(parts)


def _height(share: float) -> float:
    return 290 - 250 * share


if __name__ == "__main__":
    raise SystemExit(main())
