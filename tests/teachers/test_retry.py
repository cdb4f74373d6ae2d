import pytest

from loop.errors import FailureKind, ProviderError
from loop.types import Message, Reply, Usage
from teachers.provider.retry import LONGEST_WAIT, AttemptFailed, Patience, persist

DONE = Reply(message=Message(role="assistant", content="Done."), usage=Usage(prompt_tokens=10, requests=1))


def asking(*outcomes):
    """An attempt that goes through these outcomes, and what it was told each time."""
    left, told = list(outcomes), []

    def ask(complaints):
        told.append(complaints)
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return ask, told


def fault(kind, **details):
    return AttemptFailed(kind, "because", **details)


def attempts(kind, patience=None, **details):
    ask, told = asking(*[fault(kind, **details) for _ in range(20)])
    with pytest.raises(ProviderError) as caught:
        persist(ask, patience or Patience(), sleep=lambda _: None)
    return len(told), caught.value


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        (FailureKind.RETRYABLE, 5),
        (FailureKind.AUTH, 2),
        (FailureKind.BAD_OUTPUT, 3),
        (FailureKind.QUOTA, 1),
        (FailureKind.FATAL, 1),
        (FailureKind.BAD_INPUT, 1),
        (FailureKind.UNSAFE, 1),
        (FailureKind.LOST, 1),
    ],
)
def test_each_kind_has_its_number_of_attempts(kind, tries):
    made, error = attempts(kind)
    assert (made, error.kind) == (tries, kind)


def test_the_unknown_is_tried_twice_more_and_is_fatal_then():
    made, error = attempts(FailureKind.RETRYABLE, unknown=True)
    assert (made, error.kind) == (3, FailureKind.FATAL)
    assert "because" in str(error)


def test_each_kind_is_counted_by_itself():
    ask, told = asking(*[fault(FailureKind.RETRYABLE)] * 4, *[fault(FailureKind.BAD_OUTPUT)] * 2, DONE)
    assert persist(ask, Patience(), sleep=lambda _: None).message == DONE.message
    assert len(told) == 7


def test_complaints_go_with_the_next_attempt():
    ask, told = asking(fault(FailureKind.BAD_OUTPUT), fault(FailureKind.RETRYABLE), DONE)
    persist(ask, Patience(), sleep=lambda _: None)
    assert told == [(), ("because",), ("because",)]


def test_failed_attempts_are_paid_for():
    ask, _ = asking(fault(FailureKind.RETRYABLE, usage=Usage(prompt_tokens=7, requests=1)), DONE)
    assert persist(ask, Patience(), sleep=lambda _: None).usage == Usage(prompt_tokens=17, requests=2)


def test_waits_double_keep_what_was_told_and_are_bounded():
    waits = []
    faults = [fault(FailureKind.RETRYABLE) for _ in range(3)]
    ask, _ = asking(*faults, fault(FailureKind.RETRYABLE, after=30.0), fault(FailureKind.RETRYABLE, after=1e9), DONE)
    persist(ask, Patience(retryable=5, first_wait=1.0), sleep=waits.append)
    for wait, least in zip(waits[:3], (1, 2, 4), strict=True):
        assert least <= wait <= least + 1
    assert waits[3] == 30.0
    assert waits[4] == LONGEST_WAIT


def test_a_refused_answer_is_asked_again_at_once():
    waits = []
    ask, _ = asking(fault(FailureKind.BAD_OUTPUT), DONE)
    persist(ask, Patience(), sleep=waits.append)
    assert waits == [0.0]


def test_a_bug_is_not_retried():
    ask, told = asking(KeyError("bug"), DONE)
    with pytest.raises(KeyError):
        persist(ask, Patience(), sleep=lambda _: None)
    assert len(told) == 1
