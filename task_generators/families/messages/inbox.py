"""Looking around the workspace: who is there, and what has been sent."""

from typing import Final

from task_generators.families.messages.send import has_fresh, look_up, look_up_and_send
from task_generators.families.messages.story import MessageStory, inside
from task_generators.writing.story import Family, Move, call


def _users(story: MessageStory) -> None:
    phrases = (
        "Who is in the workspace?",
        "List all users.",
        "Show me the users of the workspace.",
        "Which users are there?",
    )
    story.turn(story.phrase(phrases), call("list_users"))
    story.strangers = []


def _sent(story: MessageStory) -> None:
    phrases = (
        "Show me the messages that I have sent.",
        "Which messages have been sent?",
        "View my sent messages.",
        "Let me see all sent messages.",
    )
    story.turn(story.phrase(phrases), call("view_messages_sent"))
    story.topics = []


def _send_and_view(story: MessageStory) -> None:
    look_up_and_send(story)
    last = story.turns.pop()
    phrases = (" Then show me all sent messages.", " After that, view my sent messages.")
    viewing = (*last.plan, call("view_messages_sent"))
    story.steps -= len(last.plan)
    story.turn(last.user + story.phrase(phrases), *viewing)
    story.topics = []


INBOX: Final = Family(
    "inbox",
    inside,
    (
        Move(_users, 1, lambda story: bool(story.strangers)),
        Move(_sent, 1, lambda story: bool(story.topics), weight=2),
        Move(look_up, 1, has_fresh),
        Move(look_up_and_send, 2, has_fresh),
        Move(_send_and_view, 3, has_fresh, weight=2),
    ),
)
