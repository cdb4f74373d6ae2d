import mlx.core as mx
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loop.student import attention, blocks, layout
from loop.student.cores import streams
from loop.student.layout import RUN, Seat, Work, _cuts, _read, lay_out, whole

taken = attention._taken
lengths = st.dictionaries(st.integers(0, 40), st.integers(1, 4000), min_size=1, max_size=20)
works = st.dictionaries(st.integers(0, 20), st.tuples(st.integers(0, 300), st.integers(1, 40)), min_size=1, max_size=8)
K, G, D = 2, 3, 8


def seats_of(work):
    return [Seat(slot, start, count, 0) for slot, (start, count) in sorted(work.items())]


def singles(lengths):
    return {slot: (length - 1, 1) for slot, length in lengths.items()}


def cost(seats, cuts):
    found = 0
    for low, high in cuts:
        width = max(seat.count for seat in seats[low:high])
        reach = _read(max(seat.start + seat.count for seat in seats[low:high]), width)
        found += RUN + reach * width * (seats[high - 1].slot + 1 - seats[low].slot)
    return found


@given(st.one_of(works, lengths.map(singles)))
@example(singles({0: 1, 17: 1}))  # read in whole pieces, one run of 18 slots costs more than two of one
def test_runs_hold_every_slot_in_use_once_and_cost_no_more_than_one_or_many(work):
    seats = seats_of(work)
    cuts = _cuts(seats)
    assert [index for low, high in cuts for index in range(low, high)] == list(range(len(seats)))
    many = [(index, index + 1) for index in range(len(seats))]
    assert cost(seats, cuts) <= min(cost(seats, [(0, len(seats))]), cost(seats, many))


def test_a_slot_far_away_is_a_run_of_its_own_and_one_that_reads_much_beside_one_that_reads_little():
    assert _cuts(seats_of(singles({0: 3000, 1: 2900, 30: 3000}))) == [(0, 2), (2, 3)]
    assert _cuts(seats_of(singles({0: 30, 1: 29, 3: 30}))) == [(0, 3)]
    assert _cuts(seats_of({0: (300, 40), 1: (300, 1), 2: (300, 1)})) == [(0, 1), (1, 3)]


def placed(share):
    """The share's tokens, each taken from where the runs have it, and how many places of its row it sees there."""
    everyone = mx.arange(share.first, share.first + share.count)
    tokens = mx.concatenate([taken(everyone, run.of_slot) for run in share.runs])
    seen = mx.concatenate([(run.mask == 0).sum(axis=-1).reshape(-1) for run in share.runs])
    return taken(tokens, share.of_run).tolist(), taken(seen, share.of_run).tolist()


@given(st.one_of(works, lengths.map(singles)), st.randoms(), st.sampled_from([1, 2, 3]))
def test_each_token_finds_itself_among_the_runs_and_sees_its_row_up_to_itself(work, rng, cores):
    slots = list(work)
    rng.shuffle(slots)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "WORTH", 50)
        found = lay_out([Work(slot, *work[slot], None, 0) for slot in slots], cores)
    pairs = [pair for share in found.shares for pair in zip(*placed(share), strict=True)]
    assert [token for token, _ in pairs] == list(range(sum(count for _, count in work.values())))
    assert [seen for _, seen in pairs] == [
        work[slot][0] + index + 1 for slot in slots for index in range(work[slot][1])
    ]


