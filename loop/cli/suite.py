"""`loopd suite`: the frozen suites, and any player on any of them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import stdev
from typing import Annotated, Final

import typer

from loop import parts, plugins
from loop.cli import live, teacher, terminal
from loop.cli.access import Csv, Json, settings, show, show_json
from loop.cli.records import change, made, store
from loop.cli.terminal import Terminal
from loop.config import Config, Teaching
from loop.control import lease, progress
from loop.errors import ConfigError, LoopdError, NotFound, nearest
from loop.runtime import lock, log, paths
from loop.runtime.signals import Stopped, StopRequest
from loop.stages import evaluation
from loop.stages.soundness import LedgerLine, SuiteLedger, assess
from loop.types import Novelty, Policy, Score, Suite
from task_generators import suites
from task_generators.suites import frames, leaks
from task_generators.suites.brought import BROUGHT, defog

app = typer.Typer(add_completion=False, help="Suites: list, show, add, run, audit, flaw.", no_args_is_help=True)
OUTSIDE: Final = "others' tasks"
PARTS: Final = (*Novelty, OUTSIDE)
"""Columns of the audit's second table: tasks in words that training has must say so."""

FORGIVING: Final = "ast_match"
"""The checker whose fields are forgiving rules."""
Data = Annotated[str, typer.Argument(help="defog: SQL-Eval's questions for SQLite and their databases.")]
Where = Annotated[Path, typer.Option("--path", help="The directory that holds the data.")]
Name = Annotated[str, typer.Argument(help="Suite name; see `loopd suite list`.")]
Player = Annotated[str, typer.Option(help="champion, stock, a policy's id, a teacher's name, or module:Class.")]
Tasks = Annotated[bool, typer.Option("--tasks", help="One row per task.")]
TaskId = Annotated[str, typer.Argument(help="A prefix of the task id, or its id in its data set.")]
Note = Annotated[str, typer.Option(help="What is wrong with it.")]
Source = Annotated[str, typer.Option(help="Who found it: a name or an issue.")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="Withdraw what this source reported.")]
Seeds = Annotated[int, typer.Option(min=1, help="Training tasks per arm to compare with.")]
Every = Annotated[bool, typer.Option("--all", help="Include every pair of suites and the known overlaps.")]
Constrained = Annotated[
    bool, typer.Option("--constrained", help="Constrain the student's calls to the tool schemas while decoding.")
]
Without = Annotated[
    list[str] | None, typer.Option(help="Turn off a lenient rule of the suite's checker. May be repeated.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Play only the first N tasks.")]


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List every suite with its size and digest."""
    listed = [suites.suite(name) for name in suites.names()] + _brought()
    rows = [{"suite": item.name, "tasks": len(item.tasks), "id": item.id[:16]} for item in listed]
    show(rows, as_json=as_json, as_csv=as_csv)


@app.command()
def add(data: Data, *, path: Where, as_json: Json = False) -> None:
    """Import suites from a local directory, and list the tasks that are left out. The daemon must not be running."""
    if data not in BROUGHT.values():
        raise ConfigError(
            f"'{data}' is not a known external data set. Known: {', '.join(sorted({*BROUGHT.values()}))}."
        )
    brought, home = defog.read(path), paths.find().create()
    with lock.hold(home.data), made() as opened, lease.hold(opened, home.data):
        for suite in brought.suites:
            opened.suites.save(suite)
        opened.events.record("suite.brought", data=data, suites=[suite.id for suite in brought.suites])
    rows = [{"suite": suite.name, "tasks": len(suite.tasks), "id": suite.id[:16]} for suite in brought.suites]
    left_out = [task._asdict() for task in brought.left_out]
    if as_json:
        show_json({"rows": rows, "left_out": left_out})
        return
    show(rows, as_json=False)
    for task in brought.left_out:
        terminal.say(f"left out: {task.suite}, line {task.line} ({task.database}): {task.why}")
    terminal.say(f"Play one: loopd suite run {brought.suites[0].name} --player champion")


@app.command("show")
def show_(name: Name, *, tasks: Tasks = False, as_json: Json = False) -> None:
    """Show a suite's ceiling: how much of it is sound and passable, by arm or by task."""
    ledger = _ledger(name)
    rows = [_line(entry) for entry in ledger.entries] if tasks else _arms(ledger)
    if as_json:
        flaws = [flaw.model_dump() for entry in ledger.entries for flaw in entry.flaws]
        show_json({"suite": name, **_counts(ledger.entries), "rows": rows, "flaws": flaws})
        return
    show(rows, as_json=False)
    for entry in ledger.entries:
        for flaw in entry.flaws:
            terminal.say(f"{flaw.kind}: {entry.source or entry.task[:12]}: {flaw.note} ({flaw.source})")
    counts = _counts(ledger.entries)
    terminal.say(
        f"{name}: {counts['tasks']} tasks, {counts['sound']} sound, ceiling {ledger.ceiling:.1%} of the sound ones."
    )


