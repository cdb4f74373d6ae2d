import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.compute import layout
from loop.compute.cpu import blocks
from loop.compute.cpu.cores import streams
from loop.compute.layout import PAGE, RUN, Seat, Work, _cuts, lay_out, pages_of
from loop.student.engine import attention, tails

K, G, D = 2, 3, 8
taken = attention._taken
works = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), min_size=1, max_size=8)
singles = st.lists(st.tuples(st.integers(0, 4000), st.just(1)), min_size=1, max_size=20)


def rows_of(work, rng=None):
    """Work of rows without a prefix, each in pages of its own, in any order."""
    free = list(range(sum(pages_of(start + count) for start, count in work)))
    if rng:
        rng.shuffle(free)
    return [Work([free.pop() for _ in range(pages_of(start + count))], start, count, None, 0) for start, count in work]


def seats_of(work):
    firsts = np.cumsum([0, *(count for _, count in work)]).tolist()
    return [Seat(row.pages, row.start, row.count, first) for row, first in zip(rows_of(work), firsts, strict=False)]


def cost(runs):
    found = 0
    for run in runs:
        width = max(seat.count for seat in run)
        found += RUN + PAGE * width * sum(len(seat.pages) for seat in run)
    return found


@given(st.one_of(works, singles))
def test_runs_hold_every_row_once_and_cost_no_more_than_one_or_many(work):
    seats = seats_of(work)
    runs = _cuts(seats)
    assert sorted((seat for run in runs for seat in run), key=lambda seat: seat.first) == seats
    assert all(run == sorted(run, key=lambda seat: seat.first) for run in runs)
    assert cost(runs) <= min(cost([seats]), cost([[seat] for seat in seats]))


def test_rows_are_apart_where_one_would_make_the_others_read_more():
    def parted(work):
        seats = seats_of(work)
        return [[seats.index(seat) for seat in run] for run in _cuts(seats)]

    assert parted([(3000, 1), (29, 1), (2900, 1), (30, 1)]) == [[0, 1, 2, 3]]  # each reads its own pages alone
    assert parted([(300, 40), (300, 1), (300, 1)]) == [[1, 2], [0]]
    assert parted([(3000, 8), (3000, 1), (3000, 1)]) == [[1, 2], [0]]


def seen_of(run):
    """How many places each token of a run sees, row by row: of all pages, each asked by its row."""
    seen = np.array((run.mask == 0).sum(axis=-1)).reshape(run.mask.shape[0], -1)
    rows = np.array(run.of_row)[::K] // K
    return np.stack([seen[rows == row].sum(axis=0) for row in range(run.rows)]).reshape(-1)


def placed(share):
    """The share's tokens, each taken from where the runs have it, and how many places of its row it sees there."""
    everyone = mx.arange(share.first, share.first + share.count)
    tokens = mx.concatenate([taken(everyone, run.asking) for run in share.runs])
    seen = mx.array(np.concatenate([seen_of(run) for run in share.runs]))
    return taken(tokens, share.of_run).tolist(), taken(seen, share.of_run).tolist()


@given(st.one_of(works, singles), st.randoms(), st.sampled_from([1, 2, 3]))
def test_each_token_finds_itself_among_the_runs_and_sees_its_row_up_to_itself(work, rng, cores):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "WORTH", 50)
        found = lay_out(rows_of(work, rng), K, cores)
    pairs = [pair for share in found.shares for pair in zip(*placed(share), strict=True)]
    assert [token for token, _ in pairs] == list(range(sum(count for _, count in work)))
    assert [seen for _, seen in pairs] == [start + index + 1 for start, count in work for index in range(count)]


