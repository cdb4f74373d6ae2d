"""Read what the student said: thinking, calls, and text.

A message is read whole or not at all. The native form is the one that our templates teach (Hermes):
`<tool_call>{"name": …, "arguments": {…}}</tool_call>`. Other forms that have one meaning only are read as well, each by
a rule that is named, so that a checker may refuse it and training may leave it out. Whatever else a message holds
that is neither run nor plain text (half a call, a result that the student makes up, another speaker's turn) is a
fault: then no call of it is run. Only literal JSON is read, by `loop.canonical`; nothing is evaluated, and reading is
linear in the text.
"""

import re
from typing import Final

from loop.templates import bracket_calls, json_calls, thinking, xml_calls
from loop.templates.reading import CLOSE, OPEN, ParsedCalls, Unreadable, skip_blank
from loop.types import Call, Catalogue, Record

__all__ = ["CLOSE", "OPEN", "Parsed", "parse"]

MAX_CHARACTERS: Final = 100_000
MAX_CALLS: Final = 64
MARKS: Final = re.compile(rf"{OPEN}|<function=|{re.escape(bracket_calls.MARK)}|{thinking.TAGS.pattern}", re.IGNORECASE)
"""Where something begins that is no text."""
ODD: Final = (
    (
        re.compile(
            r"</?(?:tool|function)_?(?:response|result|output)s?\b|</?observation>|\[/?TOOL_RESULTS\]"
            r"|```(?:tool_)?outputs?\b|^[ \t]{0,8}+(?:observation|tool (?:result|response|output))[ \t]{0,8}+:",
            re.IGNORECASE | re.MULTILINE,
        ),
        "a tool's result is made up",
    ),
    (
        re.compile(
            r"</?(?:[\w.-]{1,40}[:_])?(?:tool_?calls?|function_?calls?|tool_code|tool_use|invoke|function|parameter"
            r"|arg_key|arg_value)(?:[\s=][^<>\n]{0,200})?>"
            r"|\[/?TOOL_CALLS\]|\[ARGS\]|\[CALL_ID\]|```tool_(?:code|call)\b|\bto=functions\.\w|\bfunctools\["
            r"|^[ \t]{0,8}+action input[ \t]{0,8}+:",
            re.IGNORECASE | re.MULTILINE,
        ),
        "part of a call stands in the text",
    ),
    (
        re.compile(
            r"<\|[\w /-]{1,60}\|>|</?[|\uff5c][\w\u2581\uff5c:/.]{1,60}>|<[\w/]{1,60}[|\uff5c]>"
            r"|<(?:start|end)_of_turn>|</s>|<[be]os>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS)\]|<</?SYS>>"
            r"|^###[ \t]{0,8}+(?:instruction|response|human|user|assistant)[ \t]{0,8}+:",
            re.IGNORECASE | re.MULTILINE,
        ),
        "another turn is made up",
    ),
)
"""What text never holds, and what it would be."""
KNOWN: Final = re.compile(rf"{MARKS.pattern}|{CLOSE}|\[ARGS\]|\[CALL_ID\]", re.IGNORECASE)
"""Special tokens that may stand in a message: those that calls and thinking are written with."""
OPENED: Final = re.compile(r"<([A-Za-z][\w.-]{0,60})(?:\s[^<>\n]{0,100})?>")
CLOSED: Final = re.compile(r"</([A-Za-z][\w.-]{0,60})>")
QUOTED: Final = re.compile(r"(?:^|\n)[ \t]{0,8}+>[ \t]{0,8}+\Z")
RESULT: Final = re.compile(r"(?:```(?:json)?\s*+)?[{\[]")
ASKER: Final = re.compile(r"^[ \t]{0,8}+(?:user|human|tool|function|system)[ \t]{0,8}+:", re.IGNORECASE | re.MULTILINE)
ANSWERER: Final = re.compile(r"^[ \t]{0,8}+(?:assistant|ai)[ \t]{0,8}+:", re.IGNORECASE | re.MULTILINE)
PYTHONIC: Final = re.compile(
    r"[`\s]{0,8}+(?:python\s{1,4}+)?\[?(?P<name>[A-Za-z_][\w.]{0,200}+)\((?P<key>[A-Za-z_]\w{0,200}+\s{0,4}+=(?!=))?"
    r".*\)\]?[`\s]*\Z",
    re.DOTALL,
)
BLANKS: Final = "\ufeff \t\r\n"


class Parsed(Record):
    """What was said: text, thinking, calls, which forgiving rules were needed, and why the message cannot be read."""

    content: str
    """Text beside calls and thinking; all of it where there is a fault."""
    reasoning: str | None = None
    calls: tuple[Call, ...] = ()
    leniencies: tuple[str, ...] = ()
    fault: str | None = None


