"""Every assistant span has loss, nothing else has, nothing is cut."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.training.masks import RowRefused, learned, row


class Span(NamedTuple):
    tokens: tuple[int, ...]
    loss: bool


spans = st.lists(st.builds(Span, st.lists(st.integers(0, 99), min_size=1, max_size=9).map(tuple), st.booleans()))


@settings(deadline=None)
@given(spans)
def test_a_target_has_loss_exactly_where_its_span_has(parts):
    flags = [part.loss for part in parts for _ in part.tokens]
    if not any(flags[1:]):
        with pytest.raises(RowRefused, match="no_loss"):
            row("r", parts, 1000)
        return
    made = row("r", parts, 1000)
    assert made.tokens == tuple(token for part in parts for token in part.tokens)
    assert list(made.loss) == flags[1:]
    assert made.targets == sum(flags[1:])


@settings(deadline=None)
@given(spans, st.integers(1, 20))
def test_a_row_is_whole_or_refused(parts, limit):
    size = sum(len(part.tokens) for part in parts)
    if size > limit:
        with pytest.raises(RowRefused, match="too_long"):
            row("r", parts, limit)
    elif any([part.loss for part in parts for _ in part.tokens][1:]):
        assert len(row("r", parts, limit).tokens) == size


@pytest.mark.parametrize(("weigh", "shares"), [("trajectories", (1 / 2, 1 / 2)), ("tokens", (1 / 4, 3 / 4))])
def test_a_long_play_outweighs_a_short_one_only_where_tokens_weigh_alike(weigh, shares):
    rows = [row(str(size), [Span((1, 2), False), Span((3,) * size, True)], 100, weigh=weigh) for size in (2, 6)]
    assert tuple(row.weight * row.targets / learned(rows) for row in rows) == pytest.approx(shares)
