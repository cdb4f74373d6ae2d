"""Every row is in every epoch once; steps are even; micro-batches stay within their budget; all of it by the seed."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loop.training.masks import TrainingRow
from loop.training.prefix_tree import pack
from loop.training.schedule import split, steps


def made(groups):
    return [
        TrainingRow(
            f"{group}-{number}",
            (group,) * 30 + (100 + number,) * (2 + number),
            (False,) * (30 + number) + (True,),
            str(group),
        )
        for group, count in enumerate(groups)
        for number in range(count)
    ]


groups = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@settings(deadline=None)
@given(groups, st.integers(1, 3), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_every_epoch_has_every_row_once(groups, epochs, size, run, seed):
    rows = made(groups)
    plan = steps(rows, epochs, size, run, seed)
    assert plan == steps(rows, epochs, size, run, seed)
    assert Counter(row.id for step in plan for row in step) == Counter({row.id: epochs for row in rows})
    sizes = [len(step) for step in plan]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(groups, st.integers(1, 4), st.integers(40, 400))
def test_micro_batches_hold_the_budget_and_every_row(groups, lanes, budget):
    rows = made(groups)
    parts = split(rows, lanes, budget)
    assert sorted(row.id for part in parts for row in part) == sorted(row.id for row in rows)
    assert all(len(pack(part, 1, least=1).tokens) <= budget or len(part) == 1 for part in parts)


def test_a_step_of_two_catalogues_is_cut_between_them():
    rows = made([4, 4])
    first, second = split(rows, 2, 10_000)
    assert {row.group for row in first} == {"0"}
    assert {row.group for row in second} == {"1"}


def test_lanes_get_equal_shares_of_one_catalogue():
    rows = [
        TrainingRow(str(tail), (*range(100), *([1000 + tail] * 50)), (False,) * 148 + (True,), "one")
        for tail in range(8)
    ]
    assert [len(part) for part in split(rows, 2, 10_000)] == [4, 4]
    assert [len(part) for part in split(rows, 2, 260)] == [2, 2, 2, 2]
    assert [len(part) for part in split(rows[:1], 2, 10)] == [1]


def test_lanes_are_evened_out_beyond_the_order_of_rows():
    lengths = (300, 290, 60, 50)  # in order: 300 alone and 400, or 590 and 110
    rows = [
        TrainingRow(str(n), (n,) * length, (False,) * (length - 1) + (True,), str(n))
        for n, length in enumerate(lengths)
    ]
    assert [sorted(len(row.tokens) for row in part) for part in split(rows, 2, 1000)] == [[60, 290], [50, 300]]


@given(st.lists(st.integers(2, 300), min_size=2, max_size=12), st.integers(2, 4))
def test_evening_out_never_makes_the_largest_larger(lengths, lanes):
    rows = [
        TrainingRow(str(n), (n,) * length, (False,) * (length - 1) + (True,), str(n))
        for n, length in enumerate(lengths)
    ]
    largest = max(sum(len(row.tokens) for row in part) for part in split(rows, lanes, 10_000))
    assert largest >= max(*lengths, -(-sum(lengths) // lanes))
    assert largest <= sum(lengths) // lanes + max(lengths)