def parse(text: str, catalogue: Catalogue | None = None) -> Parsed:
    """Read an assistant's text. Never raises: what cannot be read whole is a fault, with all the text as content.

    Args:
        text: what was said, without the token that ends the turn.
        catalogue: the tools on offer, where they are known: they tell numbers from words where a form does not, and
            calls without a tag from data.
    """
    if len(text) > MAX_CHARACTERS:
        return Parsed(content=text, fault=f"longer than {MAX_CHARACTERS} characters")
    try:
        return _Message(text, catalogue).read()
    except Unreadable as fault:
        return Parsed(content=text, fault=str(fault))


class _Message:
    """One pass over a message, from mark to mark."""

    def __init__(self, text: str, catalogue: Catalogue | None) -> None:
        self.text, self.catalogue, self.parsed = text, catalogue, ParsedCalls(MAX_CALLS)
        self.said: list[str] = []
        self.thought: list[str] = []
        self.opened: set[str] = set()
        """Names of tags that were opened in front of a call."""

    def read(self) -> Parsed:
        """Read all of it.

        Raises:
            Unreadable: something is left over.
        """
        at = self._thinking_first()
        rest = self.text[at:].strip(BLANKS)
        if not json_calls.whole(rest, self.parsed, self.catalogue):
            self._from(at)
        elif not self.parsed.calls:
            self.said.append(rest)
        return Parsed(
            content=" ".join(self.said),
            reasoning="\n".join(self.thought) or None,
            calls=tuple(self.parsed.calls),
            leniencies=tuple(sorted(self.parsed.leniencies)),
        )

    def _thinking_first(self) -> int:
        begun, at = thinking.begun_before(self.text)
        self._think(begun)
        while tag := thinking.TAGS.match(self.text, skip_blank(self.text, at)):
            at = self._behind(tag)
        return at

    def _from(self, at: int) -> None:
        while mark := MARKS.search(self.text, at):
            self._say(before := self.text[at : mark.start()])
            if not thinking.TAGS.fullmatch(mark[0]):
                self._not_within(before)
            at = self._behind(mark)
        self._say(self.text[at:])
        if not self.parsed.calls and self._pythonic():
            raise Unreadable("a call is written as Python")

    def _behind(self, mark: re.Match[str]) -> int:
        """Read what a mark begins, and give the place behind it."""
        at = skip_blank(self.text, mark.end())
        if mark[0] == OPEN:
            if xml_calls.begins(self.text, at):
                return xml_calls.within_tag(self.text, at, self.parsed, self.catalogue, tagged=True)
            return json_calls.within_tag(self.text, at, self.parsed)
        if xml_calls.begins(self.text, mark.start()):
            return xml_calls.within_tag(self.text, mark.start(), self.parsed, self.catalogue, tagged=False)
        if mark[0] == bracket_calls.MARK:
            return bracket_calls.behind_mark(self.text, at, self.parsed)
        if not thinking.TAGS.fullmatch(mark[0]):
            raise Unreadable(f"{mark[0]} begins no call that is known")
        if thinking.closes(mark[0]):
            raise Unreadable(f"{mark[0]} ends thinking that did not begin")
        block, at = thinking.block(self.text, mark)
        self._think(block)
        return at

    def _not_within(self, before: str) -> None:
        """Refuse a call that is only shown: in a block of code, a comment, a quotation or a tag that ends behind it.

        Raises:
            Unreadable: it is.
        """
        line = before.rpartition("\n")[2]
        fenced = before.count("```") % 2 or line.replace("```", "").count("`") % 2
        if fenced or before.rfind("<!--") > before.rfind("-->") or QUOTED.search(before):
            raise Unreadable("a call is shown within other text")
        self.opened.update(OPENED.findall(before))

    def _think(self, text: str) -> None:
        self.thought += [text] if text else []

    def _say(self, text: str) -> None:
        """Keep text that is neither thinking nor a call.

        Raises:
            Unreadable: it holds what no answer holds.
        """
        said = text.strip(BLANKS)
        if not said:
            return
        for pattern, what in ODD:
            if odd := pattern.search(said):
                raise Unreadable(f"{what}: {odd[0][:60]}")
        if (asker := ASKER.search(said)) and ANSWERER.search(said, asker.end()):
            raise Unreadable(f"another turn is made up: {asker[0].strip()}")
        if json_calls.in_text(said):
            raise Unreadable("a call stands in the text without a tag")
        if self.parsed.calls:
            if within := self.opened & set(CLOSED.findall(said)):
                raise Unreadable(f"a call stands within <{min(within)}>")
            if RESULT.match(said):
                raise Unreadable("something like a result stands behind a call")
            self.parsed.leniencies.add("text_behind_call")
        self.said.append(said)

    def _pythonic(self) -> bool:
        call = PYTHONIC.match(" ".join(self.said))
        known = call and self.catalogue is not None and self.catalogue.find(call["name"]) is not None
        return bool(call and (call["key"] or known))
