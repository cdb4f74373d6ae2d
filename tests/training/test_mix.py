"""The rules of the mix: each is a setting, each is counted, and the same records and seed give the same dataset."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.dataset.mix import Skill, length, own, repaired, select, spoken
from loop.dataset.rules import MixRules
from loop.types import Accepted, Call, Catalogue, End, Message, Split, Task, Tier, Trajectory, Turn

TIERS = list(Tier)


def win(  # noqa: PLR0913 - what the rules tell apart
    number, *, backend="Files", tier=Tier.EASY, task=0, mine=False, calls=1, error=False, split=Split.TRAIN, started=0
):
    played = Task(
        generator="g", family="f", tier=tier, seed=task, backends=tuple(backend.split("+")), initial={}, tools=("mv",),
        turns=(Turn(user=f"Do {task} with {tier} in {backend}"),), split=split, leak_group=f"{task}",
    )  # fmt: skip
    made = tuple(Call(name="mv", arguments={"file": f"{backend}{task}{tier}-{number}-{step}"}) for step in range(calls))
    said = [Message(role="user", content=played.turns[0].user)]
    for step, call in enumerate(made):
        said += [
            Message(role="assistant", content="", calls=(call,)),
            Message(role="tool", content="", name="mv", ok=not (error and step == 0)),
        ]
    trajectory = Trajectory(
        task=played.id, player="student" if mine else "scripted", policy="p" if mine else None, end=End.CLOSED,
        catalogue=Catalogue(), messages=(*said, Message(role="assistant", content=f"Done {number}.")), started=started,
    )  # fmt: skip
    return Accepted(id=f"{backend}-{tier}-{task}-{number}", task=played, trajectory=trajectory)


def chosen(pool, seed=0, **rules):
    dataset = select(pool, MixRules(**rules), seed)
    by_id = {each.id: each for each in pool}
    return [by_id[name] for name in dataset.rows], dataset.counts


wins = st.builds(
    win,
    st.integers(0, 5),
    backend=st.sampled_from(["Files", "Trading", "Travel", "Files+Trading"]),
    tier=st.sampled_from(TIERS),
    task=st.integers(0, 6),
    mine=st.booleans(),
    calls=st.integers(1, 3),
    error=st.booleans(),
    split=st.sampled_from(Split),
    started=st.integers(0, 9),
)
pools = st.lists(wins, max_size=60, unique_by=lambda each: each.id)


def test_an_arm_gets_places_by_how_often_the_champion_fails_there():
    tiers = (Tier.EASY, Tier.MODERATE)
    pool = [win(0, tier=tier, task=task) for tier in tiers for task in range(40)]
    arms = {each.task.tier: each.task.arm for each in pool}
    rates = {arms[Tier.EASY]: 0.75, arms[Tier.MODERATE]: 0.25}

    def had(rules, rates=rates):
        rows = select(pool, MixRules(max_rows=40, near_duplicate=1, **rules), 0, skill=Skill(rates=rates)).rows
        return Counter(each.task.tier for each in pool if each.id in rows)

    assert had({"least_need": 0.2}) == {Tier.EASY: 10, Tier.MODERATE: 30}
    assert had({"least_need": 0.2}, {**rates, arms[Tier.EASY]: 1.0}) == {Tier.EASY: 8, Tier.MODERATE: 32}
    assert had({"least_need": 1}) == had({}, {}) == {Tier.EASY: 20, Tier.MODERATE: 20}


@given(pools, st.integers(0, 3), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_the_dataset_is_a_function_of_what_was_accepted(pool, seed, room):
    rules = MixRules(max_rows=room)
    dataset = select(pool, rules, seed)
    assert dataset == select(pool[::-1], rules, seed)
    rows, counts = chosen(pool, seed, max_rows=room)
    assert len({row.id for row in rows}) == len(rows) <= room
    assert all(row.task.split == Split.TRAIN for row in rows)
    assert max(Counter(row.task.id for row in rows).values(), default=0) <= rules.max_per_task
    left_out = ("not_for_training", "same_calls", "over_the_task_cap", "near_duplicate", "over_the_cap")
    assert counts["accepted"] == len(pool) == len(rows) + sum(counts.get(name, 0) for name in left_out)
    assert counts["own"] + counts["taught"] == counts["rows"] == len(rows)


def test_backends_get_equal_places_however_much_they_have():
    pool = [win(0, task=task) for task in range(80)] + [win(0, backend="Trading", task=task) for task in range(15)]
    rows, counts = chosen(pool, max_rows=30)
    assert counts["backend_Files"] == counts["backend_Trading"] == 15
    _, counts = chosen(pool, max_rows=60)
    assert (counts["backend_Files"], counts["backend_Trading"]) == (45, 15)
    assert len(rows) == 30


def test_backends_can_say_alike_instead():
    long, short = 4, 1
    pool = [win(0, task=task, calls=short) for task in range(60)]
    pool += [win(0, backend="Travel", task=task, calls=long) for task in range(60)]
    rows, _ = chosen(pool, max_rows=50, near_duplicate=1, even="said")
    of = {name: [row for row in rows if name in row.task.backends] for name in ("Files", "Travel")}
    said = {name: sum(map(spoken, each)) for name, each in of.items()}
    assert len(of["Files"]) > 2 * len(of["Travel"])
    assert abs(said["Files"] - said["Travel"]) <= max(map(spoken, rows))


def test_own_wins_have_their_share_where_there_are_enough():
    taught = [win(0, task=task, tier=Tier.HARD) for task in range(100)]
    mine = [win(1, task=task, mine=True) for task in range(100, 180)]
    assert chosen(taught + mine, max_rows=100)[1]["own"] == 70
    assert chosen(taught + mine[:30], max_rows=100)[1]["own"] == 30
    assert chosen(taught[:10] + mine, max_rows=90)[1]["own"] == 80


def test_hard_tiers_do_not_starve():
    pool = [win(0, task=task) for task in range(100)] + [win(0, task=task, tier=Tier.HARD) for task in range(100, 140)]
    rows, counts = chosen(pool, max_rows=40, hard_share=0.6)
    assert counts["tier_hard"] == 24
    assert len(rows) == 40


def test_what_the_student_can_do_already_is_rehearsed():
    easy = [win(0, task=task, mine=True) for task in range(40)]
    others = [win(0, task=task, tier=tier, mine=task % 2 == 0) for tier in TIERS[1:] for task in range(50, 90)]
    rows, _ = chosen(easy + others, max_rows=60, hard_share=0, rehearsal_share=0.5)
    assert sum(row.task.tier == Tier.EASY for row in rows) >= 20


def test_the_shortest_wins_of_a_task_and_a_repair():
    pool = [win(number, mine=True, calls=1 + number) for number in range(6)] + [win(9, mine=True, calls=5, error=True)]
    rows, counts = chosen(pool)
    assert sorted(len(row.trajectory.calls) for row in rows) == [1, 2, 3, 5]
    assert [repaired(row) for row in sorted(rows, key=length)] == [False, False, False, True]
    assert counts["over_the_task_cap"] == 3
    assert counts["repairs"] == 1


def test_the_same_calls_count_once_and_the_own_win_is_kept():
    theirs, mine = win(3), win(3, mine=True)
    rows, counts = chosen([theirs, mine.model_copy(update={"id": "mine"})])
    assert [row.id for row in rows] == ["mine"]
    assert own(rows[0])
    assert counts["same_calls"] == 1


def test_near_duplicates_of_other_tasks_count_once():
    words = " ".join(f"word{number}" for number in range(80))

    def wordy(task):
        one = win(0, task=task)
        said = (Message(role="user", content=f"{words} {task}"), *one.trajectory.messages[1:])
        return one.model_copy(update={"trajectory": one.trajectory.model_copy(update={"messages": said})})

    _, counts = chosen([wordy(task) for task in range(5)], near_duplicate=0.8)
    assert (counts["rows"], counts["near_duplicate"]) == (1, 4)
    assert chosen([wordy(task) for task in range(5)], near_duplicate=1)[1]["rows"] == 5


def test_the_newest_wins_are_there_and_older_ones_too():
    pool = [win(0, task=task, mine=True, started=task) for task in range(100)]
    started = sorted(row.trajectory.started for row in chosen(pool, max_rows=20)[0])
    assert started[-10:] == list(range(90, 100))
    assert started[0] < 60


@pytest.mark.parametrize("change", [{"seed": 1}, {"max_rows": 4}])
def test_another_seed_or_rule_is_another_dataset(change):
    pool = [win(0, task=task) for task in range(9)]
    seed, rules = change.pop("seed", 0), MixRules(**change)
    assert select(pool, rules, seed).id != select(pool, MixRules(), 0).id


def test_what_is_like_a_task_of_a_gate_is_left_out_and_counted_by_what():
    pool = [win(1, task=1), win(1, task=2), win(1, task=3)]
    likeness = {pool[0].task.id: "initial state", pool[1].task.id: "calls"}
    dataset = select(pool, MixRules(), 0, leak=lambda task: likeness.get(task.id))
    assert dataset.rows == (pool[2].id,)
    told = {name: dataset.counts[name] for name in ("leaked", "leaked_by_initial_state", "leaked_by_calls")}
    assert told == {"leaked": 2, "leaked_by_initial_state": 1, "leaked_by_calls": 1}