@given(works, st.randoms())
def test_each_token_goes_to_its_place_in_its_page_a_head(work, rng):
    rows = rows_of(work, rng)
    spots = np.array(lay_out(rows, K).spots).reshape(-1, K)
    places = [
        (row.pages[place // PAGE], place % PAGE) for row in rows for place in range(row.start, row.start + row.count)
    ]
    assert spots.tolist() == [[(page * K + head) * PAGE + within for head in range(K)] for page, within in places]


def test_cores_take_shares_for_the_sake_of_tails_alone():
    behind = [Work([0, 1], 100, 1, (), 1_000_000)] * 16
    assert len(lay_out(behind, K, 2).shares) == 1
    start = layout.WORTH // 100
    assert len(lay_out([*behind, *rows_of([(start, 100)])], K, 2).shares) == 2


def test_tokens_that_stand_in_order_need_no_gather():
    far = [(3000, 8), (3000, 1), (3000, 8), (3000, 1)]
    alike, apart = (lay_out(rows_of(work), K).shares[0] for work in ([(3, 1), (5, 1)], far))
    assert alike.runs[0].asking is None
    assert alike.of_run is None
    assert len(apart.runs) == 2
    assert all(run.asking is not None for run in apart.runs)
    assert apart.of_run is not None


def test_tokens_behind_one_prefix_are_a_group_and_those_without_come_first():
    one, other = ((mx.zeros(1), mx.zeros(1)),), ((mx.ones(1), mx.ones(1)),)
    work = [Work([0], 3, 1, None, 0), Work([1], 5, 7, one, 9), Work([2], 1, 1, one, 9), Work([3], 7, 1, other, 5)]
    groups = lay_out(work, K).shares[0].groups
    assert [(group.first, group.count) for group in groups] == [(1, 8), (9, 1)]
    assert groups[0].prefix is one


def test_little_stays_with_one_core_and_much_is_shared_out_by_scores():
    assert len(lay_out(rows_of([(500, 1)] * 16), K, 2).shares) == 1
    found = lay_out(rows_of([(0, 400), (1000, 100)]), K, 2)
    assert [(share.first, share.count) for share in found.shares] == [(0, 412), (412, 88)]


def plainly(queries, keys, values):
    """Attention of one token, [K, G, D], to all of the keys, [K, T, D], in float64."""
    scores = np.einsum("kgd,ktd->kgt", queries.astype(np.float64), keys)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("kgt,ktd->kgd", weights / weights.sum(axis=-1, keepdims=True), values)


def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def tail(shelf, pages):
    """A tail's keys or values, [K, T, D], read page by page."""
    return np.concatenate([np.array(shelf)[page] for page in pages], axis=1)


@pytest.mark.parametrize("worth", [0, 10**9], ids=["side by side", "one core"])
@pytest.mark.parametrize("way", ["in blocks", "in blocks, shifted", "as a whole"])
@given(work=works, behind=st.lists(st.integers(0, 2), min_size=8, max_size=8), rng=st.randoms())
def test_attention_is_that_of_each_token_to_its_prefix_and_its_row_up_to_itself(worth, way, work, behind, rng):
    plain = {n: (mx.array(drawn(K, n, D)), mx.array(drawn(K, n + 1, D)[:, :n])) for n in (5, 140)}
    laid = plain if way == "as a whole" else {n: blocks.laid_out(*pair) for n, pair in plain.items()}
    prefixes = [None, (laid[5],), (laid[140],)]
    chosen = sorted(zip(behind, rows_of(work, rng), strict=False), key=lambda item: item[0])
    tasks = [Work(row.pages, row.start, row.count, prefixes[which], (0, 5, 140)[which]) for which, row in chosen]
    layer = attention.Layer(0, K, D, mx.float32, streams(2))
    layer.shifted = way == "in blocks, shifted"
    count = sum(len(task.pages) for task in tasks)
    layer.tails.keys, layer.tails.values = (mx.array(drawn(count + more, K, PAGE, D)) for more in (0, 1))
    queries = drawn(sum(task.count for task in tasks), K * G, 1, D)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "slow_exp", lambda: way != "as a whole")
        patch.setattr(blocks, "WORTH", worth)
        patch.setattr(layout, "WORTH", worth)
        layer.enter(lay_out(tasks, K, 2), mx.zeros(1))
        found = np.array(layer.attend(mx.array(queries), 0.5)).reshape(-1, K, G, D)
    assert attention.in_range([layer], None)
    asked = iter(zip(queries.reshape(-1, K, G, D) * 0.5, found, strict=True))
    for task in tasks:
        before = [np.array(part) for part in plain[task.prefix_length]] if task.prefix else [np.zeros((K, 0, D))] * 2
        own = [tail(part, task.pages) for part in (layer.tails.keys, layer.tails.values)]
        for index in range(task.count):
            seen = [
                np.concatenate([a, b[:, : task.start + index + 1]], axis=1) for a, b in zip(before, own, strict=True)
            ]
            query, output = next(asked)
            np.testing.assert_allclose(output, plainly(query, *seen), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shifted", [False, True])
def test_scores_of_a_tail_too_far_from_nought_are_noticed_and_right_when_shifted(shifted):
    layer = attention.Layer(0, K, D, mx.float32)
    layer.tails.keys, layer.tails.values = mx.array(drawn(2, K, PAGE, D)), mx.array(drawn(2, K, PAGE, D))
    layer.shifted = shifted
    layer.enter(lay_out([Work([1, 0], 99, 1, None, 0)], K), mx.zeros(1))
    query = drawn(1, K * G, 1, D) * 100
    found = np.array(layer.attend(mx.array(query), 1.0)).reshape(K, G, D)
    assert attention.in_range([layer], None) == shifted
    if shifted:
        own = [tail(part, [1, 0])[:, :100] for part in (layer.tails.keys, layer.tails.values)]
        np.testing.assert_allclose(found, plainly(query.reshape(K, G, D), *own), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_chosen_products_are_those_of_the_chosen_whatever_the_numbers(dtype):
    one, other = mx.array(drawn(4, 3, D)).astype(dtype), mx.array(drawn(5, D, 6)).astype(dtype)
    of_one, of_other = mx.array([0, 3, 3], mx.uint32), mx.array([4, 4, 1], mx.uint32)
    expected = [one[a] @ other[b] for a, b in ((0, 4), (3, 4), (3, 1))]
    np.testing.assert_allclose(
        tails._products(one, other, of_one, of_other).astype(mx.float32),
        mx.stack(expected).astype(mx.float32),
        rtol=1e-6,
    )
    in_order = tails._products(one, other, None, mx.array([4, 4, 1, 0], mx.uint32))
    assert mx.allclose(in_order[3], one[3] @ other[0]).item()
