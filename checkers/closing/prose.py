"""A closing message as plain sentences: without Markdown, with straight quotes and one kind of blank."""

import re
from typing import Final

STRAIGHT: Final = str.maketrans(
    {
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u2032", "'"),
        **dict.fromkeys("*`~", None),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", None),
        "\\": None,
        "…": "...",
        "\t": " ",
        "\r": "\n",
    }
)
BULLET: Final = re.compile(
    "^[ ]*(?:[-+•‣◦▪\u2013\u2014#>]+|\\(?\\d{1,2}[.)]|\\(?[a-z][.)])[ ]+", re.MULTILINE | re.IGNORECASE
)
TABLE_RULE: Final = re.compile(r"^[\s|:-]+$", re.MULTILINE)
EMPHASIS: Final = re.compile(r"(?<![\w/.])_+(?=\w)|(?<=\w)_+(?![\w/.])")
SENTENCE: Final = re.compile(r"(?<=[.!?])[\"')]*\s+|\n+")


def plain(text: str) -> str:
    """Take the marks of Markdown away and leave what a reader sees."""
    bare = TABLE_RULE.sub("", text.translate(STRAIGHT))
    return BULLET.sub("", bare).replace("|", " , ")


def without_emphasis(text: str) -> str:
    """Take underscores at the edges of words away, which may be Markdown's or belong to a name."""
    return EMPHASIS.sub("", text)


def sentences(text: str) -> list[str]:
    """Cut a text into its sentences; every line ends one."""
    return [sentence.strip() for sentence in SENTENCE.split(text) if sentence.strip()]