def _brought() -> list[Suite]:
    """Give the suites that were brought to this home."""
    try:
        with store() as opened:
            newest = [opened.suites.newest(name) for name in BROUGHT]
    except NotFound:
        return []
    return [score for score in newest if score is not None]


def _named(name: str) -> Suite:
    if name not in BROUGHT:
        return suites.suite(name)
    with store() as opened:
        return parts.suite_called(opened, name)


def _ledger(name: str) -> SuiteLedger:
    """Put a suite's ledger together: its plans are replayed now, the rest is from the store, where there is one."""
    suite, chosen = _named(name), settings()
    checkers = [plugins.load("checkers", part) for part in chosen.checkers]
    try:
        with store() as opened:
            noted, attempts = list(opened.soundness.flaws()), opened.soundness.attempts(suite.id)
    except NotFound:
        noted, attempts = [], {}
    return assess(suite, checkers, chosen.rule, noted, attempts)


def _arms(ledger: SuiteLedger) -> list[dict[str, object]]:
    arms: dict[str, list[LedgerLine]] = {}
    for entry in ledger.entries:
        arms.setdefault(entry.arm, []).append(entry)
    return [{"arm": arm, **_counts(entries)} for arm, entries in sorted(arms.items())]


def _counts(entries: Sequence[LedgerLine]) -> dict[str, object]:
    sound = [entry for entry in entries if entry.sound]
    return {
        "tasks": len(entries),
        "sound": len(sound),
        "replays": sum(entry.replay.passed for entry in sound),
        "teacher plays": sum(entry.attempts.plays for entry in sound),
        "teacher wins": sum(entry.attempts.wins for entry in sound),
        "ceiling": sum(entry.passable for entry in sound) / len(sound) if sound else 0.0,
    }


def _line(entry: LedgerLine) -> dict[str, object]:
    return {
        "task": entry.task[:12],
        "source": entry.source,
        "arm": entry.arm,
        "sound": entry.sound,
        "passable": entry.passable,
        "replay": "passes" if entry.replay.passed else "fails",
        "plays": entry.attempts.plays,
        "wins": entry.attempts.wins,
        "note": "; ".join([*(flaw.note for flaw in entry.flaws), entry.replay.reason]).strip("; "),
    }


@app.command()
def flaw(name: Name, task: TaskId, *, note: Note, source: Source = "operator", withdraw: Withdraw = False) -> None:
    """Mark a task as unsound, so that no score counts it, or withdraw the mark."""
    answer = change("suite.flaw", suite=name, task=task, note=note, source=source, withdraw=withdraw)
    terminal.say(f"{answer['task']}: {'withdrawn' if withdraw else 'unsound'}. The suite: loopd suite show {name}")


