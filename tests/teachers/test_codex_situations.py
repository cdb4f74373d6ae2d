"""The real Codex client in situations that public reports tell of: caps, sparse notices, wrappers around it."""

import time

import pytest

from loop.errors import FailureKind, ProviderError
from loop.types import Call, Message
from teachers.fakes.minds import as_json, closing, saying
from teachers.provider.retry import Patience

CALLING = Message(role="assistant", content="", calls=(Call(name="weather", arguments={"city": "Oslo"}),))
REACHED = (
    "workspace_owner_usage_limit_reached", "workspace_member_usage_limit_reached", "rate_limit_reached",
    "workspace_owner_credits_depleted", "workspace_member_credits_depleted",
)  # fmt: skip


@pytest.fixture(params=["exec", "app-server"])
def transport(request):
    return request.param


def failed(step, teacher):
    with pytest.raises(ProviderError) as caught:
        step(teacher)
    return caught.value


@pytest.mark.parametrize("reached", REACHED)
def test_whoever_set_the_cap_it_is_a_quota(codex, fake, step, transport, reached):
    fake.fail("spent", reached=reached)
    error = failed(step, codex(transport=transport, patience=Patience()))
    assert error.kind is FailureKind.QUOTA
    assert not getattr(error, "unknown", False)
    assert len(fake.asked) == 1


def window(name, used, resets_at):
    return {f"x-codex-{name}-used-percent": str(used), f"x-codex-{name}-reset-at": str(resets_at)}


def test_a_notice_that_leaves_the_spent_window_out_does_not_wipe_it(codex, fake, asked, tools, opened):
    now = int(time.time())
    fake.mind, fake.headers = saying(CALLING), window("primary", 12, now + 60) | window("secondary", 100, now + 500_000)
    chat = opened(codex(transport="app-server"))
    said = chat.reply(asked, tools).message
    fake.headers = window("primary", 13, now + 60)
    fake.fail("spent")
    with pytest.raises(ProviderError) as caught:
        chat.reply((*asked, said, Message(role="tool", name="weather", content="3 C", ok=True)), tools)
    assert caught.value.kind is FailureKind.QUOTA
    assert caught.value.retry_at == now + 500_000


@pytest.fixture
def wrapped(codex, codex_binary, tmp_path):
    """Makes a teacher whose client a script starts, with lines of its own before and another end after."""

    def make(transport, before="", after="exit $?"):
        script = tmp_path / "wrapper"
        script.write_text(f'#!/bin/sh\n{before or ":"}\n{codex_binary} "$@"\n{after}\n')
        script.chmod(0o755)
        return codex(binary=str(script), transport=transport)

    return make


def test_a_banner_before_the_events_is_passed_over(fake, step, transport, wrapped):
    teacher = wrapped(transport, before="echo 'WARNING: wrapper 7.8.9 is out'; echo '12'")
    fake.mind = saying(CALLING)
    assert step(teacher).message == CALLING


def test_a_whole_answer_before_a_failing_end_counts(fake, step, wrapped):
    late = 'code=$?; [ "$1" = exec ] && exit 1; exit $code'
    fake.mind = saying(CALLING)
    assert step(wrapped("exec", after=late)).message == CALLING


def test_a_banner_is_told_where_nothing_else_explains_the_failure(step, transport, wrapped):
    error = failed(
        step, wrapped(transport, before="case $1 in exec|app-server) echo profile is missing; exit 3;; esac")
    )
    assert "profile is missing" in str(error)
    assert error.kind is not FailureKind.BAD_OUTPUT


@pytest.mark.parametrize("final", ["<tool_call>{}</tool_call>", "<think>The user", "It is 3 C.<|im_end|>"])
def test_markup_is_no_closing_message_here_either(codex, fake, step, transport, final):
    fake.fail("text", text=as_json(closing(final)))
    assert failed(step, codex(transport=transport)).kind is FailureKind.BAD_OUTPUT


def test_thinking_is_cut_off_here_too(codex, fake, step, transport):
    fake.fail("text", text=as_json(closing("<think>The user wants it.</think>It is 3 C.")))
    assert step(codex(transport=transport)).message.content == "It is 3 C."
