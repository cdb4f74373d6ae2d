"""Budgets, rests and windows: who may play, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import FailureKind
from loop.types import End, Failure, Play, Task, Tier, Trajectory, Turn, Usage
from teachers.base.teacher import Teacher
from teachers.budget.account import Account
from teachers.budget.decision import next_allowed
from teachers.budget.ledger import charged
from teachers.budget.limits import Cap, Limits, Spending, Window
from teachers.budget.rest import FIRST_REST, GRACE, JITTER, LONGEST_REST, OWNERS_REST, CredentialRest, rest_after
from teachers.fakes.ledger import MemoryLedger

NOW = 1_800_000_000.0
usages = st.builds(
    Usage,
    prompt_tokens=st.integers(0, 10**9),
    completion_tokens=st.integers(0, 10**9),
    requests=st.integers(0, 10**4),
    cost=st.floats(0, 1e4),
)


def failure(kind, retry_at=None):
    return Failure(kind=kind, message="because", retry_at=retry_at)


# --- decisions -------------------------------------------------------------------------------------------------------


def test_without_limits_everything_may_start():
    assert next_allowed(Spending(), Limits(), NOW).allowed


@pytest.mark.parametrize("period", ["hour", "day", "round"])
@pytest.mark.parametrize(
    ("cap", "word"), [(Cap(tokens=99), "tokens"), (Cap(requests=1), "requests"), (Cap(cost=0.5), "money")]
)
def test_a_budget_names_its_period_and_its_bound(period, cap, word):
    used = Usage(prompt_tokens=50, completion_tokens=30, requests=1, cost=0.3)
    wanted = Usage(prompt_tokens=20, requests=1, cost=0.3)
    decision = next_allowed(Spending(**{period: used}), Limits(**{period: cap}), NOW, wanted=wanted)
    assert not decision.allowed
    assert period in decision.reason
    assert word in decision.reason


@given(usages, usages, st.integers(0, 10**9))
def test_what_is_allowed_never_breaks_a_budget(used, wanted, cap):
    decision = next_allowed(Spending(day=used), Limits(day=Cap(tokens=cap)), NOW, wanted=wanted)
    total = used + wanted
    assert decision.allowed == (total.prompt_tokens + total.completion_tokens <= cap)


def test_a_resting_credential_waits_then_tries_one_play_at_a_time():
    rest = CredentialRest(until=NOW + 10, failures=1, reason="quota: used up")
    early = next_allowed(Spending(), Limits(), NOW, rest=rest)
    assert (early.allowed, early.retry_at) == (False, NOW + 10)
    assert "used up" in early.reason
    assert next_allowed(Spending(), Limits(), NOW + 10, rest=rest).allowed
    assert not next_allowed(Spending(running=1), Limits(), NOW + 10, rest=rest).allowed
    assert next_allowed(Spending(running=1), Limits(), NOW + 10, rest=CredentialRest()).allowed


def test_a_used_up_window_waits_for_its_reset():
    window = Window(name="the primary window", used=1.0, resets_at=NOW + 500)
    decision = next_allowed(Spending(), Limits(), NOW, windows=[window])
    assert (decision.allowed, decision.retry_at) == (False, NOW + 500 + GRACE)
    assert next_allowed(Spending(), Limits(), NOW + 501, windows=[window]).allowed, "the window has been reset since"


def test_from_95_percent_on_plays_go_one_at_a_time():
    nearly, less = (Window(name="w", used=used, resets_at=NOW + 500) for used in (0.95, 0.94))
    assert next_allowed(Spending(), Limits(), NOW, windows=[nearly]).allowed
    assert not next_allowed(Spending(running=1), Limits(), NOW, windows=[nearly]).allowed
    assert next_allowed(Spending(running=1), Limits(), NOW, windows=[less]).allowed


def test_the_number_at_once_is_bounded():
    assert next_allowed(Spending(running=7), Limits(concurrency=8), NOW).allowed
    assert not next_allowed(Spending(running=8), Limits(concurrency=8), NOW).allowed


def test_the_cheaper_hours_are_waited_for_only_if_asked():
    assert next_allowed(Spending(), Limits(), NOW, cheaper_at=NOW + 60).allowed
    waiting = next_allowed(Spending(), Limits(off_peak=True), NOW, cheaper_at=NOW + 60)
    assert (waiting.allowed, waiting.retry_at) == (False, NOW + 60)


# --- rests -----------------------------------------------------------------------------------------------------------


def test_a_told_reset_is_waited_for_and_a_little_longer():
    rest = rest_after(failure(FailureKind.QUOTA, NOW + 3600), CredentialRest(), NOW, jitter=1.0)
    assert rest.until == NOW + 3600 + GRACE + JITTER
    assert rest.reason == "quota: because"


def test_an_untold_rest_doubles_up_to_four_hours_and_an_answer_ends_it():
    rest, lengths = CredentialRest(), []
    for _ in range(7):
        rest = rest_after(failure(FailureKind.QUOTA), rest, NOW, jitter=0.0)
        lengths.append(rest.until - NOW)
    assert lengths[:4] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST, 8 * FIRST_REST]
    assert lengths[-1] == LONGEST_REST
    assert rest_after(None, rest, NOW) == CredentialRest()


@pytest.mark.parametrize("kind", [FailureKind.AUTH, FailureKind.FATAL])
def test_what_only_its_owner_can_mend_is_tried_once_an_hour(kind):
    assert rest_after(failure(kind), CredentialRest(), NOW).until == NOW + OWNERS_REST


@pytest.mark.parametrize("kind", [FailureKind.BAD_INPUT, FailureKind.BAD_OUTPUT, FailureKind.LOST, FailureKind.UNSAFE])
def test_a_failure_of_one_play_does_not_stop_the_others(kind):
    before = CredentialRest(until=NOW - 1, failures=2, reason="x")
    assert rest_after(failure(kind), before, NOW) == before
    assert rest_after(failure(kind), CredentialRest(), NOW) == CredentialRest()


@given(st.sampled_from(FailureKind), st.none() | st.floats(NOW - 1e6, NOW + 1e6), st.integers(0, 60), st.floats(0, 1))
def test_no_rest_ends_before_it_begins_or_lasts_longer_than_it_must(kind, retry_at, failures, jitter):
    rest = rest_after(failure(kind, retry_at), CredentialRest(failures=failures), NOW, jitter)
    if rest.failures > failures:
        assert NOW < rest.until <= max(NOW + LONGEST_REST, retry_at or 0) + GRACE + JITTER


# --- settling --------------------------------------------------------------------------------------------------------


@given(usages, usages)
def test_a_failed_play_is_never_charged_less_than_it_used_or_reserved(reserved, used):
    assert charged(reserved, used, failed=False) == used
    paid = charged(reserved, used, failed=True)
    for name, amount in paid.model_dump().items():
        assert amount >= max(reserved.model_dump()[name], used.model_dump()[name])


class Paid(Teacher):
    cost: float = 1.0
    told: tuple[Window, ...] = ()

    @property
    def name(self):
        return "paid"

    @property
    def credential(self):
        return "paid:KEY"

    def open(self, task, seed):
        raise AssertionError("no play is opened here")

    def estimate(self, task):
        return Usage(prompt_tokens=1000, requests=5, cost=self.cost)

    def windows(self):
        return self.told


TASK = Task(
    generator="g", family="f", tier=Tier.EASY, seed=0, backends=("B",), initial={}, tools=(), leak_group="x",
    turns=(Turn(user="Hi"),),
)  # fmt: skip


def play(number):
    return Play(id=f"p{number}", round=1, task=TASK, player={"use": "paid"}, player_name="paid")


def played(failure=None, **usage):
    end = End.CLOSED if failure is None else End.FAILED
    return Trajectory(task=TASK.id, player="paid", end=end, failure=failure, usage=Usage(**usage))


@pytest.fixture
def account():
    ledger = MemoryLedger(now=NOW)
    return Account(Paid(), ledger, Limits(round=Cap(cost=2.5)), clock=lambda: ledger.now)


def test_the_worst_case_is_reserved_before_and_what_was_used_stands_after(account):
    account.start(play(1))
    assert account.ledger.spent(round=1).cost == 1.0
    account.end(play(1), played(cost=0.2, prompt_tokens=70, requests=3))
    assert account.ledger.spent(round=1) == Usage(cost=0.2, prompt_tokens=70, requests=3)


def test_a_crash_counts_what_was_reserved(account):
    for number in range(2):
        account.start(play(number))
    again = Account(Paid(), account.ledger, account.limits, clock=lambda: NOW)
    assert not again.decide(TASK, 1).allowed, "two plays were reserved and never settled"


def test_plays_under_way_count_against_the_budget(account):
    for number in range(2):
        assert account.decide(TASK, 1).allowed
        account.start(play(number))
    assert not account.decide(TASK, 1).allowed
    assert account.decide(TASK, 2).allowed, "another round has its own budget"


def test_the_budget_of_an_hour_comes_back(account):
    account.limits = Limits(hour=Cap(cost=1.5))
    account.start(play(1))
    account.end(play(1), played(cost=1.0))
    assert not account.decide(TASK, 1).allowed
    account.ledger.now += 3601
    assert account.decide(TASK, 1).allowed


def test_a_quota_stop_parks_the_credential_and_a_play_wakes_it(account):
    account.start(play(1))
    rest = account.end(play(1), played(failure(FailureKind.QUOTA, NOW + 100)))
    assert rest.failures == 1
    assert not account.decide(TASK, 1).allowed
    assert account.ledger.spent().cost == 0, "a refusal costs nothing"
    account.ledger.now = rest.until
    assert account.decide(TASK, 1).allowed
    account.start(play(2))
    assert not account.decide(TASK, 1).allowed, "one play tries"
    assert account.end(play(2), played(cost=0.1)) == CredentialRest()
    assert account.decide(TASK, 1).allowed


def test_a_broken_play_is_charged_in_full(account):
    account.start(play(1))
    account.end(play(1), played(failure(FailureKind.RETRYABLE), cost=0.1))
    assert account.ledger.spent().cost == 1.0


def test_the_providers_own_account_is_asked_before_and_not_for_every_play(account):
    account.teacher = Paid(told=(Window(name="w", used=1.0, resets_at=NOW + 2000),))
    assert account.decide(TASK, 1).retry_at == NOW + 2000 + GRACE
    account.teacher = Paid()
    assert not account.decide(TASK, 1).allowed, "it was asked again at once"
    account.ledger.now += 601
    assert account.decide(TASK, 1).allowed
