"""Frozen suites: what they hold, that they never change unnoticed, and that training does not reach them."""

import json
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from loop.errors import NotFound
from loop.plan import run
from loop.plugins import load
from loop.types import From, Intent, Novelty, Part, Split, Suite, Turn
from task_generators.backends.bfcl import CATEGORIES, entries, entry_task
from task_generators.backends.worlds import open_world
from task_generators.bfcl import referring, tasks_of
from task_generators.suites import BFCL, GENERATED, RENDERED, SINGLE, names, suite
from task_generators.suites.leaks import DatasetAudit, shared, training_sample
from task_generators.suites.overlaps import Overlap, audit
from task_generators.writing.generator import split_of

FROZEN = json.loads((Path(__file__).parent / "frozen_suites.json").read_text())
"""The digests, as they were when the suites were frozen; `refreeze.py` beside it writes them anew."""


@pytest.mark.parametrize("name", names())
def test_a_suite_is_what_it_was_when_it_was_frozen(name):
    assert suite(name).id == FROZEN[name]


@pytest.mark.parametrize("name", [name for name in names() if name not in {**BFCL, **SINGLE, RENDERED: None}])
def test_a_suite_holds_no_leak_group_twice_and_only_its_own_split(name):
    tasks = suite(name).tasks
    split = Split.SEALED if name.endswith("-sealed") else Split.HELDOUT
    assert len({task.leak_group for task in tasks}) == len(tasks)
    assert {task.split for task in tasks} == {split}
    assert {split_of(task.leak_group) for task in tasks if not task.source} <= {split}


IN_WORDS = ("irrelevance", "abstention", "memory", "format")
"""Suites of which a right player may pass tasks without a call."""


@pytest.mark.parametrize("name", [name for name in names() if not any(word in name for word in IN_WORDS)])
def test_a_player_that_does_nothing_is_right_in_no_task(name):
    assert [task.id for task in suite(name).tasks if not task.plan] == []


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("depth", 400),
        ("quick-depth", 200),
        ("depth-hard", 12 + 60),
        ("depth-hardgen", 40),
        ("depth-veryhard", 30),
        ("abstention", 270),
        ("repair", 270),
        ("sql", 60),
        ("breadth-52", 52),
        ("breadth-rest", 40),
        ("bfcl-miss-func", 100),
    ],
)
def test_a_suite_is_large_enough(name, least):
    assert len(suite(name).tasks) >= least


@pytest.mark.parametrize("name", ["breadth", "breadth-sealed", "quick-breadth", "quick-breadth-sealed"])
def test_a_breadth_suite_has_thirty_tasks_of_each_of_nine_backends(name):
    counts = Counter(backend for task in suite(name).tasks for backend in task.backends)
    assert len(counts) == 9
    assert min(counts.values()) >= 30


def test_breadth_has_every_backend_alone_and_every_pair():
    seen = {task.backends for task in suite("breadth").tasks}
    assert len([backends for backends in seen if len(backends) == 1]) == 9
    assert len([backends for backends in seen if len(backends) == 2]) == 16


GENERATED_NAMES = [name for name in names() if name.removesuffix("-sealed") in GENERATED]


@pytest.mark.parametrize("name", GENERATED_NAMES)
def test_a_suite_has_its_parts_and_a_sealed_one_nothing_of_trainings_words(name):
    parts = Counter(task.novelty for task in suite(name).tasks if task.generator != "canonical")
    assert None not in parts
    if name.endswith("-sealed"):
        assert Novelty.KNOWN not in parts
    else:
        assert parts[Novelty.KNOWN] == parts[Novelty.WORDS]


