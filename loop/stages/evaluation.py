"""Measure a player on a suite: what is owed, under which conditions, and what it scored."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Final

import structlog
from pydantic import JsonValue

from loop import plugins
from loop.canonical import digest
from loop.config import Config, StudentSettings, Teaching
from loop.errors import ConfigError, NotFound, Sealed
from loop.parts import Loop, suite_called
from loop.stages import collecting
from loop.stages.checking import judge_missing
from loop.stages.collecting import referees
from loop.stages.soundness import known_flaws
from loop.types import (
    Part,
    Play,
    Policy,
    Purpose,
    Round,
    Score,
    Split,
    Suite,
    Task,
)

log = structlog.get_logger()

STATEMENT: Final = ("exact", "execution", "clean")
"""What `sql_match` finds out about a statement."""
Contestant = Policy | Teaching
"""Who plays a suite: a student at one policy, or a teacher."""


def fingerprint(loop: Loop, suite: Suite, player: Contestant | None = None) -> str:
    """Name the conditions of a measurement: scores are comparable only under the same ones.

    A policy's id says what it is, so that only how it is asked is left. A teacher's name does not tell its settings.
    """
    config = loop.config
    checkers: list[JsonValue] = [f"{name}@{version}" for name, version in required(loop, suite)]
    judges = suite.checkers or [part for part in config.checkers if part.settings]
    checkers += [{part.use: dict(part.settings)} for part in judges]
    apart: dict[str, JsonValue] = {"stopped": True} if referees(loop, suite) else {}
    apart |= {"occasion": suite.occasion} if suite.occasion else {}
    asked = _as_student(config) if player is None or isinstance(player, Policy) else _as_teacher(config, player)
    return digest({"suite": suite.id, "checkers": checkers, "rule": config.rule.steps_per_turn, **apart, **asked})


def _as_student(config: Config) -> dict[str, JsonValue]:
    student = config.student
    sampling: list[JsonValue] = [config.gating.temperature, student.temperature, student.top_p, student.max_tokens]
    sampling += ["held by llguidance"] if student.constrained else []
    sampling += [student.player] if student.player != StudentSettings.model_fields["player"].default else []
    return {"sampling": sampling}


def _as_teacher(config: Config, player: Teaching) -> dict[str, JsonValue]:
    teacher = plugins.load("teachers", player)
    settings = teacher.model_dump(mode="json", exclude=set(getattr(teacher, "aside", ())))
    return {"teacher": {player.use: settings}, "system": config.student.system}


def required(loop: Loop, suite: Suite) -> list[tuple[str, int]]:
    """Name the checkers that judge a suite's plays, with their versions."""
    return sorted((checker.name, checker.version) for checker in plugins.judges_of(suite, loop.checkers))


def run_suite(loop: Loop, suite: Suite, player: Contestant, limit: int | None = None) -> list[Score]:
    """Have any player play a suite outside of any round; what was measured before is not played again.

    Answers with the first play of each task: gates play the tasks that they are in doubt about more often.

    Raises:
        Sealed: only a promotion opens this suite.
    """
    if any(task.split is Split.SEALED for task in suite.tasks):
        raise Sealed(f"Suite '{suite.name}' is sealed: only a promotion opens it. Play its open twin instead.")
    outside = loop.store.rounds.get(0)
    kept(loop, suite)
    chosen = dict.fromkeys([task.id for task in suite.tasks][:limit], 1)
    owe(loop, outside, suite, chosen, [player])
    play_and_score(loop, outside, {suite.name: suite}, player)
    scores = loop.store.suites.scores(_subject(player), suite.id, fingerprint(loop, suite, player))
    return [score for score in scores if score.task in chosen and score.sample == 0]


def points_of_rules(loop: Loop, suite: Suite, player: Contestant, tasks: Container[str]) -> Counter[str]:
    """Count what each forgiving rule gave a player on these tasks of a suite, `official` being the points without any.

    A play that several rules would have made right counts for each; `together` are those that need more than one.
    """
    mark = fingerprint(loop, suite, player)
    counts = Counter[str]()
    for judge in plugins.judges_of(suite, loop.checkers):
        for task, passed, evidence in loop.store.suites.findings(
            _subject(player), suite.id, mark, (judge.name, judge.version)
        ):
            if passed and task in tasks and "official" in evidence:
                needs = evidence["needs"]
                given = ["official"] if evidence["official"] else needs if isinstance(needs, list) else []
                counts.update(str(rule) for rule in given)
    return counts


