"""Conversations in which everything but the call was folded into user messages.

Some logs know two kinds of messages only: the user's, in which results stand as JSON, and the assistant's, which are
calls and nothing else, so that even words to the user go through a tool. Such a conversation is laid out as it
happened: results as results, and what was said to the user as said.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from loop.traces.conversation import Conversation, LoggedCall, is_result
from loop.types import Call, Message

SPOKEN: Final = frozenset(
    {"message", "text", "content", "reply", "response", "response_text", "answer", "utterance", "msg"}
)
"""Names of the one argument of a tool through which an assistant speaks."""


def unfolded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Lay a folded conversation out; any other comes back as it is."""
    if not is_folded(messages):
        return tuple(messages)
    conversation = Conversation()
    for message in messages:
        if message.role == "user":
            if is_result(message.content):
                conversation.result(message.content)
            else:
                conversation.user(message.content)
        elif message.role == "assistant":
            said = spoken(message)
            if said is None:
                conversation.assistant(message.content, [LoggedCall("", call) for call in message.calls])
            else:
                conversation.assistant(said)
        elif message.role == "system":
            conversation.system(message.content)
    return conversation.finished()


def is_folded(messages: Sequence[Message]) -> bool:
    """Whether no tool ever answers, although the assistant always calls, and at least once to speak."""
    said = [message for message in messages if message.role == "assistant"]
    answered = any(message.role == "tool" and not message.fault for message in messages)
    return not answered and all(message.calls for message in said) and any(map(_speaks, said))


def _speaks(message: Message) -> bool:
    return spoken(message) is not None


def spoken(message: Message) -> str | None:
    """Give what an assistant message says through a tool; None where it does anything else."""
    texts = list(_texts(message.calls))
    return texts[0] if len(message.calls) == len(texts) == 1 else None


def _texts(calls: Sequence[Call]) -> Iterator[str]:
    for call in calls:
        if len(call.arguments) == 1:
            name, value = next(iter(call.arguments.items()))
            if name in SPOKEN and isinstance(value, str):
                yield value
