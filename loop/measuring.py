"""Verdicts on trajectories, scores on suites, and the gates' judgement of a candidate."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import partial

import structlog
from pydantic import JsonValue

from loop import distance, playing, plugins, reporting
from loop.canonical import digest
from loop.config import Config, Student, Teaching
from loop.errors import Sealed
from loop.gates.decision import decide, owed, standing
from loop.gates.rules import under_rules
from loop.parts import Loop, student_part
from loop.refereeing import referees
from loop.soundness import known_flaws
from loop.types import (
    TWIN,
    Checker,
    Gate,
    GateResult,
    Part,
    Play,
    Policy,
    Promotion,
    Purpose,
    Round,
    Score,
    Split,
    Suite,
    Task,
    Trajectory,
    Verdict,
)
from task_generators.suites import suite as suite_named
from task_generators.suites import twin

log = structlog.get_logger()

Contestant = Policy | Teaching
"""Who plays a suite: a student at one policy, or a teacher."""

MAX_REASON = 500
"""Characters of an error in a verdict's reason."""


def judge_missing(loop: Loop, rnd: Round, suite: Suite | None = None) -> None:
    """Give every trajectory of a round, or of its plays on one suite, every verdict that it lacks."""
    checkers = plugins.judges_of(suite, loop.checkers) if suite else loop.checkers
    judges = {checker.name: checker for checker in checkers}
    required = [(name, checker.version) for name, checker in judges.items()]
    loop.board.step("checking", total=0)
    raised: set[str] = set()
    for trajectory_id, task, trajectory, missing in loop.store.unchecked(rnd, required, suite.id if suite else None):
        verdicts = [judged(judges[name], task, trajectory, raised) for name in missing]
        loop.store.record(trajectory_id, verdicts, required)
        _tell(loop, task, trajectory, verdicts)
        loop.stop.check()


def judged(checker: Checker, task: Task, trajectory: Trajectory, raised: set[str]) -> Verdict:
    """Ask a checker for its verdict. One that raises fails the play: a play that nobody can judge is no lesson.

    Args:
        checker: who is asked.
        task: what was played.
        trajectory: how.
        raised: names of the checkers whose errors are in the log already; grows by this one's.
    """
    try:
        return checker.check(task, trajectory)
    except Exception as error:  # one play that a plug-in cannot read must not end the daemon
        if checker.name not in raised:
            log.exception("checker_raised", checker=checker.name, task=task.id)
            raised.add(checker.name)
        reason = f"the checker raised {type(error).__name__}: {error}"[:MAX_REASON]
        evidence = {"kind": "raised", "error": type(error).__name__}
        return Verdict(
            checker=checker.name, version=checker.version, passed=False, score=0, reason=reason, evidence=evidence
        )


def _tell(loop: Loop, task: Task, trajectory: Trajectory, verdicts: Sequence[Verdict]) -> None:
    who = trajectory.player
    if trajectory.policy:
        who = "champion" if trajectory.policy == loop.champion.id else "candidate"
    loop.board.won(f"{who} {'+'.join(task.backends)}", won=all(verdict.passed for verdict in verdicts))


def judge_candidate(loop: Loop, rnd: Round) -> Iterator[GateResult]:
    """Measure candidate and champion on every gate's suite, on more samples while a gate is undecided, and judge.

    Asks the store what has been measured under the same fingerprint, so that a champion's scores serve many rounds.
    """
    candidate, champion = _contestants(loop, rnd)
    suites = {gate.name: _frozen(loop, gate) for gate in loop.gates}
    wanted = {name: dict.fromkeys(_counted(loop, suite), 1) for name, suite in suites.items()}
    results: list[GateResult] = []
    while not results or _grown(wanted, results, loop.config.gating.max_samples):
        for name, suite in suites.items():
            _owe(loop, rnd, suite, wanted[name], (champion, candidate))
        _play_and_score(loop, rnd, suites)
        _measure_distances(loop, suites, (champion, candidate))
        results = [_judge(loop, gate, suites[gate.name], (champion, candidate)) for gate in loop.gates]
    yield from results


def _measure_distances(loop: Loop, suites: Mapping[str, Suite], policies: Sequence[Policy]) -> None:
    """Measure both policies' distance to the base on the suites of the gates that ask for it."""
    for gate in loop.gates:
        if distance.KL in getattr(gate, "measures", ()):
            for policy in policies:
                suite = suites[gate.name]
                distance.measure_missing(loop, policy, suite.id, fingerprint(loop, suite))