@app.command()
def audit(*, seeds: Seeds = leaks.SEEDS, every: Every = False, as_json: Json = False) -> None:
    """Report overlaps of suites with training tasks and each other, wording included. Exits 1 on an unlisted one."""
    held = [suites.suite(name) for name in suites.names()]
    overlaps, worded = leaks.shared(held, leaks.training_sample(seeds)), frames.shares(held)
    unknown = [row for row in overlaps if row.reason is None]
    rows = (
        [row.model_dump() for row in overlaps]
        if every
        else [*(row.model_dump() for row in unknown), *_by_reason(overlaps)]
    )
    if as_json:
        show_json({"shared": rows, "worded": [share.model_dump(mode="json") for share in worded]})
    else:
        show(rows, as_json=False)
        show(_worded(worded), as_json=False)
    if unknown:
        listing = f"A suite must change, or {leaks.FILE} must say why it is no leak"
        raise LoopdError(f"{len(unknown)} overlaps are not listed as known. {listing}.")
    if worst := next((share for share in worded if not share.allowed), None):
        turns = f"{worst.trained} of {worst.turns} turns of its part '{worst.part}'"
        raise LoopdError(f"Suite '{worst.suite}' uses training's wording in {turns}: \"{worst.example}\" Reword them.")


def _worded(shares: Sequence[frames.FrameShare]) -> list[dict[str, object]]:
    """Tell, suite by suite, the part of its users' turns that are worded like training, for every part of it."""
    rows: dict[str, dict[str, object]] = {}
    for share in shares:
        rows.setdefault(share.suite, {"worded like training": share.suite, **dict.fromkeys(PARTS)})
        rows[share.suite][share.part or OUTSIDE] = f"{share.trained} of {share.turns}"
    return list(rows.values())


def _by_reason(overlaps: Sequence[leaks.Shared]) -> list[dict[str, object]]:
    """Count the known likenesses by what explains them."""
    known: dict[str, list[leaks.Shared]] = {}
    for row in overlaps:
        if row.reason is not None:
            known.setdefault(row.reason, []).append(row)
    pairs = {why: len({(row.suite, row.other) for row in rows}) for why, rows in known.items()}
    return [_known(why, rows, pairs[why]) for why, rows in known.items()]


def _known(why: str, rows: Sequence[leaks.Shared], pairs: int) -> dict[str, object]:
    overlaps = ", ".join(sorted({row.overlap for row in rows}))
    return {
        "suite": rows[0].suite,
        "other": rows[0].other if pairs == 1 else f"and {pairs - 1} more pairs",
        "overlap": overlaps,
        "tasks": sum(row.tasks for row in rows),
        "example": rows[0].example,
        "like": rows[0].like,
        "reason": why,
    }


@app.command()
def run(  # noqa: PLR0913 - the options of a command
    name: Name,
    *,
    player: Player = "champion",
    limit: Limit = None,
    constrained: Constrained = False,
    without_rule: Without = None,
    as_json: Json = False,
) -> None:
    """Play a suite with one player and store the scores. The daemon must not be running."""
    suite, chosen = _without(_named(name), without_rule or []), _held(settings(), constrained=constrained)
    home = paths.find().create()
    stop = StopRequest()
    with lock.hold(home.data):
        log.set_up(home.logs)
        stop.listen()
        shown = progress.Board(home.run, chosen.profile)
        try:
            with (
                live.watching(shown, Terminal(stderr=True)),
                parts.build(chosen, home, shown, stop) as loop,
            ):
                contestant = _player(loop, player)
                if constrained and not isinstance(contestant, Policy):
                    raise LoopdError("--constrained is for the student: a teacher decodes elsewhere. Leave it out.")
                scores = evaluation.run_suite(loop, suite, contestant, limit)
                unsound = loop.store.soundness.unsound(suite.id)
                sound = {score.task for score in scores if score.task not in unsound}
                points = evaluation.points_of_rules(loop, suite, contestant, sound)
                right, asked = evaluation.answers(loop, suite, contestant, sound)
                said = evaluation.statements(loop, suite, contestant, sound)
        except Stopped as stopped:
            raise typer.Exit(stopped.exit_code) from stopped
        finally:
            shown.close()
    rows = [*_table(suite, scores, unsound), *_rules(points, len(sound)), *_renderings(suite, scores)]
    rows += [_of(f"statements: {name}", said[name], said["all"]) for name in evaluation.STATEMENT if said["all"]]
    show([*rows, *([_of("questions answered right", right, asked)] if asked else [])], as_json=as_json)


