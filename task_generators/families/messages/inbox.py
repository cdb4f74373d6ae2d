"""Looking around the workspace: who is there, and what has been sent. Never trained: a suite's own family."""

from typing import Final

from task_generators.families.messages.send import has_fresh, look_up, look_up_and_send
from task_generators.families.messages.story import MessageStory, draw_message, inside, looked_up, sending
from task_generators.writing.story import Family, Move, call, result


def _users(story: MessageStory) -> None:
    story.add("users", call("list_users"), tells={"users": result(story.steps, "user_list")})
    story.strangers = []


def _sent(story: MessageStory) -> None:
    story.add("sent", call("view_messages_sent"), tells={"messages": story.outgoing(story.steps)})
    story.topics = []


def _send_and_view(story: MessageStory) -> None:
    name, message = story.fresh.pop(), draw_message(story)
    story.outbox.append(story.ids[name])
    sending_it = call("get_user_id", user=name), sending(looked_up(story.steps), message)
    tells = {"messages": story.outgoing(story.steps + 2)}
    steps = (*sending_it, call("view_messages_sent"))
    story.add_both("look_up_and_send", "and_view", *steps, tells=tells, name=name, message=message)
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
    unseen=True,
)
