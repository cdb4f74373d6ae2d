"""Our worlds and our outcome checker do what BFCL's executor and checker do."""

import pytest

from checkers.outcome import Outcome
from loop.plan import run
from loop.types import Call
from task_generators.backends.mutants import gold_script, mutants, played
from task_generators.backends.values import state_of
from task_generators.backends.worlds import open_world

AS_BFCL = Outcome(abstain=False, exact_numbers=True)

LOOKS = {
    "GorillaFileSystem": Call(name="ls"),
    "MathAPI": Call(name="add", arguments={"a": 1, "b": 2}),
    "MessageAPI": Call(name="list_users"),
    "TicketAPI": Call(name="ticket_get_login_status"),
    "TradingBot": Call(name="get_order_history"),
    "TravelAPI": Call(name="list_all_airports"),
    "TwitterAPI": Call(name="posting_get_login_status"),
    "VehicleControlAPI": Call(name="displayCarStatus", arguments={"option": "fuel"}),
}


def differences_on_gold(item, official):
    """Compare every answer and the last state of the gold calls."""
    task, entry, gold = item
    world = open_world(task.backends, task.initial)
    theirs, instances = official.run(entry, gold["ground_truth"])
    pairs = [
        (call, mine.value, official.read(text))
        for (calls, results), texts in zip(run(task, world), theirs, strict=True)
        for call, mine, text in zip(calls, results, texts, strict=True)
    ]
    differ = [call for call, mine, text in pairs if mine not in (text, unwrapped(text)) and str(mine) != text]
    state = {backend: state_of(instance) for backend, instance in instances.items()}
    return [(task.source, what) for what in [*differ, *(["state"] if state != world.state() else [])]]


def unwrapped(answer):
    """An error that a tool answers within a list, as our worlds give it."""
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0] if isinstance(answer[0], dict) else {"error": answer[0]}
    return {"error": answer} if isinstance(answer, str) else answer


def differences_on_mutants(items, official, pool):
    """Judge gold and mutants with both; list where they differ, and count the plays."""
    found, plays = [], 0
    for seed, (task, entry, gold) in enumerate(items):
        script = gold_script(task)
        looks = [LOOKS[backend] for backend in task.backends]
        for kind, mutant in [("gold", script), *mutants(script, seed, pool, looks)]:
            plays += 1
            trajectory = played(task, mutant)
            if AS_BFCL.check(task, trajectory).passed != official.judges(entry, gold, mutant):
                found.append((task.source, kind, trajectory))
    return found, plays


def refused_by_type(trajectory):
    """Whether the play has a call whose argument was of a type that the schema does not allow."""
    return any(message.role == "tool" and "must be of type" in message.content for message in trajectory.messages)


def test_gold_calls_leave_the_same_answers_and_states(bfcl, official):
    assert [found for item in bfcl[::10] for found in differences_on_gold(item, official)] == []


def test_verdicts_are_the_same_but_for_arguments_of_a_wrong_type(bfcl, official, pool):
    differ, plays = differences_on_mutants(bfcl[::20], official, pool)
    assert plays > 400
    assert [(source, kind) for source, kind, trajectory in differ if not refused_by_type(trajectory)] == []


@pytest.mark.slow
def test_all_800_entries_leave_the_same_answers_and_states(bfcl, official):
    assert len(bfcl) == 800
    assert [found for item in bfcl for found in differences_on_gold(item, official)] == []


@pytest.mark.slow
def test_verdicts_are_the_same_on_all_entries(bfcl, official, pool):
    differ, plays = differences_on_mutants(bfcl, official, pool)
    assert plays > 8_000
    assert [(source, kind) for source, kind, trajectory in differ if not refused_by_type(trajectory)] == []


def test_a_mutant_is_not_always_wrong_and_not_always_right(bfcl, pool):
    verdicts = [
        AS_BFCL.check(task, played(task, mutant)).passed
        for seed, (task, _, _) in enumerate(bfcl[::40])
        for _, mutant in mutants(gold_script(task), seed, pool)
    ]
    assert 0.1 < sum(verdicts) / len(verdicts) < 0.9
