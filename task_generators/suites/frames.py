"""Whose words a text is in: which user turns have a frame that training uses.

A turn counts as worded like training if any run of its sentences is a sentence of one of training's frames, whatever
its values are. What is found is a little too much rather than too little: blanks take any value of their kind.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import JsonValue

from loop.canonical import canonical
from loop.types import Novelty, Record, Suite, Task
from task_generators.writing.wording import BLANK, CHOICE, ENDING, Phrasing, wording

NO_MOVES: Final = ("manners",)
"""Files whose sentences stand beside requests: anybody may say them."""

QUOTED: Final = r'[^"\n]{1,300}'
VALUE: Final = r'([^\s",;:!?](?:[^",;:!?]{0,80}?[^\s",;:!?])?)'
LIST: Final = r"([\d., ]{1,80} and [\d.]+)"
"""What may stand in a blank: quoted, or not, or a list of numbers."""

PART: Final = re.compile(r"(found|told)_\w+")
"""Moves that are no turns but fill the blank of another one's frames."""

PARTS: Final = frozenset({"found", "told"})
"""Their blanks."""

FUNCTION_WORDS: Final = frozenset(
    "a an are be for i in into is it me my of that the this to we you".split()  # noqa: SIM905 - a list of words
)
"""Words that are no values by themselves, though they may stand in one: what a message says is quoted."""

POLITE_WORDS: Final = frozenset({"please", "thanks", "thank", "you"})
"""Words that make no frame by themselves."""

LISTED: Final = re.compile(
    r"first|second|third|fourth|cheaper|more expensive|highest|lowest|buy|sell|euros|yen|rupees|mexican pesos"
    r"|(?:canadian|australian) dollars|british pounds|rear (?:left|right)|driver|passenger|(?:the same )?card",
    re.IGNORECASE,
)
"""Values that a sentence calls otherwise than the calls and the world do."""

WORD: Final = re.compile(r"[a-z]{2,}")
TOKEN: Final = re.compile(r"[a-z0-9]+")
SPACES: Final = re.compile(r"(?:\\ )+")
QUOTED_BLANK: Final = re.compile(r'"\{(\w+)\}"')
SENTENCE: Final = re.compile(r"(?<=[.!?:])\s+|(?<=[.!?:]\")\s+(?=[\"A-Z0-9])")
MOST_SENTENCES: Final = 8
LONGEST: Final = 600
"""Sentences and characters of one run, at most: no frame's sentence is longer."""


class FrameShare(Record):
    """How many user turns of a suite, or of a part of it, are worded like training."""

    suite: str
    part: Novelty | None
    """None where nobody says what is new in a task."""
    turns: int
    trained: int
    example: str = ""
    """One such turn."""

    @property
    def allowed(self) -> bool:
        """Whether this part may have training's frames: its words are known by design, or it is not ours."""
        return self.part in {None, Novelty.KNOWN} or self.trained == 0


class Frames:
    """Frames to find again in texts."""

    def __init__(self, frames: Iterable[str]) -> None:
        """Index frames by the rarest word that each must have, if any; those of blanks alone say nothing."""
        known = {frame: _needed(frame) for frame in frames}
        often = Counter(word for words in known.values() for word in words)
        self._by_word: dict[str, list[str]] = defaultdict(list)
        for frame, words in known.items():
            if set(WORD.findall(BLANK.sub(" ", frame).lower())) - POLITE_WORDS:
                self._by_word[min(words, key=lambda word: (often[word], word), default="")].append(frame)

    def has(self, text: str, values: AbstractSet[str]) -> bool:
        """Whether some run of a text's sentences is a sentence of a frame.

        Args:
            text: what a user says.
            values: words of the values that may stand in blanks.
        """
        return any(self._matches(run, values) for run in _runs(text))

    def _matches(self, run: str, values: AbstractSet[str]) -> bool:
        words = set(WORD.findall(run.lower()))
        frames = (frame for word in ("", *words) for frame in self._by_word.get(word, ()) if _needed(frame) <= words)
        matches = (_pattern(frame).fullmatch(run) for frame in frames)
        return any(match and all(_is_value(blank, values) for blank in match.groups("")) for match in matches)


def _is_value(text: str, values: AbstractSet[str]) -> bool:
    """Whether what stands in a blank is a value: a number, a thing of the task, or what one is called."""
    rest = TOKEN.findall(LISTED.sub(" ", text.lower()))
    return all(
        word == "and"
        or any(map(str.isdigit, word))
        or (word not in FUNCTION_WORDS and (word in values or f"{word}s" in values))
        for word in rest
    )