def answers(loop: Loop, suite: Suite, player: Contestant, tasks: Container[str]) -> tuple[int, int]:
    """Count the questions that a player answered right in these tasks of a suite, and all that were asked in them."""
    mark, right, asked = fingerprint(loop, suite, player), 0, 0
    for judge in plugins.judges_of(suite, loop.checkers):
        known = (judge.name, judge.version)
        for task, _, evidence in loop.store.suites.findings(_subject(player), suite.id, mark, known):
            if task in tasks and "asked" in evidence:
                right, asked = right + int(str(evidence["right"])), asked + int(str(evidence["asked"]))
    return right, asked


def statements(loop: Loop, suite: Suite, player: Contestant, tasks: Container[str]) -> Counter[str]:
    """Count what a player's SQL statements in these tasks were: exact, execution, clean; and `all` of them."""
    mark, counts = fingerprint(loop, suite, player), Counter[str]()
    for judge in plugins.judges_of(suite, loop.checkers):
        for task, _, evidence in loop.store.suites.findings(
            _subject(player), suite.id, mark, (judge.name, judge.version)
        ):
            if task in tasks and "execution" in evidence:
                counts.update(["all", *(name for name in STATEMENT if evidence[name])])
    return counts


def _subject(player: Contestant) -> str:
    return player.id if isinstance(player, Policy) else str(plugins.load("teachers", player).name)


def owe(loop: Loop, rnd: Round, suite: Suite, wanted: Mapping[str, int], players: Sequence[Contestant]) -> None:
    """Owe the plays of a suite that have not been measured under today's fingerprint."""
    for player in players:
        mark = fingerprint(loop, suite, player)
        measured = {(score.task, score.sample) for score in loop.store.suites.scores(_subject(player), suite.id, mark)}
        plays = [
            _play(loop, rnd, suite, player, (task, sample), mark)
            for task in suite.tasks
            for sample in range(wanted.get(task.id, 0))
            if (task.id, sample) not in measured
        ]
        loop.store.plays.owe(rnd, suite.tasks, plays)


def _play(  # noqa: PLR0913 - what a play is made of
    loop: Loop, rnd: Round, suite: Suite, player: Contestant, owed: tuple[Task, int], mark: str
) -> Play:
    task, sample = owed
    return Play(
        id=_play_id(rnd, suite, mark, _subject(player), task.id, sample),
        round=rnd.id,
        purpose=Purpose.GATE,
        task=task,
        player=_part(loop.config, player, sample),
        player_name="student" if isinstance(player, Policy) else _subject(player),
        policy=player.id if isinstance(player, Policy) else None,
        suite=suite.id,
        sample=sample,
        seed=int(digest([suite.id, task.id, sample])[:8], 16),
        rule=loop.config.rule,
        system=player.system if isinstance(player, Policy) else loop.config.student.system,
    )


def _play_id(rnd: Round, suite: Suite, mark: str, *who_and_what: str | int) -> str:
    """Name a play by its round, suite and fingerprint, and by subject, task and sample."""
    return digest([rnd.id, suite.id, *who_and_what, mark])


def _part(config: Config, player: Contestant, sample: int) -> Part:
    if not isinstance(player, Policy):
        return Part(use=player.use, settings=player.settings)
    return config.student.part(config.gating.temperature if sample == 0 else config.student.temperature)


def play_and_score(loop: Loop, rnd: Round, suites: dict[str, Suite], player: Contestant | None = None) -> None:
    """Play what a round owes on these suites, give every verdict, and store the scores."""
    for play, trajectory in collecting.owed(loop, rnd, Purpose.GATE, suites.values()):
        loop.store.plays.finish(play, trajectory)
    for suite in suites.values():
        judge_missing(loop, rnd, suite)
        mark = fingerprint(loop, suite, player)
        named = partial(_play_id, rnd, suite, mark)
        loop.store.suites.score(rnd, suite.id, mark, required(loop, suite), named, timed=bool(suite.occasion))


def kept(loop: Loop, suite: Suite) -> Suite:
    """Store a suite, and what is known against its tasks."""
    loop.store.suites.save(suite)
    loop.store.soundness.note_all(known_flaws(suite))
    return suite


def external(loop: Loop) -> list[Suite]:
    """Give the suites that are played at promotions alone; one whose data are not installed is left out, and told."""
    suites = []
    for name in loop.config.gating.external:
        try:
            suites.append(suite_called(loop.store, name))
        except (ConfigError, NotFound) as error:
            log.warning("external_suite_missing", suite=name, why=str(error))
    return suites


def counted(loop: Loop, suite: Suite) -> list[str]:
    """Ids of the tasks that count: those that nobody knows to be unsound."""
    unsound = loop.store.soundness.unsound(suite.id)
    return [task.id for task in suite.tasks if task.id not in unsound]
