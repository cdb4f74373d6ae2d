"""Calls that are written as JSON: `{"name": …, "arguments": {…}}`, one or several, within a tag or without one."""

import re
from typing import Final

from pydantic import JsonValue

from loop.canonical import NotJson, parse, parse_at
from loop.templates.reading import CLOSE, OPEN, ParsedCalls, Unreadable, skip_blank
from loop.types import Call, Catalogue

MAX_MISSING_BRACES: Final = 2
MAX_VALUES: Final = 64
"""Values of JSON that are read one after the other."""
TAG: Final = re.compile(f"{OPEN}|{CLOSE}")
FENCE: Final = "```"
FENCED: Final = re.compile(r"```(?:json)?", re.IGNORECASE)
ARGUMENTS: Final = ("arguments", "parameters", "args")
"""What models call the arguments; the first is what they are taught."""
BESIDE: Final = frozenset({"id", "type"})
"""What a call may hold beside its name and its arguments: some templates write them, and they say nothing."""
PAIRS: Final = {"{": "}", "[": "]"}
LOOSE: Final = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))|(?P<comma>,(?=\s*[}\]]))|\b(?P<word>True|False|None)\b', re.DOTALL
)
WORDS: Final = {"True": "true", "False": "false", "None": "null"}
CONTROLS: Final = {code: f"\\u{code:04x}" for code in range(0x20)}
NAMES: Final = ("tool", "tool_name", "function", "function_name", "action")
INPUTS: Final = frozenset({*ARGUMENTS, "params", "input", "action_input", "tool_input", "kwargs"})
"""Other keys under which models put the name of a tool and its arguments."""
WRAPPERS: Final = frozenset({"tool_calls", "function_call"})
IN_TEXT: Final = re.compile(
    r'"(?:name|tool|tool_name|function_name)"\s*+:\s*+"[^"\n]{0,200}"\s*+,\s*+"(?:arguments|parameters|args)"\s*+:'
    r'|\{\s*+"(?:arguments|parameters|args)"\s*+:\s*+\{|"(?:tool_calls|function_call)"\s*+:\s*+[\[{]'
)


def within_tag(text: str, start: int, calls: ParsedCalls) -> int:
    """Read the calls that follow an opening tag, as many as there are, and give the place behind the closing one.

    Raises:
        Unreadable: there is none, one cannot be read, or something else stands between the tags.
    """
    at, fenced = _behind_fence(text, start)
    at = listed(text, at, calls)
    if fenced:
        calls.leniencies.add("fenced_json")
        at = skip_blank(text, at + len(FENCE) if text.startswith(FENCE, at) else at)
    return _behind_close(text, at, calls)


def listed(text: str, start: int, calls: ParsedCalls) -> int:
    """Read calls that follow each other, and give the place behind them.

    Raises:
        Unreadable: there is none, or one cannot be read.
    """
    values, at = _values(text, start, None, calls)
    if not values:
        raise Unreadable("a call is no JSON: no brace follows its mark")
    if len(values) > 1:
        calls.leniencies.add("calls_in_one_tag")
    for value in values:
        if isinstance(value, list):
            calls.leniencies.add("call_list")
        for item in _items(value):
            calls.add(_call(item, calls))
    return at


def whole(text: str, parsed: ParsedCalls, catalogue: Catalogue | None) -> bool:
    """Read a message that is nothing but JSON, calls or data; False where it is something else.

    Raises:
        Unreadable: calls and data stand side by side, or a call is broken.
    """
    start, fenced = _behind_fence(text, 0)
    end, rules = _end(text, start, fenced=fenced), ParsedCalls(0)
    if not text.startswith(tuple(PAIRS), start):
        return False
    try:
        values, at = _values(text, start, end, rules)
    except Unreadable:
        return False
    items = [item for value in values for item in _items(value)]
    calls = [item for item in items if _is_call(item, catalogue)]
    if at < end or (not calls and end < len(text) and not fenced):
        return False
    if len(calls) < len(items) and (calls or any(WRAPPERS & set(item) for item in items if isinstance(item, dict))):
        raise Unreadable("calls and something else stand side by side without a tag")
    if any(_foreign(item, catalogue) for item in items):
        raise Unreadable("a call is written with keys that nobody taught")
    for item in calls:
        parsed.add(_call(item, parsed))
    parsed.leniencies |= (rules.leniencies | {"fenced_json" if fenced else "bare_json"}) if calls else set()
    return True


def in_text(text: str) -> bool:
    """Whether a call in JSON stands somewhere in a text."""
    return bool(IN_TEXT.search(text))


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _behind_fence(text: str, start: int) -> tuple[int, bool]:
    at = skip_blank(text, start)
    fence = FENCED.match(text, at)
    return (skip_blank(text, fence.end()), True) if fence else (at, False)


def _end(text: str, start: int, *, fenced: bool) -> int:
    """Give the place where a message's JSON has to end: before the fence's other half, or a tag that nobody opened."""
    mark = FENCE if fenced else CLOSE
    return len(text) - len(mark) if text.endswith(mark) and len(text) - len(mark) >= start else len(text)


def _next_tag(text: str, start: int) -> int:
    tag = TAG.search(text, start)
    return tag.start() if tag else len(text)


def _values(text: str, at: int, end: int | None, calls: ParsedCalls) -> tuple[list[JsonValue], int]:
    """Read objects and lists that follow each other, with a comma between them or without."""
    values: list[JsonValue] = []
    while text.startswith(tuple(PAIRS), at):
        if len(values) >= MAX_VALUES:
            raise Unreadable(f"more than {MAX_VALUES} values of JSON follow each other")
        value, at = _value(text, at, end, calls)
        values.append(value)
        at = skip_blank(text, at)
        behind_comma = skip_blank(text, at + 1) if text.startswith(",", at) else at
        if text.startswith(tuple(PAIRS), behind_comma):
            at = behind_comma
    return values, at


