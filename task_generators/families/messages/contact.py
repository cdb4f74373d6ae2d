"""New contacts: the id that they are given comes from a result."""

from typing import Final

from task_generators.families.messages.send import can_write, has_sent, take_back
from task_generators.families.messages.story import MessageStory, draw_message, inside, looked_up, send_again, sending
from task_generators.writing.story import Family, Move, call


def _add(story: MessageStory) -> None:
    name, story.person = story.strangers.pop(), looked_up(story.steps)
    story.add("add", call("add_contact", user_name=name), names={"id": story.person}, name=name)
    story.sent = False


def _add_and_send(story: MessageStory) -> None:
    name, message = story.strangers.pop(), draw_message(story)
    story.person = looked_up(story.steps)
    steps = call("add_contact", user_name=name), sending(story.person, message)
    story.add("add_and_send", *steps, name=name, message=message)
    story.sent = True


CONTACT: Final = Family(
    "contact",
    inside,
    (
        Move(_add, 1, lambda story: bool(story.strangers)),
        Move(send_again, 1, can_write, weight=3),
        Move(take_back, 1, has_sent),
        Move(_add_and_send, 2, lambda story: bool(story.strangers), weight=3),
    ),
)
