"""Measure the candidate beside the champion at every gate, and decide."""

from collections.abc import Iterator, Mapping, Sequence

from loop.artifacts import policy_files
from loop.gates.breadth import Breadth
from loop.gates.decision import decide, owed, standing
from loop.gates.judging import BEST
from loop.gates.latency import Latency
from loop.gates.rules import under_rules
from loop.parts import Loop
from loop.routing import sets
from loop.stages import kl, refreshing, routing
from loop.stages.evaluation import counted, external, fingerprint, kept, owe, play_and_score
from loop.store.openings import Succession
from loop.types import (
    EXTERNAL,
    TWIN,
    Entry,
    Gate,
    GateResult,
    Policy,
    Promotion,
    Round,
    Score,
    Standing,
    Suite,
    Trial,
)
from task_generators.suites import suite as suite_named
from task_generators.suites import twin

Asked = dict[str, dict[str, dict[str, int]]]
"""Plays that the gates asked for: how many of each task, by gate and `Policy.id`."""


def judge_candidate(loop: Loop, rnd: Round) -> Iterator[GateResult]:
    """Judge with what has been measured, and measure what the gates ask for, until they ask for nothing.

    Asks the store what has been measured under the same fingerprint, so that a champion's scores serve many rounds.
    """
    policies = _contestants(loop, rnd)
    if routing.stale(loop, policies[1]):
        return
    gates = gates_for(loop, policies[1])
    suites = {gate.name: _frozen(loop, gate, rnd) for gate in gates}
    asked: Asked = {gate.name: {} for gate in gates}
    results = _judgements(loop, gates, suites, policies, asked)
    while _grown(asked, results, loop.config.gating.max_samples):
        for name, suite in suites.items():
            for policy, wanted in asked[name].items():
                owe(loop, rnd, suite, wanted, [loop.store.policies.get(policy)])
        play_and_score(loop, rnd, suites)
        results = _judgements(loop, gates, suites, policies, asked)
    yield from results


def gates_for(loop: Loop, candidate: Policy) -> tuple[Gate, ...]:
    """Give the gates that judge a candidate; a routed set is timed besides, where most of its specialists speak."""
    if candidate.routing is None:
        return loop.gates
    topics = {specialist.topic for specialist in candidate.routing.specialists}

    def reach(gate: Gate) -> tuple[int, bool]:
        spoken = {backend for task in loop.suite_of(gate).tasks for backend in task.backends}
        return len(topics & spoken), isinstance(gate, Breadth)

    return (*loop.gates, Latency(suite=max(loop.gates, key=reach).suite, times=loop.config.gating.latency))


def _judgements(
    loop: Loop, gates: Sequence[Gate], suites: Mapping[str, Suite], policies: Sequence[Policy], asked: Asked
) -> list[GateResult]:
    _measure_distances(loop, suites, policies)
    return [_judge(loop, gate, suites[gate.name], policies, asked[gate.name]) for gate in gates]


def _measure_distances(loop: Loop, suites: Mapping[str, Suite], policies: Sequence[Policy]) -> None:
    """Measure both policies' distance to the base on the suites of the gates that ask for it."""
    for gate in loop.gates:
        if kl.KL in getattr(gate, "measures", ()):
            for policy in policies:
                suite = suites[gate.name]
                kl.measure_missing(loop, policy, suite.id, fingerprint(loop, suite))


def outdated(loop: Loop, rnd: Round) -> bool:
    """Whether the round's candidate must be judged anew: champion, gates, suites or conditions changed since it was."""
    candidate = loop.store.policies.candidate(rnd)
    if candidate is None or loop.store.promotions.decided(rnd) is not None or routing.stale(loop, candidate):
        return False
    met = {(result.gate, result.champion, result.fingerprint) for result in loop.store.gates.results(rnd)}
    marks = {gate.name: fingerprint(loop, _suite(loop, gate, rnd)) for gate in gates_for(loop, candidate)}
    return not {(name, loop.champion.id, mark) for name, mark in marks.items()} <= met


