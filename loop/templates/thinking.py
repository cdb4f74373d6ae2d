"""Thinking in an answer: what stands between `<think>` and `</think>`, or the tags that other models use for it.

Thinking is no part of what is said: a call that is only considered there is not run, and the text is kept apart from
the message's content.
"""

import re
from typing import Final

from loop.templates.reading import Unreadable

NAMES: Final = (
    r"(?:seed:)?think(?:ing)?|thoughts?|reasoning|reflections?|scratchpad|analysis|cot|chain_of_thought|inner_monologue"
)
TAGS: Final = re.compile(
    rf"<\s?/?\s?(?:{NAMES})(?:\s[^<>\n]{{0,100}})?>|\[/?THINK\]|\u25c1/?think\u25b7", re.IGNORECASE
)


def closes(tag: str) -> bool:
    """Whether a tag ends a block of thinking."""
    return "/" in tag[:3]


def begun_before(text: str) -> tuple[str, int]:
    """Find thinking whose opening tag the template wrote already: the thinking, and where what is said begins.

    Many templates end the prompt with `<think>`, so that the answer holds the closing tag alone.
    """
    tag = TAGS.search(text)
    return (text[: tag.start()].strip(), tag.end()) if tag and closes(tag[0]) else ("", 0)


def block(text: str, opening: re.Match[str]) -> tuple[str, int]:
    """Read a block of thinking: what it holds, and where it ends.

    Raises:
        Unreadable: it does not end, so that nobody knows what is said.
    """
    for tag in TAGS.finditer(text, opening.end()):
        if closes(tag[0]):
            return text[opening.end() : tag.start()].strip(), tag.end()
    raise Unreadable(f"thinking that begins with {opening[0]} does not end")
