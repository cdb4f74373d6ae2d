"""Scores of answers to test conversations of the Training-from-Traces benchmark, worst excuses first.

Exact service calls and recall by function come first: a constant that knows nothing scores 0.650 staged. Beside these
the benchmark's own: staged (0.25 for a call that can be read, 0.50 with its name, 0.75 with its arguments' names, 1 for
the same call), equivalence (the same call once defaults are filled in), binary (the same call as it is), and a judge's
where one is configured. Everything is given twice: over all pairs, and without those whose last user message stands
word for word in training.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from loop.errors import ProviderError
from loop.types import Catalogue, Message
from teachers.base.teacher import Teacher
from teachers.judging.judgement import judge

REPLY: Final = "respond_to_user"
DRAWS: Final = 4_000
"""Bootstrap samples over conversations."""


class Said(NamedTuple):
    """What an assistant message of the benchmark's own files does."""

    name: str
    arguments: str

    @property
    def replies(self) -> bool:
        """Whether it speaks to the user."""
        return self.name == REPLY


class Pair(NamedTuple):
    """A point of a test conversation, what was wanted there, and what was answered."""

    conversation: int
    wanted: Said
    given: Said
    seen: bool
    """Whether the user's last message stands word for word in training."""
    good: bool | None = None
    """What a judge says; None where none was asked."""


def said(message: Mapping[str, Any]) -> Said:
    """Read one assistant message of the files."""
    function = message["tool_calls"][0]["function"]
    given = function["arguments"]
    return Said(function["name"], json.dumps(json.loads(given) if isinstance(given, str) else given, sort_keys=True))


