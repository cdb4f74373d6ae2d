from itertools import pairwise

import mlx.core as mx
from hypothesis import example, given
from hypothesis import strategies as st

from loop.student import attention
from loop.student.layout import RUN, Work, _cuts, lay_out, whole

taken = attention._taken
lengths = st.dictionaries(st.integers(0, 40), st.integers(1, 4000), min_size=1, max_size=20)


def cost(lengths, cuts):
    reach = [max(length for slot, length in lengths.items() if low <= slot < high) for low, high in cuts]
    return sum(RUN + whole(each) * (high - low) for each, (low, high) in zip(reach, cuts, strict=True))


@given(lengths)
@example({0: 1, 17: 1})  # read in whole pieces, one run of 18 slots costs more than two of one
def test_runs_hold_every_slot_in_use_once_and_cost_no_more_than_one_or_many(lengths):
    cuts = _cuts(lengths)
    assert sorted(slot for low, high in cuts for slot in range(low, high) if slot in lengths) == sorted(lengths)
    assert all(high <= low for (_, high), (low, _) in pairwise(cuts))
    one, many = [(min(lengths), max(lengths) + 1)], [(slot, slot + 1) for slot in sorted(lengths)]
    assert cost(lengths, cuts) <= min(cost(lengths, one), cost(lengths, many))


def test_a_slot_far_away_is_a_run_of_its_own():
    assert _cuts({0: 3000, 1: 2900, 30: 3000}) == [(0, 2), (30, 31)]
    assert _cuts({0: 30, 1: 29, 3: 30}) == [(0, 4)]


@given(lengths, st.randoms())
def test_each_single_finds_itself_among_the_runs(lengths, rng):
    slots = list(lengths)
    rng.shuffle(slots)
    found = lay_out([Work(slot, lengths[slot] - 1, 1, None, 0) for slot in slots])
    everyone = mx.arange(len(slots))
    singles = taken(mx.concatenate([taken(everyone, run.of_slot) for run in found.runs]), found.of_run)
    assert singles.tolist() == everyone.tolist()
    seen = taken(mx.concatenate([(run.mask == 0).sum(axis=(1, 2, 3)) for run in found.runs]), found.of_run)
    assert seen.tolist() == [lengths[slot] for slot in slots]


def test_rows_that_stand_in_order_need_no_gather():
    in_order, swapped, apart = (
        lay_out([Work(slot, 3, 1, None, 0) for slot in slots]) for slots in ((4, 5), (5, 4), (4, 6))
    )
    assert in_order.runs[0].of_slot is None
    assert in_order.of_run is None
    for other in (swapped, apart):
        assert other.runs[0].of_slot is not None
        assert other.of_run is not None


def test_rows_behind_one_prefix_are_a_group_and_those_without_come_first():
    one, other = ((mx.zeros(1), mx.zeros(1)),), ((mx.ones(1), mx.ones(1)),)
    work = [Work(0, 3, 1, None, 0), Work(4, 5, 1, one, 9), Work(2, 1, 1, one, 9), Work(1, 7, 1, other, 5)]
    groups = lay_out(work).groups
    assert [(group.first, group.count) for group in groups] == [(1, 2), (3, 1)]
    assert groups[0].prefix is one