def _value(text: str, at: int, end: int | None, calls: ParsedCalls) -> tuple[JsonValue, int]:
    """Read one value; a broken one is mended up to `end`, or to the next tag."""
    try:
        return parse_at(text, at)
    except NotJson as error:
        broken = error
    stop, missing = _balanced(text, at, end)
    mended, rules = _mended(text[at:stop] + missing)
    try:
        value = parse(mended)
    except NotJson as error:
        raise Unreadable(f"a call is no JSON: {broken}") from error
    calls.leniencies |= rules | ({"missing_brace"} if missing else set())
    return value, stop


def _balanced(text: str, start: int, end: int | None) -> tuple[int, str]:
    """Say where the brackets that open at `start` are closed again, and which braces are missing there.

    Braces may be missing at `end`, or where that is not given before the next tag that is in no string.
    """
    until, open_ = _next_tag(text, start) if end is None else end, list[str]()
    quoted = escaped = False
    for index in range(start, len(text)):
        if index == until:
            if not quoted:
                break
            until = _next_tag(text, index + 1)
        character = text[index]
        if quoted:
            quoted, escaped = escaped or character != '"', not escaped and character == "\\"
        elif character == '"':
            quoted = True
        elif character in PAIRS:
            open_.append(PAIRS[character])
        elif open_ and character == open_[-1]:
            open_.pop()
            if not open_:
                return index + 1, ""
    closable = not quoted and len(open_) <= MAX_MISSING_BRACES and set(open_) <= {"}"}
    return until, "".join(open_) if closable else ""


def _mended(text: str) -> tuple[str, set[str]]:
    """Rewrite what is nearly JSON and can be read in one way only; say by which rules."""
    rules = set[str]()

    def mended(part: re.Match[str]) -> str:
        if part["string"]:
            string = part["string"].translate(CONTROLS)
            rules.update({"control_character"} if string != part["string"] else ())
            return string
        rules.add("trailing_comma" if part["comma"] else "python_word")
        return WORDS.get(part["word"], "")

    return LOOSE.sub(mended, text), rules


def _behind_close(text: str, at: int, calls: ParsedCalls) -> int:
    """Step over the closing tag, which may be missing before another call and at the end, and over spare braces."""
    while at < len(text) and text[at] in PAIRS.values():
        calls.leniencies.add("brace_match")
        at = skip_blank(text, at + 1)
    if text.startswith(CLOSE, at):
        return at + len(CLOSE)
    if at < len(text) and not text.startswith(OPEN, at):
        raise Unreadable("something that is no call stands behind a call within its tag")
    calls.leniencies.add("missing_close")
    return at


def _is_call(value: JsonValue, catalogue: Catalogue | None) -> bool:
    """Whether a value without a tag is a call, and not data that has a name."""
    call = _unwrapped(value)
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return False
    keys = [key for key in ARGUMENTS if key in call]
    fits = len(keys) == 1 and isinstance(call[keys[0]], dict | str | None) and not _beside(call)
    known = catalogue is None or catalogue.find(str(call["name"])) is not None
    return fits and (keys == [ARGUMENTS[0]] or known)


def _foreign(value: JsonValue, catalogue: Catalogue | None) -> bool:
    """Whether a value names a tool on offer and gives it arguments, in a form that is none of a call."""
    if not isinstance(value, dict) or catalogue is None or not INPUTS & set(value):
        return False
    return any(isinstance(name := value.get(key), str) and catalogue.find(name) for key in NAMES)


def _call(value: JsonValue, calls: ParsedCalls) -> Call:
    call = _unwrapped(value)
    if call is not value:
        calls.leniencies.add("function_wrapper")
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise Unreadable("a call has no name")
    if beside := _beside(call):
        raise Unreadable(f"a call holds '{beside[:60]}' beside its name and its arguments")
    return Call(name=str(call["name"]), arguments=_arguments(call, calls))


def _unwrapped(value: JsonValue) -> JsonValue:
    wrapped = isinstance(value, dict) and isinstance(value.get("function"), dict)
    return value["function"] if wrapped and not set(value) - {"function", *BESIDE} else value  # type: ignore[index,arg-type,call-overload]


def _beside(call: dict[str, JsonValue]) -> str:
    """Name something that a call holds and that would not be run; empty where there is nothing."""
    spare = sorted(set(call) - {"name", *ARGUMENTS, *BESIDE})
    twice = [key for key in ARGUMENTS if key in call][1:]
    return next(iter([*spare, *twice]), "")


def _arguments(call: dict[str, JsonValue], calls: ParsedCalls) -> dict[str, JsonValue]:
    key = next((key for key in ARGUMENTS if key in call), None)
    if key != ARGUMENTS[0]:
        calls.leniencies.add("no_arguments" if key is None else "arguments_synonym")
    arguments = call[key] if key else {}
    if isinstance(arguments, str) and arguments.strip():
        calls.leniencies.add("arguments_as_string")
        arguments = _whole(arguments, calls)
    if arguments is None or arguments in ([], "") or (isinstance(arguments, str) and not arguments.strip()):
        calls.leniencies.add("empty_arguments")
        return {}
    if not isinstance(arguments, dict):
        raise Unreadable("a call's arguments are no object")
    return arguments


def _whole(text: str, calls: ParsedCalls) -> JsonValue:
    start = skip_blank(text, 0)
    value, at = _value(text, start, len(text), calls) if text.startswith(tuple(PAIRS), start) else (None, start)
    if at == start or skip_blank(text, at) < len(text):
        raise Unreadable("a call's arguments are text that is no JSON object")
    return value
