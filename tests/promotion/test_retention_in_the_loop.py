"""The retention gate in a whole round: categories, length and distance are measured, kept, and can stop a candidate."""

import tomllib

import pytest

from loop.errors import FailureKind, ProviderError
from loop.testing import FakeGpu
from loop.types import GateVerdict, Standing
from task_generators.suites import suite

GATES = tomllib.loads("""
max_samples = 1
gates = [
  { use = "depth", settings = { suite = "rehearsal-depth" } },
  { use = "breadth", settings = { suite = "rehearsal-breadth" } },
  { use = "retention", settings = { suite = "maths-easy", margin = 0.5, category_margin = 0.9, rises.tokens = 9 } },
]
""")


class Drifted(FakeGpu):
    distance = 2.0


def parts(store):
    (result,) = [each for each in store.gates.results(store.rounds.get(1)) if each.gate == "retention"]
    return result, {part.name: part for part in result.parts}


def test_distance_and_length_are_measured_and_a_drifted_candidate_is_not_promoted(rehearsal):
    rehearsal.live(gating=GATES, gpu=Drifted())
    with rehearsal.store() as store:
        result, found = parts(store)
        assert result.verdict is GateVerdict.FAILS
        assert found["kl"].verdict is GateVerdict.FAILS
        assert (found["kl"].champion_rate, found["kl"].candidate_rate, found["kl"].unit) == (0.0, 2.0, "kl")
        assert store.policies.standing(store.policies.candidate(store.rounds.get(1)).id) is Standing.REJECTED
        assert {"overall", "kl", "tokens"} < found.keys()
    assert "kl fails" in rehearsal.loopd("gate", "explain")


def test_a_meter_that_dies_is_started_again_as_long_as_that_gets_it_further(rehearsal):
    class Dies(FakeGpu):
        def measuring(self, job):
            yield from list(super().measuring(job))[:7]
            raise ProviderError(FailureKind.LOST, "out of memory")

    rehearsal.live(gating=GATES, gpu=Dies())
    with rehearsal.store() as store:
        result, found = parts(store)
        assert found["kl"].tasks == result.tasks > 7


def test_what_was_measured_is_not_measured_again(rehearsal):
    class Dies(FakeGpu):
        def measuring(self, job):
            yield from list(super().measuring(job))[:3]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearsal.live(gating=GATES, gpu=Dies())
    asked = []

    class Counts(FakeGpu):
        def measuring(self, job):
            lines = list(super().measuring(job))
            asked.append(len(lines) - 1)
            yield from lines

    rehearsal.live(gating=GATES, gpu=Counts())
    with rehearsal.store() as store:
        _, found = parts(store)
        assert asked == [len(suite("maths-easy").tasks) - 3]
        assert found["kl"].verdict is GateVerdict.HOLDS


def test_the_card_has_the_untrained_models_rate_of_every_category(rehearsal):
    rehearsal.live(gating=GATES)
    with rehearsal.store() as store:
        candidate = store.policies.candidate(store.rounds.get(1))
    card = (rehearsal.places.policies / candidate.id / "README.md").read_text()
    rows = [line.split(" | ") for line in card.splitlines() if line.startswith("| retention | ") and " rule, " in line]
    assert len(rows) > 2
    assert all(stock == base for *_, stock, base, _, _, _, _, _ in rows), "stock is the champion of the first round"
