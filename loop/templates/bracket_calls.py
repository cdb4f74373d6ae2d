"""Calls as Mistral writes them behind `[TOOL_CALLS]`: a JSON list, or `NAME[CALL_ID]…[ARGS]{…}`."""

import re
from typing import Final

from loop.canonical import NotJson, parse_at
from loop.templates import json_calls
from loop.templates.reading import ParsedCalls, Unreadable, skip_blank
from loop.types import Call

MARK: Final = "[TOOL_CALLS]"
NAMED: Final = re.compile(r"([\w.:/-]{1,200}+)\s*+(?:\[CALL_ID\]\s*+[\w-]{1,100}+\s*+)?+(?:\[ARGS\]\s*+)?+(?=\{)")


def behind_mark(text: str, start: int, calls: ParsedCalls) -> int:
    """Read the calls behind the mark, and give the place behind them.

    Raises:
        Unreadable: there is none, or one cannot be read.
    """
    calls.leniencies.add("bracket_call")
    at = skip_blank(text, start)
    if text.startswith("[", at):
        return json_calls.listed(text, at, calls)
    before = len(calls.calls)
    while named := NAMED.match(text, skip_blank(text, at)):
        at = _one(text, named, calls)
    if len(calls.calls) == before:
        raise Unreadable(f"no call follows {MARK}")
    return at


def _one(text: str, named: re.Match[str], calls: ParsedCalls) -> int:
    try:
        arguments, at = parse_at(text, named.end())
    except NotJson as error:
        raise Unreadable(f"the arguments of {named[1][:60]} are no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise Unreadable(f"the arguments of {named[1][:60]} are no object")
    calls.add(Call(name=named[1], arguments=arguments))
    return at
