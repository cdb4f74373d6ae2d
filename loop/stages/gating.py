"""Measure the candidate beside the champion at every gate, and decide."""

from collections.abc import Iterator, Mapping, Sequence

from loop.artifacts import policy_files
from loop.gates.decision import decide, owed, standing
from loop.gates.rules import under_rules
from loop.parts import Loop
from loop.stages import kl, refreshing
from loop.stages.evaluation import counted, fingerprint, kept, owe, play_and_score
from loop.types import (
    TWIN,
    Gate,
    GateResult,
    Policy,
    Promotion,
    Round,
    Suite,
)
from task_generators.suites import suite as suite_named
from task_generators.suites import twin


def judge_candidate(loop: Loop, rnd: Round) -> Iterator[GateResult]:
    """Measure candidate and champion on every gate's suite, on more samples while a gate is undecided, and judge.

    Asks the store what has been measured under the same fingerprint, so that a champion's scores serve many rounds.
    """
    candidate, champion = _contestants(loop, rnd)
    suites = {gate.name: _frozen(loop, gate) for gate in loop.gates}
    wanted = {name: dict.fromkeys(counted(loop, suite), 1) for name, suite in suites.items()}
    results: list[GateResult] = []
    while not results or _grown(wanted, results, loop.config.gating.max_samples):
        for name, suite in suites.items():
            owe(loop, rnd, suite, wanted[name], (champion, candidate))
        play_and_score(loop, rnd, suites)
        _measure_distances(loop, suites, (champion, candidate))
        results = [_judge(loop, gate, suites[gate.name], (champion, candidate)) for gate in loop.gates]
    yield from results


def _measure_distances(loop: Loop, suites: Mapping[str, Suite], policies: Sequence[Policy]) -> None:
    """Measure both policies' distance to the base on the suites of the gates that ask for it."""
    for gate in loop.gates:
        if kl.KL in getattr(gate, "measures", ()):
            for policy in policies:
                suite = suites[gate.name]
                kl.measure_missing(loop, policy, suite.id, fingerprint(loop, suite))


def outdated(loop: Loop, rnd: Round) -> bool:
    """Whether the round's candidate must be judged anew: champion, gates, suites or conditions changed since it was."""
    if loop.store.promotions.decided(rnd) is not None:
        return False
    met = {(result.gate, result.champion, result.fingerprint) for result in loop.store.gates.results(rnd)}
    marks = {gate.name: fingerprint(loop, suite_named(gate.suite)) for gate in loop.gates}
    return not {(name, loop.champion.id, mark) for name, mark in marks.items()} <= met


def settle(loop: Loop, rnd: Round) -> Promotion:
    """Decide on the round's candidate from the gates' results in the store, in one transaction."""
    candidate, champion = _contestants(loop, rnd)
    results = loop.store.gates.results(rnd)
    found = decide(candidate.id, results, paused=loop.store.gates.paused())
    found = refreshing.held(loop, found, candidate, champion)
    gates = [gate.name for gate in loop.gates]
    return loop.store.promotions.decide(rnd, found, gates, otherwise=standing(results, promoted=False))


def report(loop: Loop, rnd: Round) -> None:
    """Write the candidate's directory: cards, gate report, training configuration."""
    candidate, _ = _contestants(loop, rnd)
    adapter = loop.paths.adapter(candidate)
    told = policy_files.report(loop.store, candidate, loop.config.student.source, adapter)
    policy_files.write(told, loop.paths.policies)


def _contestants(loop: Loop, rnd: Round) -> tuple[Policy, Policy]:
    candidate = loop.store.policies.candidate(rnd)
    assert candidate is not None, "the train stage proposed one"
    return candidate, loop.champion


def _frozen(loop: Loop, gate: Gate) -> Suite:
    return kept(loop, suite_named(gate.suite))


def open_twins(loop: Loop) -> None:
    """Play the gates' sealed twins for the latest promotion: the new champion and the one before. Once, and only here.

    They decide nothing: they tell whether what the gates saw is there on tasks that no gate has ever measured. Every
    play is owed like any other, so that a kill leaves the rest to be played.
    """
    twins = {gate.name + TWIN: (gate, suite_named(name)) for gate in loop.gates if (name := twin(gate.suite))}
    found = loop.store.openings.owed(list(twins))
    if not loop.config.gating.sealed or found is None:
        return
    rnd, policies = (
        loop.store.rounds.get(found.round),
        [loop.store.policies.get(each) for each in (found.before, found.champion)],
    )
    for _, suite in twins.values():
        wanted = dict.fromkeys(counted(loop, kept(loop, suite)), loop.config.gating.sealed)
        loop.store.openings.note(rnd, suite.id, found.champion)
        owe(loop, rnd, suite, wanted, policies)
    play_and_score(loop, rnd, {suite.name: suite for _, suite in twins.values()})
    judged = [(name, _judge(loop, gate, suite, policies)) for name, (gate, suite) in twins.items()]
    told = [each.model_copy(update={"gate": name, "reason": f"sealed twin: {each.reason}"}) for name, each in judged]
    loop.store.openings.save(rnd, told)


def _judge(loop: Loop, gate: Gate, suite: Suite, policies: Sequence[Policy]) -> GateResult:
    mark = fingerprint(loop, suite)
    old, new = ({(s.task, s.sample): s for s in loop.store.suites.scores(each.id, suite.id, mark)} for each in policies)
    sound = set(counted(loop, suite))
    both = sorted(key for key in old.keys() & new.keys() if key[0] in sound)
    judging = gate.attempted(loop.store.promotions.attempts()).within(loop.config.gating.max_samples)
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