@cache
def _needed(frame: str) -> frozenset[str]:
    """Give the words that every sentence of a frame has."""
    return frozenset(WORD.findall(BLANK.sub(" ", CHOICE.sub(" ", frame)).lower()))


@cache
def _pattern(frame: str) -> re.Pattern[str]:
    """Read a frame as a pattern: its choices, a group for each blank, small and great letters alike."""
    return re.compile(_spelt(frame.rstrip(".?!")) + r"\W*", re.IGNORECASE)


def _spelt(frame: str) -> str:
    pieces = CHOICE.split(frame)
    return "".join(_choice(piece) if index % 2 else _literal(piece) for index, piece in enumerate(pieces))


def _choice(piece: str) -> str:
    return f"(?:{'|'.join(_literal(part) for part in piece.split('|'))})"


def _literal(piece: str) -> str:
    """Spell words as they are, and blanks as what may stand in them. Where a choice is empty, a space may be gone."""
    edges = tuple(r"\s*" if edge.isspace() else "" for edge in (piece[:1], piece[-1:]))
    parts = QUOTED_BLANK.split(piece.strip())
    inner = "".join(f'"{QUOTED}"' if index % 2 else _unquoted(part) for index, part in enumerate(parts))
    return inner.join(edges)


def _unquoted(piece: str) -> str:
    parts = BLANK.split(piece)
    return "".join(_blank(part) if index % 2 else _spaced(part) for index, part in enumerate(parts))


def _spaced(piece: str) -> str:
    return SPACES.sub(r"\\s+", re.escape(piece))


def _blank(name: str) -> str:
    """Spell what may stand in a blank: a value, a list, or any of the phrases that are made for it."""
    phrases = _phrases()[name] if name in PARTS else []
    return f"(?:{'|'.join(phrases)})" if phrases else LIST if name == "numbers" else VALUE


@cache
def _phrases() -> Mapping[str, list[str]]:
    """Give the patterns of the phrases that fill the blanks of other frames, by the blank."""
    phrases: dict[str, list[str]] = defaultdict(list)
    for move, phrasing in _moves():
        if part := PART.fullmatch(move):
            phrases[part[1]] += [_spelt(frame) for frame in phrasing.training]
    return phrases


def _runs(text: str) -> Iterator[str]:
    """Yield every run of whole sentences that does not begin within a quotation."""
    pieces = SENTENCE.split(text.strip())
    for first in range(len(pieces)):
        if sum(piece.count('"') for piece in pieces[:first]) % 2 == 0:
            for last in range(first + 1, min(first + MOST_SENTENCES, len(pieces)) + 1):
                run = " ".join(pieces[first:last])
                if run.count('"') % 2 == 0 and len(run) <= LONGEST:
                    yield run


@cache
def trained() -> Frames:
    """The frames of training, of every move of every backend."""
    moves = [phrasing for move, phrasing in _moves() if not PART.fullmatch(move)]
    return Frames(frame for phrasing in moves for frame in phrasing.training)


def _moves() -> Iterator[tuple[str, Phrasing]]:
    """Give every move of every shipped file."""
    shipped = sorted(path.name for path in files("task_generators.wording").iterdir())
    names = [name.removesuffix(ENDING) for name in shipped if name.endswith(ENDING)]
    return ((move, phrasing) for name in names if name not in NO_MOVES for move, phrasing in wording(name).items())


def shares(suites: Sequence[Suite]) -> list[FrameShare]:
    """Count for every suite, part by part, the user turns that are worded like training."""
    return [share for suite in suites for share in _shares(suite)]


def _shares(suite: Suite) -> Iterator[FrameShare]:
    said: Counter[Novelty | None] = Counter()
    like: dict[Novelty | None, list[str]] = defaultdict(list)
    for task in suite.tasks:
        values = _values(task)
        said[task.novelty] += len(task.turns)
        like[task.novelty] += [turn.user for turn in task.turns if trained().has(turn.user, values)]
    for part, turns in said.items():
        examples = like[part]
        yield FrameShare(
            suite=suite.name, part=part, turns=turns, trained=len(examples), example=examples[0] if examples else ""
        )


def _values(task: Task) -> frozenset[str]:
    """Give the words of everything that is in a task's world and calls, but not those that name an argument."""
    calls = [call for turn in task.turns for call in turn.plan]
    said: list[JsonValue] = [value for call in calls for value in call.model_dump(mode="json")["arguments"].values()]
    names = {word for call in calls for name in call.arguments for word in TOKEN.findall(name.lower())}
    world = frozenset(TOKEN.findall(canonical(dict(task.initial)).lower())) - names
    return world | frozenset(TOKEN.findall(canonical(said).lower()))
