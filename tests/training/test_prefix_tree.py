"""A packed forest says of every row what the row says of itself, and computes no token twice that is worth sharing."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.training.masks import TrainingRow, learned
from loop.training.prefix_tree import pack


@st.composite
def rows(draw):
    """Rows over two letters: they share beginnings of every length."""
    made = []
    for number in range(draw(st.integers(1, 6))):
        tokens = tuple(draw(st.lists(st.integers(0, 1), min_size=2, max_size=12)))
        loss = [*draw(st.lists(st.booleans(), min_size=len(tokens) - 2, max_size=len(tokens) - 2)), True]
        made.append(TrainingRow(str(number), tokens, tuple(loss), weight=draw(st.sampled_from([1.0, 1 / sum(loss)]))))
    return made


def path(packed, segment):
    above = path(packed, packed.segments[segment.parent]) if segment.parent >= 0 else ()
    return above + tuple(range(segment.start, segment.stop))


@settings(deadline=None)
@given(rows(), st.integers(1, 6), st.integers(1, 5))
def test_what_is_learned_is_what_the_rows_say(rows, least, block):
    total = learned(rows)
    packed = pack(rows, total, least, block)
    expected = defaultdict(float)
    for row in rows:
        for place, counts in enumerate(row.loss):
            if counts:
                expected[row.tokens[: place + 2]] += row.weight / total
    found = defaultdict(float)
    paths = {
        place: path(packed, segment) for segment in packed.segments for place in range(segment.start, segment.stop)
    }
    for place, target, weight in zip(packed.index, packed.targets, packed.weights, strict=True):
        seen = tuple(packed.tokens[step] for step in paths[place] if step <= place)
        found[(*map(int, seen), int(target))] += float(weight)
    assert found == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(1)


@settings(deadline=None)
@given(rows(), st.integers(1, 6), st.integers(1, 5))
def test_each_row_finds_the_losses_of_its_own_tokens(rows, least, block):
    packed = pack(rows, learned(rows), least, block)
    found = packed.of_rows(packed.weights * packed.targets)  # as if each lost its own number
    for row in rows:
        own = [row.tokens[place + 1] for place, counts in enumerate(row.loss) if counts]
        assert found[row.id] == pytest.approx(own)
        places = [int(packed.positions[packed.index[triple]]) for triple in packed.learned[row.id]]
        assert places == [place for place, counts in enumerate(row.loss) if counts]


@settings(deadline=None)
@given(rows(), st.integers(1, 6), st.integers(1, 5))
def test_segments_lie_behind_what_they_follow(rows, least, block):
    packed = pack(rows, 1, least, block)
    assert [segment.start for segment in packed.segments] == [0, *(segment.stop for segment in packed.segments[:-1])]
    for number, segment in enumerate(packed.segments):
        assert segment.parent < number
        assert 0 < segment.stop - segment.start <= block
        assert len(path(packed, segment)) == segment.depth + segment.stop - segment.start
        assert list(packed.positions[segment.start : segment.stop]) == list(
            range(segment.depth, segment.depth + segment.stop - segment.start)
        )


def test_a_common_prefix_is_there_once():
    prefix = tuple(range(100))
    many = [TrainingRow(str(tail), (*prefix, 200 + tail, 300, 301), (False,) * 101 + (True,)) for tail in range(8)]
    assert len(pack(many, 8).tokens) == 100 + 8 * 2
    assert len(pack(many, 8, least=200).tokens) == 8 * 102


def test_wins_of_one_task_share_more_than_the_catalogue():
    catalogue = tuple(range(100))
    tasks = [tuple(range(1000 * task, 1000 * task + 40)) for task in (1, 2)]
    wins = [(*catalogue, *task, 5000 + win, 300, 301) for task in tasks for win in range(3)]
    rows = [TrainingRow(str(number), tokens, (False,) * 141 + (True,)) for number, tokens in enumerate(wins)]
    packed = pack(rows, 6)
    assert len(packed.tokens) == 100 + 2 * 40 + 6 * 2
    assert packed.row_tokens == 6 * 143