def test_cores_take_shares_for_the_sake_of_tails_alone():
    behind = [Work(slot, 100, 1, (), 1_000_000) for slot in range(16)]
    assert len(lay_out(behind, 2).shares) == 1
    assert len(lay_out([*behind, Work(16, layout.WORTH // 100, 100, None, 0)], 2).shares) == 2


def test_tokens_that_stand_in_order_need_no_gather():
    in_order, swapped, apart = (
        lay_out([Work(slot, 3, 1, None, 0) for slot in slots]).shares[0] for slots in ((4, 5), (5, 4), (4, 6))
    )
    assert in_order.runs[0].of_slot is None
    assert in_order.of_run is None
    for other in (swapped, apart):
        assert other.runs[0].of_slot is not None
        assert other.of_run is not None


def test_tokens_behind_one_prefix_are_a_group_and_those_without_come_first():
    one, other = ((mx.zeros(1), mx.zeros(1)),), ((mx.ones(1), mx.ones(1)),)
    work = [Work(0, 3, 1, None, 0), Work(4, 5, 7, one, 9), Work(2, 1, 1, one, 9), Work(1, 7, 1, other, 5)]
    groups = lay_out(work).shares[0].groups
    assert [(group.first, group.count) for group in groups] == [(1, 8), (9, 1)]
    assert groups[0].prefix is one


def test_little_stays_with_one_core_and_much_is_shared_out_by_scores():
    assert len(lay_out([Work(slot, 500, 1, None, 0) for slot in range(16)], 2).shares) == 1
    found = lay_out([Work(0, 0, 400, None, 0), Work(1, 1000, 100, None, 0)], 2)
    assert [(share.first, share.count) for share in found.shares] == [(0, 412), (412, 88)]


def plainly(queries, keys, values):
    """Attention of one token, [K, G, D], to all of the keys, [K, T, D], in float64."""
    scores = np.einsum("kgd,ktd->kgt", queries.astype(np.float64), keys)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("kgt,ktd->kgd", weights / weights.sum(axis=-1, keepdims=True), values)


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("worth", [0, 10**9], ids=["side by side", "one core"])
@pytest.mark.parametrize("way", ["in blocks", "in blocks, shifted", "as a whole"])
@given(work=works, behind=st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_attention_is_that_of_each_token_to_its_prefix_and_its_row_up_to_itself(worth, way, work, behind):
    plain = {n: (mx.array(drawn(K, n, D)), mx.array(drawn(K, n + 1, D)[:, :n])) for n in (5, 140)}
    laid = plain if way == "as a whole" else {n: blocks.laid_out(*pair) for n, pair in plain.items()}
    prefixes = [None, (laid[5],), (laid[140],)]
    chosen = sorted(zip(behind, work.items(), strict=False), key=lambda item: (item[0], item[1][0]))
    tasks = [Work(slot, *part, prefixes[which], (0, 5, 140)[which]) for which, (slot, part) in chosen]
    layer = attention.Layer(0, K, D, mx.float32, streams(2))
    layer.shifted = way == "in blocks, shifted"
    layer.tails.reserve(1 + max(work), whole(340))
    layer.tails.keys, layer.tails.values = mx.array(drawn(1 + max(work), K, 384, D)), mx.array(drawn(21, K, 384, D))
    queries = drawn(sum(task.count for task in tasks), K * G, 1, D)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "slow_exp", lambda: way != "as a whole")
        patch.setattr(blocks, "WORTH", worth)
        patch.setattr(layout, "WORTH", worth)
        layer.enter(lay_out(tasks, 2), mx.zeros(1), mx.zeros(1))
        found = np.array(layer.attend(mx.array(queries), 0.5)).reshape(-1, K, G, D)
    assert attention.in_range([layer], None)
    asked = iter(zip(queries.reshape(-1, K, G, D) * 0.5, found, strict=True))
    for task in tasks:
        before = [np.array(part) for part in plain[task.prefix_length]] if task.prefix else [np.zeros((K, 0, D))] * 2
        own = [np.array(part[task.slot]) for part in (layer.tails.keys, layer.tails.values)]
        for index in range(task.count):
            seen = [
                np.concatenate([a, b[:, : task.start + index + 1]], axis=1) for a, b in zip(before, own, strict=True)
            ]
            query, output = next(asked)
            np.testing.assert_allclose(output, plainly(query, *seen), rtol=1e-4, atol=1e-5)
