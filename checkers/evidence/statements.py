"""What stands in an SQL statement: its words, and the literals that somebody must have supplied.

SQLite's own tokens (sqlite.org/lang.html), cut in one pass; no grammar is needed to tell a value from a keyword, the
name of a table, or the number of rows that a query is limited to.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, pairwise
from typing import Final, NamedTuple

from loop.types import Record, Tool

TOKEN: Final = re.compile(
    r"(?P<comment>--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)|(?P<blank>\s+)"
    r"|(?P<blob>[xX]'[0-9a-fA-F]*')|(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<name>`(?:[^`]|``)*`|\[[^\]]*\])|(?P<number>0[xX][0-9a-fA-F]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[^\W\d][\w$]*)|(?P<sign><=|>=|<>|!=|==|\|\||->>?|.)",
    re.DOTALL,
)
VERBS: Final = frozenset({"select", "insert", "update", "delete", "replace", "with", "values"})
WRITING: Final = frozenset({"insert", "update", "delete", "replace"})
COMPARING: Final = frozenset({"=", "==", "<", ">", "<=", ">=", "<>", "!=", "is", "in", "like", "glob", "between"})
PLACES: Final = frozenset(
    ["round", "substr", "substring", "lag", "lead", "ntile", "nth_value", "decimal", "numeric", "varchar"]
)
"""Functions and types whose numbers say how, not what."""

COUNTING: Final = frozenset({"count", "sum", "total", "group_concat", "row_number", "rank"})
"""Functions whose result depends on the rows, whatever they are given."""

KEYWORDS: Final = frozenset(
    "and as between case cast collate distinct else end escape false glob in integer is like nocase not null numeric"  # noqa: SIM905
    " or real select text then true when".split()
)
NEUTRAL: Final = frozenset({0, 1})
SCALES: Final = frozenset({100, 1000})
"""Numbers that turn a share into percent, or a unit into its thousandth."""

FORMAT: Final = re.compile(r"(?:%[a-zA-Z]|\W)*")
MAX_SQL: Final = 20_000
"""Characters that are read; SQLite runs no more here."""

MAX_LITERALS: Final = 500
MAX_DIGITS: Final = 300
MAX_HEX: Final = 18
"""Characters of a number in hex, which has 64 bits at most."""


class Token(NamedTuple):
    """One token, and in which pair of brackets it stands."""

    kind: str
    text: str
    """Words and names in small letters and without quotes; everything else as it stands."""
    depth: int
    function: str
    """The word before the innermost bracket."""


class Literal(NamedTuple):
    """A value of a statement."""

    value: str | float
    place: int
    """Of its token."""


class Statement(Record):
    """One statement of a player's or a plan's."""

    sql: str

    @cached_property
    def tokens(self) -> list[Token]:
        """Its tokens, without blanks and comments, and without the semicolon at its end."""
        parsed = list(_tokens(self.sql[:MAX_SQL]))
        while parsed and parsed[-1].text == ";":
            parsed.pop()
        return parsed

    @cached_property
    def words(self) -> list[str]:
        """Its bare words, in small letters."""
        return [token.text for token in self.tokens if token.kind == "word"]

    @cached_property
    def spelling(self) -> tuple[tuple[str, str], ...]:
        """The statement without what does not matter: case, blanks, quotes around names, a semicolon."""
        return tuple(("word" if token.kind in {"name", "quoted"} else token.kind, token.text) for token in self.tokens)

    @property
    def ordered(self) -> bool:
        """Whether its rows come in an order that it names."""
        return any((one.text, two.text) == ("order", "by") and one.depth == 0 for one, two in pairwise(self.tokens))

    @property
    def sorts(self) -> bool:
        """Whether it names an order anywhere, be it in a part that it selects from."""
        return any((one.text, two.text) == ("order", "by") for one, two in pairwise(self.tokens))

    @property
    def looks(self) -> bool:
        """Whether it reads a table."""
        return "from" in self.words or "join" in self.words

    @property
    def takes_all(self) -> bool:
        """Whether it selects every row of what it reads."""
        return self.words[:1] == ["select"] and self.looks and not {"where", "limit", "having", "group"} & {*self.words}

    @property
    def writes(self) -> bool:
        """Whether it changes a table."""
        return bool({*self.words[:1]} & WRITING) or ("with" in self.words[:1] and bool({*self.words} & WRITING))

    @property
    def reads_to_write(self) -> bool:
        """Whether it writes what it reads itself."""
        return self.writes and "select" in self.words and self.looks

    @property
    def numbers(self) -> list[float]:
        """Every number that it names, whatever for."""
        candidates = (_number(token.text, negative=False) for token in self.tokens if token.kind == "number")
        return [candidate for candidate in candidates if not isinstance(candidate, str)]

    @cached_property
    def outputs(self) -> list[bool]:
        """For each column that it selects, whether it depends on any table; empty where that cannot be told."""
        if not self.words or self.words[0] != "select" or {"union", "intersect", "except"} & {*self.words}:
            return []
        items: list[list[int]] = [[]]
        for index, token in enumerate(self.tokens[1:], start=1):
            if token.depth == 0 and token.text in {"from", "union"} and token.kind == "word":
                break
            if token.depth == 0 and token.text == "," and token.kind == "sign":
                items.append([])
            elif token.text not in {"distinct", "all"}:
                items[-1].append(index)
        return [self._depends(item) for item in items]

    def _depends(self, item: Sequence[int]) -> bool:
        """Whether a selected expression holds a column's name, a star, or counts rows."""
        bare = self._without_alias(item)
        for at, index in enumerate(bare):
            token, after = self.tokens[index], self._text(index + 1)
            if token.text == "*" and (at == 0 or self._text(index - 1) in {"(", "."}):
                return True
            if token.kind == "name" or (token.kind == "quoted" and len(bare) == 1):
                return True
            if token.kind == "word" and (after != "(" or token.text in COUNTING) and token.text not in KEYWORDS:
                return True
        return False

    def _without_alias(self, item: Sequence[int]) -> Sequence[int]:
        named = next((at for at, place in enumerate(item) if self.tokens[place] == ("word", "as", 0, "")), None)
        if named is not None:
            return item[:named]
        last_two = [self.tokens[place] for place in item[-2:]]
        implied = (
            len(last_two) > 1
            and last_two[1].kind in {"word", "name", "quoted"}
            and (last_two[0].kind != "sign" or last_two[0].text == ")")
        )
        return item[:-1] if implied else item

    def literals(self, names: frozenset[str]) -> list[Literal]:
        """Give the values that somebody must have supplied.

        Args:
            names: words of the schema, in small letters: what is quoted like a name and is none of these is a text,
                as SQLite takes it.
        """
        candidates = (self._literal(index, names) for index in range(len(self.tokens)))
        supplied = (candidate for candidate in candidates if candidate is not None and not self._is_free(candidate))
        return list(islice(supplied, MAX_LITERALS))

    def _literal(self, index: int, names: frozenset[str]) -> Literal | None:
        token = self.tokens[index]
        if token.kind == "text" or (token.kind == "quoted" and not self._is_name(index, names)):
            return Literal(token.text, index)
        if token.kind == "blob":
            return Literal(_text_of(token.text), index)
        if token.kind == "number":
            return Literal(_number(token.text, negative=self._is_negative(index)), index)
        return None

    def _is_name(self, index: int, names: frozenset[str]) -> bool:
        """Whether something in double quotes is a name: of the schema, or one that the statement gives."""
        folded = self.tokens[index].text.casefold()
        beside = (self._text(index - 1), self._text(index + 1))
        return folded in names or folded in self._aliases or "." in beside or beside[0] == "as"

    @cached_property
    def _aliases(self) -> frozenset[str]:
        return frozenset(two.text.casefold() for one, two in pairwise(self.tokens) if one.text == "as")

    def _text(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def _is_negative(self, index: int) -> bool:
        """Whether a minus before a number is its sign, not a subtraction."""
        before = self.tokens[index - 2] if index > 1 else None
        operand = before is not None and (before.kind not in {"word", "sign"} or before.text == ")")
        return self._text(index - 1) == "-" and not operand

    def _is_free(self, literal: Literal) -> bool:
        """Whether a value needs no source: it says how rows are counted, cut, rounded or shown."""
        token, before = self.tokens[literal.place], self._clause(literal.place)
        if isinstance(literal.value, str):
            return FORMAT.fullmatch(literal.value) is not None
        if before in {"limit", "offset"} or token.function in PLACES:
            return True
        if before == "by":
            return self._text(literal.place - 1) in {"by", ","}
        if literal.value in NEUTRAL:
            return not self._is_key(literal.place)
        return (
            literal.value in SCALES
            and {"*", "/"} & {self._text(literal.place - 1), self._text(literal.place + 1)} != set()
        )

    def _clause(self, index: int) -> str:
        """Give the last word before a place that begins a clause, in the same bracket."""
        depth = self.tokens[index].depth
        for token in reversed(self.tokens[max(0, index - REACH) : index]):
            if token.depth < depth:
                return ""
            if token.depth == depth and token.kind == "word" and token.text in CLAUSES:
                return token.text
        return ""

    def _is_key(self, index: int) -> bool:
        """Whether a number is held against an id, or written as a value: there 0 and 1 are values like others."""
        if self.tokens[index].depth and "values" in self.words and self.words[0] != "select":
            return True
        before, after = self._compared_before(index), self._text(index + 2)
        return KEY.fullmatch(before) is not None or (
            self._text(index + 1) in COMPARING and KEY.fullmatch(after) is not None
        )

    def _compared_before(self, index: int) -> str:
        """Give what a value is compared with: `id` in id = 1, id IN (2, 1), id NOT BETWEEN 0 AND 1."""
        for at in range(index - 1, max(0, index - REACH), -1):
            token = self.tokens[at]
            if token.kind in {"word", "sign"} and token.text in COMPARING:
                return self._text(at - 2 if self._text(at - 1) == "not" else at - 1)
            if token.kind not in {"number", "text"} and token.text not in {",", "(", "-", "and"}:
                return ""
        return ""


KEY: Final = re.compile(r"(?:\w*_)?id|rowid", re.IGNORECASE)
CLAUSES: Final = frozenset(
    "select from where by having limit offset set values as on join union case then else".split()  # noqa: SIM905 - words
)
REACH: Final = 40
"""Tokens back to which the beginning of a clause, or of a comparison, is looked for."""


def _tokens(sql: str) -> Iterator[Token]:
    functions: list[str] = []
    last = ""
    for match in TOKEN.finditer(sql):
        kind = match.lastgroup or "sign"
        if kind in {"comment", "blank"}:
            continue
        text = _bare(kind, match[0])
        if text == ")" and kind == "sign" and functions:
            functions.pop()
        yield Token(kind, text, len(functions), functions[-1] if functions else "")
        if text == "(" and kind == "sign":
            functions.append(last)
        last = text if kind == "word" else ""


def _bare(kind: str, text: str) -> str:
    match kind:
        case "word":
            return text.casefold()
        case "text":
            return text[1:-1].replace("''", "'")
        case "quoted":
            return text[1:-1].replace('""', '"')
        case "name":
            return text[1:-1].casefold()
    return text


def _text_of(blob: str) -> str:
    return bytes.fromhex(blob[2:-1] if len(blob) % 2 else f"0{blob[2:-1]}").decode(errors="replace")


def _number(text: str, *, negative: bool) -> str | float:
    bare = text.replace("_", "")[:MAX_DIGITS]
    number = float(int(bare[:MAX_HEX], 16)) if bare[:2].casefold() == "0x" else float(bare)
    if not math.isfinite(number):
        return text[:MAX_DIGITS]
    whole = int(number) if number.is_integer() else number
    return -whole if negative else whole


def is_statement(tool: Tool | None, argument: str, value: object) -> bool:
    """Whether an argument is an SQL statement: its tool says so, and it begins like one."""
    if tool is None or not isinstance(value, str):
        return False
    described: Mapping[str, Mapping[str, str]] = tool.parameters.get("properties", {})  # type: ignore[assignment]
    about = f"{tool.description} {described.get(argument, {}).get('description', '')}"
    return "SQL" in about and first_word(value) in VERBS


def first_word(sql: str) -> str:
    """Give a statement's first word, in small letters; empty where it has none."""
    words = Statement(sql=sql[:1_000]).words
    return words[0] if words else ""


def names_in(schemas: Sequence[str]) -> frozenset[str]:
    """Give every name in some CREATE TABLE statements, in small letters."""
    tokens = (token for schema in schemas for token in Statement(sql=schema).tokens)
    return frozenset(token.text.casefold() for token in tokens if token.kind in {"word", "quoted", "name"})
