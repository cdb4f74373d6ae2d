"""Searching old messages: who they went to, only a result tells."""

from typing import Final

from task_generators.families.messages.send import can_write, has_fresh, look_up_and_send
from task_generators.families.messages.story import MessageStory, draw_message, inside, send_again, sending
from task_generators.writing.story import Family, Move, call, result


def _search(story: MessageStory) -> None:
    topic, message = story.topics.pop(), result(story.steps, "results", 0, "message")
    story.person, story.sent = result(story.steps, "results", 0, "receiver_id"), True
    story.add("search", call("search_messages", keyword=topic), tells={"message": message}, topic=topic)


def _search_and_delete(story: MessageStory) -> None:
    topic, message = story.topics.pop(), result(story.steps, "results", 0, "message")
    story.person, story.sent = result(story.steps, "results", 0, "receiver_id"), False
    steps = call("search_messages", keyword=topic), call("delete_message", receiver_id=story.person)
    story.add("search_and_delete", *steps, names={"message": message}, topic=topic)


def _search_and_send(story: MessageStory) -> None:
    topic, message = story.topics.pop(), draw_message(story)
    story.person, story.sent = result(story.steps, "results", 0, "receiver_id"), True
    steps = call("search_messages", keyword=topic), sending(story.person, message)
    story.add("search_and_send", *steps, names={"id": story.person}, topic=topic, message=message)


def _has_topic(story: MessageStory) -> bool:
    return bool(story.topics)


SEARCH: Final = Family(
    "search",
    inside,
    (
        Move(_search, 1, _has_topic),
        Move(send_again, 1, can_write, weight=2),
        Move(_search_and_delete, 2, _has_topic, weight=2),
        Move(_search_and_send, 2, _has_topic, weight=2),
        Move(look_up_and_send, 2, lambda story: has_fresh(story) and story.steps > 0),
    ),
)