@pytest.mark.parametrize("name", ["depth", "quick-depth", "breadth", "quick-breadth", "abstention", "repair"])
def test_whatever_is_taken_from_the_beginning_of_a_suite_has_a_fair_share_of_everything(name):
    tasks = suite(name).tasks
    for sides in (
        lambda task: [task.novelty],
        lambda task: [task.backends] if len(task.backends) == 1 else ["pair"],
        lambda task: [task.tier],
    ):
        whole = Counter(side for task in tasks for side in sides(task))
        for size in (len(tasks) // 4, len(tasks) // 2):
            part = Counter(side for task in tasks[:size] for side in sides(task))
            for side, count in whole.items():
                assert abs(part[side] - count * size / len(tasks)) <= 1 + count * size / len(tasks) / 4, (side, size)


def test_the_52_are_those_that_others_report():
    counts = Counter(task.backends for task in suite("breadth-52").tasks)
    assert counts == {("TradingBot",): 20, ("VehicleControlAPI",): 19, ("TravelAPI",): 13}
    assert {task.family for task in suite("breadth-52").tasks} == {"base"}


def test_an_unknown_suite_is_refused_with_the_nearest_name():
    with pytest.raises(NotFound, match="quick-depth"):
        suite("quick-dept")


# --- leaks -----------------------------------------------------------------------------------------------------------


def generator(name):
    return load("task_generators", Part(use=name))


def world_decides(task):
    """Whether what the plan does depends on the world: then equal words are different tasks."""
    return any(isinstance(argument, From) for call in task.plan for argument in call.arguments.values())


def test_no_suite_overlaps_with_training_or_another_suite_unless_listed_with_a_reason():
    found = shared([suite(name) for name in names()], training_sample())
    assert [row for row in found if row.reason is None] == []
    assert [row for row in found if row.other.endswith("-sealed") != row.suite.endswith("-sealed")] == []


@pytest.mark.slow
def test_nor_with_many_more_training_tasks():
    found = shared([suite(name) for name in names()], training_sample(seeds=25))
    assert [row for row in found if row.reason is None] == []


def test_no_bfcl_suite_overlaps_with_bfcl_training_tasks():
    tasks = [task for category in CATEGORIES for task in tasks_of(category, Split.TRAIN)]
    assert audit([suite(name) for name in BFCL], tasks) == []
    assert len(tasks) == 4 * 96


def test_nothing_excuses_a_sealed_suite_that_shares_a_task_with_another():
    task = suite("quick-depth").tasks[0]
    suites = [Suite(name="depth", tasks=(task,))]
    suites.append(Suite(name="depth-sealed", tasks=(task.model_copy(update={"split": Split.SEALED}),)))
    assert {row.overlap for row in shared(suites, []) if row.reason is None} >= {Overlap.LEAK_GROUP, Overlap.CALLS}
    both = [Suite(name="depth", tasks=(task,)), Suite(name="depth-hard", tasks=(task,))]
    assert {row.reason is None for row in shared(both, [])} == {False}


def test_a_dataset_audit_finds_a_task_of_a_suite_and_takes_no_longer_than_it_may():
    suites = [suite("quick-depth"), suite("quick-breadth")]
    rows = [maker.make(arm, seed) for maker in (generator("files"),) for arm in maker.arms for seed in range(24)]
    began = time.process_time()
    looking = DatasetAudit(suites)
    assert [looking.leak(task) for task in rows] == [None] * 480
    assert time.process_time() - began < 2
    leaked = suites[0].tasks[0].model_copy(update={"split": Split.TRAIN, "leak_group": "files:other"})
    assert looking.leak(leaked) in {Overlap.INITIAL, Overlap.CALLS}


def drawn():
    """Training tasks of one arm."""
    maker = generator("files")
    return (maker.make(maker.arms[0], seed) for seed in range(100))


def test_the_audit_finds_what_is_planted():
    trap = next(task for task in drawn() if all(turn.intent is Intent.REPORT for turn in task.turns))
    near = trap.model_copy(update={"seed": 2, "leak_group": "files:other", "initial": {"GorillaFileSystem": {"a": 1}}})
    frozen = Suite(name="trap", tasks=(trap,))
    assert {finding.overlap for finding in audit([frozen], [trap])} >= {Overlap.ID, Overlap.LEAK_GROUP, Overlap.CALLS}
    assert {finding.overlap for finding in audit([frozen], [near])} >= {Overlap.CALLS}


def test_the_audit_finds_nearly_the_same_words():
    words = [f"word{place}" for place in range(40)]
    task = generator("files").make(generator("files").arms[0], 1)
    said = [
        task.model_copy(update={"turns": (Turn(user=" ".join(some)),), "seed": seed})
        for seed, some in enumerate([words, [*words[:39], "other"], words[::-1]])
    ]
    found = [f for f in audit([Suite(name="trap", tasks=(said[0],))], said[1:]) if f.overlap is Overlap.WORDING]
    assert [finding.other for finding in found] == [said[1].id]


# --- BFCL's entries --------------------------------------------------------------------------------------------------


def test_numbers_share_a_split_over_the_four_categories():
    splits = {
        split: {category: {t.seed for t in tasks_of(category, split)} for category in CATEGORIES} for split in Split
    }
    for split in Split:
        assert len({frozenset(numbers) for numbers in splits[split].values()}) == 1
    assert splits[Split.SEALED]["base"] == set()
    assert not splits[Split.TRAIN]["base"] & splits[Split.HELDOUT]["base"]


def test_a_bfcl_plan_refers_to_results_and_brings_about_what_the_gold_does():
    for entry, gold in islice(entries("base"), 60):
        plain = entry_task(entry, gold)
        assert run(referring(plain), world(plain)) == run(plain, world(plain))
    told = next(task for task in tasks_of("base", Split.TRAIN) if task.source == "multi_turn_base_57")
    assert world_decides(told)


def world(task):
    return open_world(task.backends, task.initial)


def test_bfcl_training_tasks_count_through_the_entries_of_an_arm():
    maker = generator("bfcl")
    arm = maker.arms[0]
    assert maker.make(arm, 0).split is Split.TRAIN
    assert maker.make(arm, 0).arm == arm
    with pytest.raises(NotFound, match="bfcl has no sealed"):
        maker.make(arm, 0, Split.SEALED)
