"""Rows from outside take their share of a dataset, by the seed, without what is like a gate's task."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.dataset.shares import room, shared
from loop.types import Accepted, Dataset, End, Task, Trajectory, Turn


def accepted(name):
    task = Task(
        generator="traces", family="traces", tier="easy", seed=0, backends=("Traces",), initial={}, tools=(),
        turns=(Turn(user=name),), leak_group=name,
    )  # fmt: skip
    return Accepted(id=name, task=task, trajectory=Trajectory(task=task.id, player="trace", end=End.CLOSED))


OWN = Dataset(id="d", rows=tuple(f"own{n}" for n in range(60)), counts={"accepted": 60}, rules={"max_rows": 60})
FOUND = [accepted(f"t{n}") for n in range(100)]


@pytest.mark.parametrize(("share", "traces", "own"), [(0.25, 20, 60), (0.5, 60, 60), (0.8, 100, 60), (1, 100, 0)])
def test_a_share_is_a_share_of_all_rows(share, traces, own):
    done = shared(OWN, FOUND, ("traces", share, 240), seed=1)
    assert sum(row.startswith("t") for row in done.rows) == traces
    assert sum(row.startswith("own") for row in done.rows) == own
    assert (done.counts["traces"], done.counts["traces_there"], done.counts["rows"]) == (traces, 100, traces + own)
    assert done.rules["traces_share"] == share


def test_the_seed_decides_which_and_in_which_order():
    one, same, other = (shared(OWN, FOUND, ("traces", 0.25, 240), seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert set(one.rows) != set(other.rows)
    assert one.id != other.id


def test_what_is_like_a_gates_task_is_left_out_and_counted():
    done = shared(OWN, FOUND, ("traces", 0.5, 240), 1, lambda task: "same words" if task.leak_group < "t5" else None)
    assert done.counts["traces_leaked"] > 0
    assert all(row.startswith("own") or row >= "t5" for row in done.rows)


@given(st.integers(0, 500), st.floats(0, 1), st.integers(0, 500))
def test_there_is_never_more_than_the_share_or_than_there_may_be(rows, share, most):
    found = room(rows, share, most)
    assert 0 <= found <= most
    assert share >= 1 or found <= share / (1 - share) * rows + 0.5 + 1e-6