def _held(chosen: Config, *, constrained: bool) -> Config:
    held = constrained or chosen.student.constrained
    return chosen.model_copy(update={"student": chosen.student.model_copy(update={"constrained": held})})


def _without(suite: Suite, rules: Sequence[str]) -> Suite:
    """Switch forgiving rules off: the same tasks, measured under a fingerprint of their own.

    Raises:
        ConfigError: the suite's checkers have no such rule.
    """
    judged = any(part.use == FORGIVING for part in suite.checkers)
    known = list(plugins.find("checkers", FORGIVING).model_fields) if judged else []
    for rule in rules:
        if rule not in known:
            raise ConfigError(f"Suite '{suite.name}' has no forgiving rule '{rule}'.{nearest(rule, known)}")
    off = dict.fromkeys(rules, False)
    checkers = tuple(
        part.model_copy(update={"settings": {**part.settings, **off}}) if part.use == FORGIVING else part
        for part in suite.checkers
    )
    return suite.model_copy(update={"checkers": checkers})


def _rules(points: Mapping[str, int], total: int) -> list[dict[str, object]]:
    """Say what would have passed without the forgiving rules, and what each of them gave."""
    names = ["official", *sorted(points.keys() - {"official"})] if points else []
    labels = {"official": "without forgiving rules"}
    return [_of(labels.get(name, f"by rule {name} alone"), points[name], total) for name in names]


def _player(loop: parts.Loop, name: str) -> evaluation.Contestant:
    if name == "stock":
        return loop.stock
    if name in teacher.known() or ":" in name:
        return next((teacher for teacher in loop.config.teachers if teacher.use == name), Teaching(use=name))
    try:
        return loop.store.policies.find(name)
    except NotFound as error:
        known = ["champion", "stock", *teacher.known()]
        raise NotFound(f"There is no player '{name}'.{nearest(name, known)}") from error


def _table(suite: Suite, scores: Sequence[Score], unsound: Collection[str]) -> list[dict[str, object]]:
    """Count passes by backend and tier, and in all; unsound tasks are counted in a line of their own only."""
    left = [score for score in scores if score.task in unsound]
    scores = [score for score in scores if score.task not in unsound]
    rows = {(backend, score.tier): Counter[bool]() for score in scores for backend in score.backends}
    for score in scores:
        for backend in score.backends:
            rows[backend, score.tier][score.passed] += 1
    table = [_row(f"{backend} {tier}", counts) for (backend, tier), counts in sorted(rows.items())]
    aside = [_row("left out: unsound", Counter(score.passed for score in left))] if left else []
    return [*table, *aside, _row(suite.name, Counter(score.passed for score in scores))]


def _renderings(suite: Suite, scores: Sequence[Score]) -> list[dict[str, object]]:
    """Say how much a suite of one set of questions under many renderings depends on the rendering."""
    if suite.name != suites.RENDERED or not scores:
        return []
    counts: dict[str, Counter[bool]] = {}
    for score in scores:
        counts.setdefault(score.family, Counter())[score.passed] += 1
    rates = [count[True] / count.total() for count in counts.values()]
    row = {"largest difference": max(rates) - min(rates)}
    row |= {"standard deviation": stdev(rates)} if len(rates) > 1 else {}
    aside: dict[str, object] = {"passed": None, "of": len(rates)}
    return [
        *(_row(family, count) for family, count in sorted(counts.items())),
        *({"what": f"{what} of renderings", **aside, "rate": rate} for what, rate in row.items()),
    ]


def _row(what: str, counts: Counter[bool]) -> dict[str, object]:
    return _of(what, counts[True], counts.total())


def _of(what: str, passed: int, total: int) -> dict[str, object]:
    return {"what": what, "passed": passed, "of": total, "rate": passed / total if total else None}
