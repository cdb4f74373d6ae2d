"""What every checker must do, whatever it judges."""

import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loop import plugins
from loop.canonical import canonical
from loop.types import Call, End, From, Intent, Message, Part, PlannedCall, Trajectory, Turn, Verdict

CHECKERS = [plugins.load("checkers", Part(use=name)) for name in plugins.known("checkers")]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 5e-324, 1.7e308])
    | st.floats()
    | st.text()
    | st.sampled_from(["SELECT x'4 FROM (", "select 0xfffffffffffffffffffffffff, 1e999", "\ud800", "a\0b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TOOLS = st.sampled_from(["get_stock_info", "place_order", "cancel_order", "get_watchlist", "none", "__init__", ""])
CALLS = st.builds(
    Call, name=TOOLS, arguments=st.dictionaries(st.sampled_from(["symbol", "price", "order_id", "x"]), VALUES)
)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=st.text() | st.sampled_from(["Look up AAPL and buy 10 shares at its present price.", "{}", "[1", "null"]),
    calls=st.lists(CALLS, max_size=2).map(tuple),
    ok=st.none() | st.booleans(),
    leniencies=st.lists(st.sampled_from(["a", "b"])).map(tuple),
    fault=st.none() | st.text(),
)


def test_the_known_checkers():
    assert {checker.name for checker in CHECKERS} >= {
        "answer",
        "luck",
        "outcome",
        "stop",
        "dataflow",
        "economy",
        "format",
        "ast_match",
        "text_match",
        "recall",
        "sql_match",
    }


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.name)
def test_a_checker_is_a_frozen_record_with_a_version_that_judges_the_right_play_right(checker, task, plays):
    verdict = checker.check(task, plays.make(task, plays.right()))
    assert isinstance(verdict, Verdict)
    assert (verdict.checker, verdict.version) == (checker.name, checker.version)
    assert (verdict.passed, verdict.score) == (True, 1.0)
    assert checker == type(checker)() == pickle.loads(pickle.dumps(checker))
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.name)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(messages=st.lists(MESSAGES, max_size=8), end=st.sampled_from(list(End)))
def test_nothing_that_a_player_may_have_done_raises(checker, task, messages, end):
    trajectory = Trajectory(task=task.id, player="x", messages=tuple(messages), end=end)
    verdict = checker.check(task, trajectory)
    assert verdict == checker.check(task, trajectory)
    assert canonical(dict(verdict.evidence))
    assert 0 <= verdict.score <= 1
    assert verdict.reason
    assert len(verdict.model_dump_json()) < 200_000


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.name)
@pytest.mark.parametrize(
    "damage",
    [
        {"initial": {"TradingBot": {"orders": 5}}},
        {"initial": {}},
        {"backends": ("NoSuchBackend",)},
        {"tools": ("no_such_tool",)},
        {"turns": (Turn(user="x", plan=(PlannedCall(name="cancel_order", arguments={"order_id": From(step=7)}),)),)},
        {
            "turns": (
                Turn(user="x", intent=Intent.ANSWER, answer=(From(step=3), From(step=0, rule="match", operand="("))),
            )
        },
        {"backends": ("SQL",), "initial": {"SQL": {"schema": "CREATE", "rows": 5}}},
    ],
)
def test_a_damaged_task_is_judged_too(checker, task, plays, damage):
    damaged = task.model_copy(update=damage)
    verdict = checker.check(damaged, plays.make(task, plays.right()))
    assert canonical(dict(verdict.evidence))
    assert verdict.reason


def test_an_empty_trajectory_fails_outcome_and_stop(task):
    empty = Trajectory(task=task.id, player="x", end=End.CLOSED)
    failed = {checker.name for checker in CHECKERS if not checker.check(task, empty).passed}
    assert failed >= {"answer", "outcome", "stop"}
