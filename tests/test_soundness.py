"""The soundness ledger: what can be passed, what is known against it, and that a suite that cannot judge is no gate."""

import pytest

from loop.errors import ConfigError
from loop.gates.depth import Depth
from loop.plugins import load
from loop.stages.soundness import assess, known_flaws, replay, require
from loop.store import Store
from loop.store.soundness import UNSOUND, Attempts, Flaw
from loop.types import OFFICIAL, Part, PlannedCall, Suite
from task_generators.backends.bfcl import CATEGORIES, entries
from task_generators.backends.bfcl_single import SINGLE_TURN, single_turn_tasks
from task_generators.suites import suite
from task_generators.suites.defects import FILE, Defect, defects
from task_generators.suites.leaks import KnownOverlap
from task_generators.suites.listed import listed

CHECKERS = [load("checkers", Part(use=name)) for name in ("outcome", "stop", "dataflow", "economy", "format")]
EASY = suite("rehearsal-depth")


def assessed(frozen, **known):
    return assess(frozen, CHECKERS, OFFICIAL, **known)


def test_generated_suites_can_be_passed_whole():
    for name in ("quick-depth", "quick-breadth"):
        ledger = assessed(suite(name))
        assert len(ledger.sound) == len(suite(name).tasks)
        assert ledger.ceiling == 1


def test_a_plan_that_fails_lowers_the_ceiling_and_says_why():
    task = EASY.tasks[0]
    broken = task.turns[0].model_copy(update={"plan": (PlannedCall(name="cd", arguments={"folder": "nowhere"}),)})
    wrong = task.model_copy(update={"turns": (broken.model_copy(update={"plan": ()}), *task.turns[1:])})
    assert replay(task, CHECKERS, OFFICIAL).passed
    ledger = assessed(Suite(name="odd", tasks=(*EASY.tasks[1:], wrong)), attempts={EASY.tasks[1].id: Attempts(plays=3)})
    entry = ledger.entries[0]
    assert not entry.passable, "three plays of a teacher and no win say more than the plan"
    assert ledger.ceiling < 1
    assert not replay(task.model_copy(update={"backends": ("TicketAPI",)}), CHECKERS, OFFICIAL).passed


def test_a_task_that_is_known_to_be_unsound_does_not_count():
    flaw = Flaw(task=EASY.tasks[0].id, kind=UNSOUND, source="a test", note="two right answers")
    failed = {EASY.tasks[0].id: Attempts(plays=2)}
    assert assessed(EASY, attempts=failed).ceiling == 0.9
    ledger = assessed(EASY, attempts=failed, noted=[flaw, flaw.model_copy(update={"kind": "remark"})])
    assert (len(ledger.sound), ledger.ceiling) == (9, 1)


def test_known_defects_of_bfcl_have_a_source_and_name_entries_that_exist():
    known = {entry["id"] for category in CATEGORIES for entry, _ in entries(category)}
    known |= {task.source for category in SINGLE_TURN for task in single_turn_tasks(category)}
    assert set(defects()) <= known
    ledger = assessed(suite("bfcl-base"))
    aside = {entry.source for entry in ledger.entries if not entry.sound}
    assert aside == {f"multi_turn_base_{number}" for number in (4, 30, 184, 187)}
    assert ledger.ceiling >= 0.95


def test_single_turn_questions_whose_gold_is_wrong_leave_every_score():
    live = suite("bfcl-live-multiple")
    unsound = {flaw.task for flaw in known_flaws(live) if flaw.kind == UNSOUND}
    aside = {task.source for task in live.tasks if task.id in unsound}
    assert aside == {
        f"live_multiple_{entry}" for entry in ["17-4-9", "87-38-4", "750-169-5", "835-178-10", "871-182-8", "947-197-0"]
    }


def test_a_list_that_cannot_be_read_is_one_error_that_names_file_and_entry():
    with pytest.raises(ConfigError, match=r"suites\.py cannot be read as a list"):
        listed("suites.py", Defect)
    with pytest.raises(ConfigError, match=rf"{FILE}, entry 1: '\w+'"):
        listed(FILE, KnownOverlap)


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/loopd.db") as opened:
        yield opened


def required(store, least=0.95, name="rehearsal-depth"):
    require(store, [Depth(suite=name)], CHECKERS, OFFICIAL, least)


def test_a_suite_with_a_low_ceiling_is_refused_as_a_gate_until_told_otherwise(store, monkeypatch):
    class Strict:
        name, version = "strict", 1

        def check(self, task, trajectory):
            verdict = CHECKERS[0].check(task, trajectory)
            return verdict.model_copy(update={"checker": "strict", "passed": task.id != EASY.tasks[0].id})

    gates = [Depth(suite="rehearsal-depth")]
    with pytest.raises(ConfigError) as refused:
        require(store, gates, [Strict()], OFFICIAL, 0.95)
    said = str(refused.value)
    assert "only 9 of its 10 sound tasks can be passed (90.0%)" in said
    assert "LOOPD_GATING__MIN_CEILING=0.9" in said
    assert refused.value.exit_code == 78
    require(store, gates, [Strict()], OFFICIAL, 0.9)
    store.soundness.note(Flaw(task=EASY.tasks[0].id, kind=UNSOUND, source="a test", note="strict"))
    require(store, gates, [Strict()], OFFICIAL, 0.95)
    assert store.soundness.unsound(EASY.id) == {EASY.tasks[0].id}


def test_a_sealed_suite_is_no_gate(store):
    required(store)
    with pytest.raises(ConfigError, match="only a promotion opens it"):
        required(store, name="rehearsal-depth-sealed")