def outdated(loop: Loop, rnd: Round) -> bool:
    """Whether the round's candidate must be judged anew: champion, gates, suites or conditions changed since it was."""
    if loop.store.decided(rnd) is not None:
        return False
    met = {(result.gate, result.champion, result.fingerprint) for result in loop.store.gate_results(rnd)}
    marks = {gate.name: fingerprint(loop, suite_named(gate.suite)) for gate in loop.gates}
    return not {(name, loop.champion.id, mark) for name, mark in marks.items()} <= met


def settle(loop: Loop, rnd: Round) -> Promotion:
    """Decide on the round's candidate from the gates' results in the store, in one transaction."""
    candidate, _ = _contestants(loop, rnd)
    results = loop.store.gate_results(rnd)
    found = decide(candidate.id, results, paused=loop.store.paused_gates())
    gates = [gate.name for gate in loop.gates]
    return loop.store.decide(rnd, found, gates, otherwise=standing(results, promoted=False))


def report(loop: Loop, rnd: Round) -> None:
    """Write the candidate's directory: cards, gate report, training configuration."""
    candidate, _ = _contestants(loop, rnd)
    adapter = loop.paths.adapter(candidate)
    told = reporting.report(loop.store, candidate, loop.config.student.source, adapter)
    reporting.write(told, loop.paths.policies)


def _contestants(loop: Loop, rnd: Round) -> tuple[Policy, Policy]:
    candidate = loop.store.candidate(rnd)
    assert candidate is not None, "the train stage proposed one"
    return candidate, loop.champion


def _frozen(loop: Loop, gate: Gate) -> Suite:
    return _kept(loop, suite_named(gate.suite))


def _kept(loop: Loop, suite: Suite) -> Suite:
    """Store a suite, and what is known against its tasks."""
    loop.store.save_suite(suite)
    loop.store.note_flaws(known_flaws(suite))
    return suite


def _counted(loop: Loop, suite: Suite) -> list[str]:
    """Ids of the tasks that count: those that nobody knows to be unsound."""
    unsound = loop.store.unsound(suite.id)
    return [task.id for task in suite.tasks if task.id not in unsound]


def open_twins(loop: Loop) -> None:
    """Play the gates' sealed twins for the latest promotion: the new champion and the one before. Once, and only here.

    They decide nothing: they tell whether what the gates saw is there on tasks that no gate has ever measured. Every
    play is owed like any other, so that a kill leaves the rest to be played.
    """
    twins = {gate.name + TWIN: (gate, suite_named(name)) for gate in loop.gates if (name := twin(gate.suite))}
    found = loop.store.unopened(list(twins))
    if not loop.config.gating.sealed or found is None:
        return
    rnd, policies = loop.store.round(found.round), [loop.store.policy(each) for each in (found.before, found.champion)]
    for _, suite in twins.values():
        wanted = dict.fromkeys(_counted(loop, _kept(loop, suite)), loop.config.gating.sealed)
        loop.store.note_opening(rnd, suite.id, found.champion)
        _owe(loop, rnd, suite, wanted, policies)
    _play_and_score(loop, rnd, {suite.name: suite for _, suite in twins.values()})
    judged = [(name, _judge(loop, gate, suite, policies)) for name, (gate, suite) in twins.items()]
    told = [each.model_copy(update={"gate": name, "reason": f"sealed twin: {each.reason}"}) for name, each in judged]
    loop.store.save_opened(rnd, told)


def fingerprint(loop: Loop, suite: Suite, player: Contestant | None = None) -> str:
    """Name the conditions of a measurement: scores are comparable only under the same ones.

    A policy's id says what it is, so that only how it is asked is left. A teacher's name does not tell its settings.
    """
    config = loop.config
    checkers: list[JsonValue] = [f"{name}@{version}" for name, version in _required(loop, suite)]
    judges = suite.checkers or [part for part in config.checkers if part.settings]
    checkers += [{part.use: dict(part.settings)} for part in judges]
    stopped = {"stopped": True} if referees(loop, suite) else {}
    asked = _as_student(config) if player is None or isinstance(player, Policy) else _as_teacher(config, player)
    return digest({"suite": suite.id, "checkers": checkers, "rule": config.rule.steps_per_turn, **stopped, **asked})


def _as_student(config: Config) -> dict[str, JsonValue]:
    student = config.student
    sampling: list[JsonValue] = [config.gating.temperature, student.temperature, student.top_p, student.max_tokens]
    sampling += ["constrained"] if student.constrained else []
    sampling += [student.player] if student.player != Student.model_fields["player"].default else []
    return {"sampling": sampling}


def _as_teacher(config: Config, player: Teaching) -> dict[str, JsonValue]:
    teacher = plugins.load("teachers", player)
    settings = teacher.model_dump(mode="json", exclude=set(getattr(teacher, "aside", ())))
    return {"teacher": {player.use: settings}, "system": config.student.system}