def settle(loop: Loop, rnd: Round) -> Promotion:
    """Decide on the round's candidate from the gates' results in the store, in one transaction."""
    champion, candidate = _contestants(loop, rnd)
    results = loop.store.gates.results(rnd)
    promotion = decide(candidate.id, results, paused=loop.store.gates.paused())
    promotion = refreshing.held(loop.store, rnd, promotion, (champion, candidate))
    if why := routing.stale(loop, candidate):
        promotion = promotion.model_copy(update={"promoted": False, "reason": f"dissolved: {why}"})
    gates = [gate.name for gate in gates_for(loop, candidate)]
    aside = Standing.REJECTED if candidate.routing else standing(results, promoted=False)
    return loop.store.promotions.decide(rnd, promotion, gates, otherwise=aside)


def report(loop: Loop, rnd: Round) -> None:
    """Write the candidate's directory: cards, gate report, training configuration."""
    _, candidate = _contestants(loop, rnd)
    adapter = loop.paths.adapter(candidate)
    written = policy_files.report(loop.store, candidate, loop.config.student.source, adapter)
    policy_files.write(written, loop.paths.policies)


def _contestants(loop: Loop, rnd: Round) -> tuple[Policy, Policy]:
    """Give the present champion and the round's candidate."""
    candidate = loop.store.policies.candidate(rnd)
    assert candidate is not None, "the train stage proposed one"
    return loop.champion, candidate


def _frozen(loop: Loop, gate: Gate, rnd: Round) -> Suite:
    return kept(loop, _suite(loop, gate, rnd))


def _suite(loop: Loop, gate: Gate, rnd: Round) -> Suite:
    """Give a gate's suite; what is timed is played anew in every round."""
    suite = loop.suite_of(gate)
    return suite.model_copy(update={"occasion": f"round {rnd.id}"}) if isinstance(gate, Latency) else suite


def look_elsewhere(loop: Loop) -> None:
    """Measure the new champion and the one before where no gate looks: on sealed twins and on external suites."""
    _open_twins(loop)
    _play_external(loop)


def _open_twins(loop: Loop) -> None:
    """Play the gates' sealed twins for the latest promotion. Once, and only here.

    They decide nothing: they tell whether what the gates saw is there on tasks that no gate has ever measured. Every
    play is owed like any other, so that a kill leaves the rest to be played.
    """
    twins = {
        gate.name + TWIN: (gate, suite_named(name)) for gate in loop.gates if (name := twin(loop.suite_of(gate).name))
    }
    succession = loop.store.openings.owed(list(twins))
    if not loop.config.gating.sealed or succession is None:
        return
    for _, suite in twins.values():
        loop.store.openings.note(loop.store.rounds.get(succession.round), kept(loop, suite).id, succession.champion)
    _tell_of(loop, succession, twins, loop.config.gating.sealed, "sealed twin")


def _play_external(loop: Loop) -> None:
    """Play the suites that no gate measures with and nothing trains on, for the latest promotion; one play a task."""
    asked = {suite.name + EXTERNAL: (Breadth(suite=suite.name), suite) for suite in external(loop)}
    succession = loop.store.openings.owed(list(asked)) if asked else None
    if succession is not None:
        _tell_of(loop, succession, asked, 1, "external")


def _tell_of(
    loop: Loop, succession: Succession, asked: Mapping[str, tuple[Gate, Suite]], plays: int, what: str
) -> None:
    """Play suites for a promotion that stands, and keep what gates would have said of them."""
    rnd, policies = (
        loop.store.rounds.get(succession.round),
        [loop.store.policies.get(item) for item in (succession.before, succession.champion)],
    )
    for _, suite in asked.values():
        owe(loop, rnd, suite, dict.fromkeys(counted(loop, kept(loop, suite)), plays), policies)
    play_and_score(loop, rnd, {suite.name: suite for _, suite in asked.values()})
    judged = [(name, _judge(loop, gate, suite, policies)) for name, (gate, suite) in asked.items()]
    results = [
        judgement.model_copy(update={"gate": name, "reason": f"{what}: {judgement.reason}"})
        for name, judgement in judged
    ]
    loop.store.openings.save(rnd, results)


