"""What of a model's text was said to the user: thinking is cut off, and a tool call left in the text is no message.

Servers hand both through where they have no parser for the model's markup. A student that learned such a closing
message would learn to end a turn there.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from teachers.provider.complaint import complaint

THINKING: Final = re.compile(
    r"<(?P<xml>/?)(?:[a-z]{1,12}:)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)>"
    r"|\u25c1(?P<kimi>/?)think\u25b7|\[(?P<bracket>/?)THINK\]|<\|(?P<words>begin|end)_of_thought\|>",
    re.IGNORECASE,
)
"""Begins or ends a thought, in the models' spellings."""
MARKUP: Final = re.compile(
    r"<[|\uff5c][^<>\n]{1,60}>|<[^<>\n|]{1,60}\|>"  # special tokens of chat templates
    r"|</?[\w:.-]{0,20}(?:tool|function)[_-]?(?:call|response|result|request|output|use|code|name)s?\b[^<>\n]{0,200}>"
    r"|<(?:function|parameter)=[^<>\n]{1,200}>|</?(?:tools?|functions?|parameter|arguments|invoke|observation)>"
    r"|<invoke\b[^<>\n]{0,200}>|</?arg_(?:key|value)>|\u273fFUNCTION\u273f"
    r"|\[(?:/|END_)?(?:TOOL|AVAILABLE)_[A-Z_]{1,20}\]|```(?:tool|function)_?(?:call|code)s?\b"
    r"|</?(?:start|end)_of_turn>|\[/?INST\]|</s>\s*\Z",
    re.IGNORECASE,
)
"""What a chat template writes around calls, results and turns, and no user is meant to read."""
NAMED: Final = r'"(?:name|function|tool|tool_name|action|recipient_name)"\s{0,9}:\s{0,9}"(?:functions\.)?'
CALL_OBJECT: Final = re.compile(
    r'\A\W{0,20}(?:json)?\W{0,20}"(?:name|function|tool)"\s{0,9}:\s{0,9}"[\w.-]{1,64}"\s{0,9},\s{0,9}'
    r'"(?:arguments|parameters)"\s{0,9}:'
)
"""A text that begins as a call in JSON, whichever tool it names."""
HARMONY: Final = re.compile(r"\Aanalysis(?P<thought>.*)assistant\s?final(?P<text>.*)\Z", re.DOTALL)
"""What is left of gpt-oss' channels where their special tokens were dropped."""
GIVEN: Final = re.compile(r'"(?:arguments|parameters|args|kwargs|input|action_input|tool_input)"\s{0,9}:')


class ThoughtAndText(NamedTuple):
    """A text in its two halves."""

    text: str
    thought: str


def spoken(content: str, names: Iterable[str]) -> ThoughtAndText:
    """Part what was said from what was thought.

    Args:
        content: the text of an answer.
        names: tools on offer, as the model knows them.

    Raises:
        ProviderError: BAD_OUTPUT, a tool call or other markup stands in the text.
    """
    parts = parted(content)
    if left := leftover(parts.text, names):
        raise complaint(
            f"the answer's text holds a tool call or markup ({left[:60]!r}): make calls as tool calls, not as text. "
            "Where this repeats, the server has no tool-call parser for this model"
        )
    return parts


def parted(content: str) -> ThoughtAndText:
    """Cut thinking out. Where a template ate the opening mark, all before the closing one was thinking."""
    if (channels := HARMONY.match(content)) is not None:
        return ThoughtAndText(channels["text"].strip(), channels["thought"].strip())
    said, thought, inside, start = list[str](), list[str](), False, 0
    for mark in THINKING.finditer(content):
        piece, start = content[start : mark.start()], mark.end()
        if "/" in mark.groups() or mark["words"] == "end":
            thought += [piece] if inside else [*said, piece]
            said = said if inside else []
            inside = False
        else:
            (thought if inside else said).append(piece)
            inside = True
    (thought if inside else said).append(content[start:])
    if not thought:
        return ThoughtAndText(content, "")
    return ThoughtAndText("".join(said).strip(), "".join(thought).strip())


def leftover(text: str, names: Iterable[str]) -> str | None:
    """Find the beginning of a call or of other markup in a text; None where there is none."""
    if mark := MARKUP.search(text) or CALL_OBJECT.search(text):
        return mark[0]
    known = tuple(sorted(names))
    if not known:
        return None
    if (call := _written(known).search(text)) is not None:
        return call[0].strip()
    named = _named(known).search(text)
    return named[0] if named is not None and GIVEN.search(text) else None


@lru_cache(maxsize=64)
def _named(names: tuple[str, ...]) -> re.Pattern[str]:
    """Match JSON that names a tool."""
    return re.compile(f'{NAMED}(?:{"|".join(map(re.escape, names))})"')


@lru_cache(maxsize=64)
def _written(names: tuple[str, ...]) -> re.Pattern[str]:
    """Match a line that is a call: `[weather(city="Oslo")]`, `Action: weather`."""
    tool = "|".join(map(re.escape, names))
    return re.compile(
        rf"^[\s\[`>*-]{{0,9}}(?:functions\.|print\()?(?:{tool})\((?:\)|\w+\s?=|\{{|\"|')"
        rf"|^\s{{0,9}}(?:Action|Tool|Tool call|Function|Function call|TOOL_CALL):\s{{0,9}}(?:{tool})\b"
        rf"|^>>>\s?(?:{tool})\b|\bcall:(?:{tool})\{{|\bto=(?:functions\.)?(?:{tool})\b|</?(?:{tool})>",
        re.MULTILINE,
    )