def expected(data: Path) -> Iterator[tuple[list[dict[str, Any]], Said]]:
    """Give every assistant message of the test conversations, with what stands before it."""
    for line in (data / "test.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        messages, last = json.loads(row["question"]), json.loads(row["answer"])
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                yield messages[:place], said(message)
        yield messages, Said(last["name"], json.dumps(last["parameters"], sort_keys=True))


def trained_on(data: Path) -> frozenset[str]:
    """Give every user message of the clean training conversations, of which the other scenarios are made."""
    lines = (data / "s1.traces.jsonl").read_text(encoding="utf-8").splitlines()
    several = (json.loads(json.loads(line)["context"])["messages"] for line in lines)
    return frozenset(each["content"] for messages in several for each in messages if each["role"] == "user")


def seen_before(before: Sequence[Mapping[str, Any]], known: frozenset[str]) -> bool:
    """Whether the last user message of a conversation stands word for word in training."""
    return next((each["content"] in known for each in reversed(before) if each["role"] == "user"), False)


def staged(wanted: Said, given: Said | None) -> float:
    """0.25 for a call that can be read, 0.50 with its name, 0.75 with its arguments' names, 1 for the same call."""
    if given is None:
        return 0.0
    if given.name != wanted.name:
        return 0.25
    if set(json.loads(given.arguments)) != set(json.loads(wanted.arguments)):
        return 0.5
    return 1.0 if given.arguments == wanted.arguments else 0.75


def equivalent(wanted: Said, given: Said, tools: Catalogue) -> bool:
    """Whether both are the same call once the schema's defaults are filled in, whatever the case and the blanks."""
    return wanted.name == given.name and _filled(wanted, tools) == _filled(given, tools)


def _filled(call: Said, tools: Catalogue) -> dict[str, str]:
    tool = tools.find(call.name)
    properties = tool.parameters.get("properties") if tool else None
    known = properties if isinstance(properties, dict) else {}
    defaults = {name: each["default"] for name, each in known.items() if isinstance(each, dict) and "default" in each}
    return {
        name: " ".join(str(value).casefold().split())
        for name, value in {**defaults, **json.loads(call.arguments)}.items()
    }


def table(name: str, pairs: Sequence[Pair], tools: Catalogue) -> Iterator[str]:
    """Print all scores of one run, over all pairs and over those that are new."""
    for title, some in ((name, pairs), (f"{name}, without what stands in training", [p for p in pairs if not p.seen])):
        yield f"{title} ({len(some)} pairs)"
        exact = _share(p.wanted == p.given for p in some if not p.wanted.replies)
        yield f"  exact services {exact}; recall {_recall(some)}"
        judged = [p.good for p in some if p.good is not None]
        scores = {
            "equivalence": _share(equivalent(p.wanted, p.given, tools) for p in some),
            "binary": _share(p.wanted == p.given for p in some),
            "judge": _share(judged) if judged else "not asked",
            "staged": f"{_mean(some, lambda pair: staged(pair.wanted, pair.given)):.3f}",
        }
        floor = _mean(some, lambda pair: staged(pair.wanted, CONSTANT))
        yield f"  {', '.join(f'{key} {value}' for key, value in scores.items())} (a constant: {floor:.3f})"


CONSTANT: Final = Said(REPLY, json.dumps({"message": "Is there anything else?"}))


def _recall(pairs: Sequence[Pair]) -> str:
    there = Counter(pair.wanted.name for pair in pairs)
    right = Counter(pair.wanted.name for pair in pairs if pair.given.name == pair.wanted.name)
    return ", ".join(f"{name} {right[name]}/{there[name]}" for name in sorted(there, key=lambda each: each == REPLY))


def _share(found: Iterable[bool]) -> str:
    listed = list(found)
    return f"{sum(listed) / len(listed):.3f} ({sum(listed)} of {len(listed)})" if listed else "of none"


def _mean(pairs: Sequence[Pair], score: Callable[[Pair], float]) -> float:
    return sum(map(score, pairs)) / len(pairs) if pairs else 0.0


def difference(mine: Sequence[Pair], theirs: Sequence[Pair]) -> str:
    """Say by how much exact service calls differ, with a 95 % interval: bootstrap over conversations, paired."""
    one, other = _by_conversation(mine), _by_conversation(theirs)
    both, rng = sorted(one.keys() & other.keys()), random.Random(1)
    drawn = sorted(_gap(one, other, rng.choices(both, k=len(both))) for _ in range(DRAWS))
    low, high = drawn[round(DRAWS * 0.025)], drawn[round(DRAWS * 0.975) - 1]
    return f"difference in exact services: {_gap(one, other, both):+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"


def _by_conversation(pairs: Sequence[Pair]) -> dict[int, list[bool]]:
    """Group the exactness of service calls by conversation: runs with other seeds are drawn together."""
    groups: dict[int, list[bool]] = {}
    for pair in pairs:
        if not pair.wanted.replies:
            groups.setdefault(pair.conversation, []).append(pair.wanted == pair.given)
    return groups


def _gap(mine: Mapping[int, list[bool]], theirs: Mapping[int, list[bool]], drawn: Sequence[int]) -> float:
    return _rate([mine[each] for each in drawn]) - _rate([theirs[each] for each in drawn])


def _rate(groups: Sequence[Sequence[bool]]) -> float:
    count = sum(map(len, groups))
    return sum(map(sum, groups)) / count if count else 0.0


def judged(
    pairs: Sequence[Pair],
    before: Sequence[Sequence[Mapping[str, Any]]],
    teacher: Teacher,
    rubric: str,
    tools: Catalogue,
) -> Iterator[Pair]:
    """Have a judge hold each answer against the reference, by the benchmark's own rubric. Same calls need no judge."""
    for pair, messages in zip(pairs, before, strict=True):
        if pair.wanted == pair.given:
            yield pair._replace(good=True)
            continue
        told = [*messages, {"reference": pair.wanted._asdict()}, {"prediction": pair.given._asdict()}]
        asked = Message(role="user", content="\n".join(json.dumps(each, ensure_ascii=False) for each in told))
        try:
            yield pair._replace(good=judge(teacher, rubric, [asked], tools).good)
        except ProviderError:
            yield pair