def _judge(
    loop: Loop,
    gate: Gate,
    suite: Suite,
    policies: Sequence[Policy],
    asked: Mapping[str, Mapping[str, int]] | None = None,
) -> GateResult:
    """Judge what both have played. A task that was asked and has no score, its play having died, counts for nobody."""
    mark, champion, candidate = fingerprint(loop, suite), *(policy.id for policy in policies)
    former = _former(loop) if asked is not None else []
    scores = {policy: loop.store.suites.scores(policy, suite.id, mark) for policy in (champion, candidate, *former)}
    lost = _lost(scores, asked or {})
    entries = tuple(entry for entry in entries_of(loop, suite) if entry.task not in lost)
    index = {entry.task: number for number, entry in enumerate(entries)}
    ordered = {who: _in_order(score, index) for who, score in scores.items()}
    earlier = {who: ordered[who] for who in former if who not in (champion, candidate)}
    judging = gate.attempted(loop.store.promotions.attempts()).within(loop.config.gating.max_samples)
    trial = Trial(entries=entries, earlier=earlier, best=_best_before(loop, gate))
    result = judging.judge(ordered[champion], ordered[candidate], trial)
    return result.model_copy(
        update={
            "champion": champion,
            "candidate": candidate,
            "suite": suite.name,
            "suite_id": suite.id,
            "fingerprint": mark,
            "rules": under_rules((ordered[champion], ordered[candidate]), loop.config.rule),
        }
    )


def _former(loop: Loop) -> list[str]:
    """Name the former champions that can still play."""
    retired = [policy for policy, standing in loop.store.policies.all() if standing is Standing.RETIRED]
    ours = [policy for policy in retired if policy.base == loop.base.digest]
    return [policy.id for policy in ours if not sets.unfit(loop.store, loop.paths, policy)]


def _best_before(loop: Loop, gate: Gate) -> dict[str, str]:
    """Name the former champions that the present one fell short of when it was promoted, by backend."""
    rnd = loop.store.gates.last_round(loop.champion.id)
    parts = (
        [part for result in loop.store.gates.results(rnd) if result.gate == gate.name for part in result.parts]
        if rnd
        else []
    )
    return {part.name.removesuffix(f", {BEST}"): part.beside for part in parts if part.beside and part.difference < 0}


def _lost(scores: Mapping[str, Sequence[Score]], asked: Mapping[str, Mapping[str, int]]) -> set[str]:
    """Name the tasks that somebody was asked to play and has no score of."""
    lost = set[str]()
    for policy, wanted in asked.items():
        there = {(score.task, score.sample) for score in scores.get(policy, ())}
        lost |= {task for task, plays in wanted.items() if any((task, k) not in there for k in range(plays))}
    return lost


def _in_order(scores: Sequence[Score], place: Mapping[str, int]) -> tuple[Score, ...]:
    counted = [score for score in scores if score.task in place]
    return tuple(sorted(counted, key=lambda score: (place[score.task], score.sample)))


def entries_of(loop: Loop, suite: Suite) -> list[Entry]:
    """List a suite's sound tasks as a gate sees them, in its order."""
    sound = set(counted(loop, suite))
    return [task.entry for task in suite.tasks if task.id in sound]


def _grown(asked: Asked, results: Sequence[GateResult], most: int) -> bool:
    """Note the plays that may still decide; False where nothing more is asked or the budget is spent."""
    by_gate = {result.gate: result for result in results}
    before = sum(_asked_of(gate) for gate in asked.values())
    for name, tasks in owed(results).items():
        result, plays = by_gate[name], min(by_gate[name].next_samples, most)
        wants = [(policy, tasks) for policy in (result.champion, result.candidate)]
        wants += [(who, item) for policy, item in result.beside.items() for who in (policy, result.candidate)]
        for policy, place in wants:
            mine = asked[name].setdefault(policy, {})
            mine |= {task: max(plays, mine.get(task, 0)) for task in place}
    return sum(_asked_of(gate) for gate in asked.values()) > before


def _asked_of(gate: Mapping[str, Mapping[str, int]]) -> int:
    return sum(sum(wanted.values()) for wanted in gate.values())
