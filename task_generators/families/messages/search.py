"""Searching old messages: who they went to, only a result tells."""

from typing import Final

from task_generators.families.messages.send import can_write, has_fresh, look_up_and_send
from task_generators.families.messages.story import MessageStory, draw_message, inside, send_again, sending
from task_generators.writing.story import Family, Move, call, result


def _search(story: MessageStory) -> None:
    topic = story.topics.pop()
    phrases = (
        'Search my messages for "{topic}".',
        'Find the message about "{topic}".',
        'Which message has the word "{topic}"?',
        'Look for "{topic}" in my messages.',
    )
    step = story.turn(story.phrase(phrases, topic=topic), call("search_messages", keyword=topic))
    story.person, story.sent = result(step, "results", 0, "receiver_id"), True


def _search_and_delete(story: MessageStory) -> None:
    topic = story.topics.pop()
    phrases = (
        'Search for the message with the word "{topic}" and delete it.',
        'Find the message about "{topic}" and delete the last message to its receiver.',
        'Look for "{topic}" in my messages and delete that message.',
        'Search my messages for "{topic}", then remove the one you find.',
    )
    story.person = result(story.steps, "results", 0, "receiver_id")
    deleting = call("delete_message", receiver_id=story.person)
    story.turn(story.phrase(phrases, topic=topic), call("search_messages", keyword=topic), deleting)
    story.sent = False


def _search_and_send(story: MessageStory) -> None:
    topic, message = story.topics.pop(), draw_message(story)
    phrases = (
        'Search for the message with the word "{topic}" and send its receiver "{message}"',
        'Find the message about "{topic}". Write to the same receiver: "{message}"',
        'Look for "{topic}" in my messages and send whoever got that message "{message}"',
        'Search my messages for "{topic}", then send that receiver "{message}"',
    )
    story.person, story.sent = result(story.steps, "results", 0, "receiver_id"), True
    user = story.phrase(phrases, topic=topic, message=message)
    story.turn(user, call("search_messages", keyword=topic), sending(story.person, message))


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