def _required(loop: Loop, suite: Suite) -> list[tuple[str, int]]:
    return sorted((checker.name, checker.version) for checker in plugins.judges_of(suite, loop.checkers))


def run_suite(loop: Loop, suite: Suite, player: Contestant, limit: int | None = None) -> list[Score]:
    """Have any player play a suite outside of any round; what was measured before is not played again.

    Answers with the first play of each task: gates play the tasks that they are in doubt about more often.

    Raises:
        Sealed: only a promotion opens this suite.
    """
    if any(task.split is Split.SEALED for task in suite.tasks):
        raise Sealed(f"Suite '{suite.name}' is sealed: only a promotion opens it. Play its open twin instead.")
    outside = loop.store.round(0)
    _kept(loop, suite)
    chosen = dict.fromkeys([task.id for task in suite.tasks][:limit], 1)
    _owe(loop, outside, suite, chosen, [player])
    _play_and_score(loop, outside, {suite.name: suite}, player)
    scores = loop.store.scores(_subject(player), suite.id, fingerprint(loop, suite, player))
    return [score for score in scores if score.task in chosen and score.sample == 0]


def points_of_rules(loop: Loop, suite: Suite, player: Contestant, tasks: Container[str]) -> Counter[str]:
    """Count what each forgiving rule gave a player on these tasks of a suite, `official` being the points without any.

    A play that several rules would have made right counts for each; `together` are those that need more than one.
    """
    mark = fingerprint(loop, suite, player)
    counts = Counter[str]()
    for judge in plugins.judges_of(suite, loop.checkers):
        for task, passed, evidence in loop.store.findings(
            _subject(player), suite.id, mark, (judge.name, judge.version)
        ):
            if passed and task in tasks and "official" in evidence:
                needs = evidence["needs"]
                given = ["official"] if evidence["official"] else needs if isinstance(needs, list) else []
                counts.update(str(rule) for rule in given)
    return counts


def _subject(player: Contestant) -> str:
    return player.id if isinstance(player, Policy) else str(plugins.load("teachers", player).name)


def _owe(loop: Loop, rnd: Round, suite: Suite, wanted: Mapping[str, int], players: Sequence[Contestant]) -> None:
    for player in players:
        mark = fingerprint(loop, suite, player)
        measured = {(score.task, score.sample) for score in loop.store.scores(_subject(player), suite.id, mark)}
        plays = [
            _play(loop, rnd, suite, player, (task, sample), mark)
            for task in suite.tasks
            for sample in range(wanted.get(task.id, 0))
            if (task.id, sample) not in measured
        ]
        loop.store.owe(rnd, suite.tasks, plays)


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
    return student_part(config, config.gating.temperature if sample == 0 else config.student.temperature)


def _play_and_score(loop: Loop, rnd: Round, suites: dict[str, Suite], player: Contestant | None = None) -> None:
    for play, trajectory in playing.owed(loop, rnd, Purpose.GATE, suites.values()):
        loop.store.finish(play, trajectory)
    for suite in suites.values():
        judge_missing(loop, rnd, suite)
        mark = fingerprint(loop, suite, player)
        loop.store.score(rnd, suite.id, mark, _required(loop, suite), partial(_play_id, rnd, suite, mark))


def _judge(loop: Loop, gate: Gate, suite: Suite, policies: Sequence[Policy]) -> GateResult:
    mark = fingerprint(loop, suite)
    old, new = ({(s.task, s.sample): s for s in loop.store.scores(each.id, suite.id, mark)} for each in policies)
    counted = set(_counted(loop, suite))
    both = sorted(key for key in old.keys() & new.keys() if key[0] in counted)
    judging = gate.attempted(loop.store.attempts()).within(loop.config.gating.max_samples)
    scores = [old[key] for key in both], [new[key] for key in both]
    champion, candidate = (each.id for each in policies)
    where = {
        "suite": suite.name,
        "suite_id": suite.id,
        "fingerprint": mark,
        "rules": under_rules(scores, loop.config.rule),
    }
    return judging.judge(*scores).model_copy(update={"champion": champion, "candidate": candidate, **where})


def _grown(wanted: dict[str, dict[str, int]], results: Sequence[GateResult], most: int) -> bool:
    """Ask for more plays of the tasks that may still decide; False where nothing is asked or the budget is spent."""
    target = {result.gate: min(result.next_samples, most) for result in results}
    grown = False
    for gate, tasks in owed(results).items():
        for task in tasks:
            grown |= target[gate] > wanted[gate][task]
            wanted[gate][task] = max(target[gate], wanted[gate][task])
    return grown
