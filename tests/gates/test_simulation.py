"""The simulation judges as the gates do, and the gates keep their promises on suites of a known size."""

import numpy as np
import pytest

from loop.gates.breadth import Breadth
from loop.gates.decision import decide, owed
from loop.gates.depth import Depth
from loop.gates.power import WORTHS, Worth, chances, measured_churn, parts
from loop.gates.simulation import Bench, judged
from loop.types import Entry, GateVerdict, Novelty, Score, Tier, Trial

WORDS = (Novelty.KNOWN, Novelty.WORDS)


def bench(gate, backends, each):
    """A suite that takes turns among backends and parts."""
    names = [f"backend{number}" for number in range(backends)]
    rows = range(backends * each)
    entries = [
        Entry(task=f"{n:05}", backends=(names[n % backends],), tier=Tier.EASY, novelty=WORDS[n // backends % 2])
        for n in rows
    ]
    return Bench(gate.within(1), tuple(entries))


def lived(benches, changes):
    """Judge one candidate as the daemon does: play what is owed until nothing is."""
    asked = {bench.gate.name: set() for bench in benches}
    while True:
        results = []
        for each, change in zip(benches, changes, strict=True):
            rows = [row for row, entry in enumerate(each.entries) if entry.task in asked[each.gate.name]]
            old, new = (scores(each.entries, rows, change, side) for side in (-1, 1))
            results.append(each.gate.judge(old, new, Trial(entries=each.entries)))
        more = owed(results)
        if not any(set(tasks) - asked[gate] for gate, tasks in more.items()):
            return results, sum(map(len, asked.values()))
        for gate, tasks in more.items():
            asked[gate] |= set(tasks)


def scores(entries, rows, change, side):
    """Passes of the candidate (side 1) or the champion (-1): where nothing changes, both pass."""
    return [Score(**entries[row].model_dump(), sample=0, passed=bool(change[row] != -side)) for row in rows]


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.05, 0.1, 0.3])
def test_what_is_simulated_is_what_the_gates_do(gain):
    benches = [bench(Depth(first=30), 1, 160), bench(Breadth(first=30), 3, 60)]
    rng = np.random.default_rng([3, round(100 * abs(gain))])
    changes = [draw(rng, 12, len(each.entries), gain) for each in benches]
    found = judged(benches, changes)
    for number in range(12):
        results, plays = lived(benches, [change[number] for change in changes])
        verdicts = {result.verdict for result in results}
        assert found.promoted[number] == decide("c", results).promoted
        assert found.held[number] == (verdicts == {GateVerdict.HOLDS})
        assert found.failed[number] == (GateVerdict.FAILS in verdicts)
        assert found.plays[number] == plays


def draw(rng, runs, tasks, gain, churn=0.2):
    lot, changed = rng.random((runs, tasks)), max(churn, abs(gain))
    return np.where(lot < (changed + gain) / 2, 1, np.where(lot < changed, -1, 0)).astype(np.int8)


@pytest.fixture(scope="module")
def full():
    """400 tasks in depth, 90 a backend in breadth."""
    benches = [bench(Depth(), 1, 400), bench(Breadth(), 9, 90)]
    return {each.worth: each for each in chances(benches, runs=1000)}


def test_what_is_better_is_promoted_and_what_is_worse_somewhere_is_not(full):
    assert full["+10 everywhere"].promoted >= 0.9
    assert full["equal"].promoted <= 0.05 / 20
    for worth in WORTHS[-2:]:
        assert full[worth.name].promoted <= 0.05


@pytest.mark.parametrize("churn", [0.02, 0.05, 0.2])
def test_an_equal_candidate_is_promoted_at_most_once_in_400_attempts_whatever_it_changes(churn):
    benches = [bench(Depth(), 1, 400), bench(Breadth(), 9, 90)]
    (found,) = chances(benches, [Worth(name="equal")], churn=churn, runs=8000)
    assert found.promoted <= 1 / 400 + 2 * np.sqrt(1 / 400 / 8000)


def test_a_gain_is_cheap_where_it_is_great_and_hopelessness_cheaper_than_the_whole_suite(full):
    assert full["-10 on one backend, +15 elsewhere"].plays < 1210
    assert full["equal"].plays < 0.7 * 1210
    (great,) = chances([bench(Depth(), 1, 400), bench(Breadth(), 9, 90)], [Worth(name="great", gain=0.5)], runs=200)
    assert (great.promoted, great.plays) == (1.0, pytest.approx(270, abs=60))


def test_churn_is_what_candidates_change_beyond_what_they_gain_and_needs_two_judgements(played):
    files, tasks = ("Files",), 120
    old = played({files: (0.7, tasks)}, 1, 1)
    more = [s.model_copy(update={"passed": s.passed ^ (n % 10 == 0)}) for n, s in enumerate(old)]
    judged = Depth(most=1).judge(old, more)
    part = judged.parts[0]
    assert part.won + part.lost == tasks / 10
    assert measured_churn([judged]) is None
    assert measured_churn([judged, judged]) == pytest.approx(2 * min(part.won, part.lost) / tasks)
    first = Depth(most=1).judge(played({files: (0.0, tasks)}, 1, 1), played({files: (0.9, tasks)}, 1, 2))
    assert measured_churn([first, first, judged]) is None, "beside the stock model everything is won"


def test_each_comparison_has_its_own_power():
    found = {(each.gate, each.part): each for each in parts([bench(Depth(), 1, 400), bench(Breadth(), 9, 90)])}
    assert found["depth", "new words"].tasks == 200
    assert found["breadth", "backend3"].tasks == 90
    for each in found.values():
        assert each.equal < each.five < each.ten
