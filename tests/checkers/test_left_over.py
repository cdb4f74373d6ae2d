"""What a message holds besides its calls and its text is a fault: it would be learned, and never happened."""

import pytest

from checkers.format import Format
from loop.rollout.play import offered
from task_generators.backends.catalogues import catalogue

CALL = '{"name": "cancel_order", "arguments": {"order_id": 12446}}'


def said(task, plays, content, place):
    """The right play with other text in one of its messages: beside a call, or as a closing message."""
    trajectory = plays.make(task, plays.right())
    tools = offered(catalogue(task.tools, task.backends, task.initial), trajectory.messages, task)
    at = next(
        at
        for at, message in enumerate(trajectory.messages)
        if bool(message.calls) is (place == "beside") and message.role == "assistant"
    )
    changed = trajectory.messages[at].model_copy(update={"content": content})
    messages = (*trajectory.messages[:at], changed, *trajectory.messages[at + 1 :])
    return trajectory.model_copy(update={"messages": messages, "catalogue": tools})


@pytest.mark.parametrize("place", ["beside", "closing"])
@pytest.mark.parametrize(
    "content",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"Done. <tool_call>{CALL}</tool_call>",
        f"<tool_call>{CALL}",
        "</tool_call>",
        CALL,
        f"```json\n{CALL}\n```",
        f"[{CALL}, {CALL}]",
        '<tool_response>\n{"order_id": 12446, "status": "Cancelled"}\n</tool_response>',
        "It is cancelled.<|im_end|>\n<|im_start|>user\nThanks!",
        "<think>I should cancel it.</think>Cancelled.",
        "<think>I should cancel it",
        "I should cancel it.</think> Cancelled.",
        "[TOOL_CALLS] [" + CALL + "]",
        "<function=cancel_order><parameter=order_id>12446</parameter></function>",
        "cancel_order(order_id=12446)",
        "```python\ncancel_order(order_id=12446)\n```",
        "[INST] go on [/INST]",
    ],
)
def test_what_is_left_over_is_a_fault(task, plays, content, place):
    verdict = Format().check(task, said(task, plays, content, place))
    assert not verdict.passed, content
    assert verdict.reason.startswith("turn 1: ")


@pytest.mark.parametrize("place", ["beside", "closing"])
@pytest.mark.parametrize(
    "content",
    [
        "",
        "I looked AAPL up and placed the order.",
        '{"name": "AAPL", "price": 227.16}',
        '[{"name": "AAPL", "qty": 10}]',
        '```json\n{"order_id": 12446}\n```',
        "x < y and y > z; [1, 2]; a <b> c",
        "The tool cancel_order(order_id) cancels an order; I have not called it yet.",
        "| symbol | price |\n|---|---|\n| AAPL | 227.16 |",
        'Plan: "get_stock_info", "place_order"',
    ],
)
def test_text_is_no_fault(task, plays, content, place):
    verdict = Format().check(task, said(task, plays, content, place))
    assert verdict.passed, verdict.reason


def test_a_fault_that_the_reader_found_is_the_reason(task, plays):
    trajectory = said(task, plays, f"<tool_call>{CALL}", "closing")
    at = next(at for at, message in enumerate(trajectory.messages) if "tool_call" in message.content)
    faulty = trajectory.messages[at].model_copy(update={"fault": "half a call"})
    messages = (*trajectory.messages[:at], faulty, *trajectory.messages[at + 1 :])
    assert Format().check(task, trajectory.model_copy(update={"messages": messages})).reason == "turn 1: half a call"


def test_what_was_said_behind_a_call_is_not_learned(task, plays):
    trajectory = plays.make(task, plays.right())
    at = next(at for at, message in enumerate(trajectory.messages) if message.calls)
    early = trajectory.messages[at].model_copy(update={"content": "It worked.", "leniencies": ("text_behind_call",)})
    messages = (*trajectory.messages[:at], early, *trajectory.messages[at + 1 :])
    assert "behind a call" in Format().check(task, trajectory.model_copy(update={"messages": messages})).reason
