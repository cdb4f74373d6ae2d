"""The five scenarios of learning from traces, on the Training-from-Traces data (restaurants, from SGD, CC BY-SA 4.0).

The data is not part of loopd: `--data DIR` names a directory with `s1.traces.jsonl` … `s5.traces.jsonl`, `test.jsonl`
and `job_description.json`.

    python -m benchmarks.traces filters --data DIR     what the filters find of what was corrupted; no model
    python -m benchmarks.traces floors --data DIR      what the scores give to answers that know nothing

filters: S2 corrupts half of all calls; which, the comparison with S1 tells, message by message. S3 renames tools and
arguments; every name that today's tools do not have is drift. S5 adds conversations of another service, renamed and
shuffled; which, their hotels tell. Recall and precision count messages in S2, calls in S3, conversations in S5.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loop.traces.filtering import WHOLE, faulty
from loop.traces.reading import read
from loop.traces.sifting import filters, judge
from loop.traces.tool_files import tools_in
from loop.traces.trace import Found
from loop.types import Catalogue, End, Part, Trajectory

REPLY = "respond_to_user"


class Said(NamedTuple):
    """What an assistant message of the benchmark's own files does."""

    name: str
    arguments: str

    @property
    def replies(self) -> bool:
        """Whether it speaks to the user."""
        return self.name == REPLY


class Count(NamedTuple):
    """What was to be found, what was found, and what was found wrongly."""

    what: str
    there: int
    found: int
    wrong: int = 0

    def line(self) -> str:
        """Spell it."""
        precision = self.found / (self.found + self.wrong) if self.found + self.wrong else 0.0
        recall = self.found / self.there if self.there else 0.0
        shares = f"recall {recall:.3f}  wrongly {self.wrong:>4}  precision {precision:.3f}"
        return f"{self.what:<46} {self.found:>5} of {self.there:>5}  {shares}"


def service_tools(data: Path) -> Catalogue:
    """Today's tools without the one that speaks."""
    tools = tools_in(data / "job_description.json").tools
    return Catalogue(tools=tuple(tool for tool in tools if tool.name != REPLY))


def conversations(data: Path, scenario: str, *, unfold: bool = True) -> list[tuple[str, Trajectory]]:
    """Read a scenario's traces."""
    form = Part(use="openai_messages", settings={"unfold": unfold})
    found = [each for each in read([str(data / f"{scenario}.traces.jsonl")], form) if isinstance(each, Found)]
    tools = service_tools(data)
    return [(f"{number:04}", _play(each, tools)) for number, each in enumerate(found)]


def _play(found: Found, tools: Catalogue) -> Trajectory:
    return Trajectory(task="t", player="trace", end=End.CLOSED, messages=found.trace.messages, catalogue=tools)


def raw(data: Path, scenario: str) -> list[list[Said]]:
    """Read what each assistant message of a scenario does, as the files have it."""
    lines = (data / f"{scenario}.traces.jsonl").read_text(encoding="utf-8").splitlines()
    several = [json.loads(json.loads(line)["context"])["messages"] for line in lines]
    return [[said(message) for message in messages if message["role"] == "assistant"] for messages in several]


def said(message: Mapping[str, Any]) -> Said:
    """Read one assistant message of the files."""
    function = message["tool_calls"][0]["function"]
    given = function["arguments"]
    return Said(function["name"], json.dumps(json.loads(given) if isinstance(given, str) else given, sort_keys=True))


def corruption(true: Said, now: Said) -> str:
    """Name how S2 changed a message; empty where it did not."""
    if true == now:
        return ""
    if true.replies and now.replies:
        return "words of another service"
    if true.replies:
        return "a service instead of words"
    if now.replies:
        return "words instead of a service"
    return "another service" if true.name != now.name else "other arguments"


def noisy(data: Path) -> Iterator[Count]:
    """S2: compare what the filters found with what differs from S1."""
    seen = conversations(data, "s2")
    there, found, wrong = Counter[str](), Counter[str](), 0
    files = raw(data, "s1"), raw(data, "s2")
    for (_, play), verdicts, true, now in zip(seen, judge(seen, filters()), *files, strict=True):
        places = [place for place, message in enumerate(play.messages) if message.role == "assistant"]
        bad = faulty(verdicts)
        for place, one, other in zip(places, true, now, strict=True):
            kind = corruption(one, other)
            there[kind] += 1
            found[kind] += place in bad
    wrong = found.pop("", 0)
    del there[""]
    yield from (Count(f"S2 {kind}", there[kind], found[kind]) for kind in sorted(there))
    services = [kind for kind in there if kind != "words of another service"]
    calls = sum(there[kind] for kind in services), sum(found[kind] for kind in services)
    yield Count("S2 services: called wrongly or not called", *calls)
    yield Count("S2 all corrupted messages", there.total(), found.total(), wrong)


def clean(data: Path) -> Iterator[Count]:
    """S1: nothing is to be found."""
    seen = conversations(data, "s1")
    wrong = sum(
        place in faulty(verdicts) for (_, play), verdicts in zip(seen, judge(seen, filters()), strict=True)
        for place, message in enumerate(play.messages) if message.role == "assistant"
    )  # fmt: skip
    messages = sum(message.role == "assistant" for _, play in seen for message in play.messages)
    yield Count(f"S1 of {messages} right messages", 0, 0, wrong)


def drifted(data: Path) -> Iterator[Count]:
    """S3: every call whose name or arguments today's tools do not have."""
    tools = tools_in(data / "job_description.json")
    known = {tool.name: set(tool.parameters["properties"]) for tool in tools.tools}  # type: ignore[arg-type]
    seen = conversations(data, "s3", unfold=False)
    schema = [each for each in filters(tools) if each.name == "trace-schema"]
    there = found = wrong = 0
    for (_, play), verdicts in zip(seen, judge(seen, schema), strict=True):
        bad = faulty(verdicts)
        for place, message in enumerate(play.messages):
            for call in message.calls:
                drift = call.name not in known or not set(call.arguments) <= known[call.name]
                marked = place in bad
                there, found, wrong = there + drift, found + (drift and marked), wrong + (not drift and marked)
    yield Count("S3 drifted calls", there, found, wrong)


def mixed(data: Path) -> Iterator[Count]:
    """S5: conversations that are another service's."""
    seen = conversations(data, "s5")
    foreign = ["hotel" in json.dumps(each).lower() for each in raw(data, "s5")]
    there = found = wrong = 0
    for hotel, verdicts in zip(foreign, judge(seen, filters(service_tools(data))), strict=True):
        refused = WHOLE in faulty(verdicts)
        there, found, wrong = there + hotel, found + (hotel and refused), wrong + (refused and not hotel)
    yield Count("S5 foreign and shuffled conversations", there, found, wrong)


def main(arguments: Sequence[str]) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("filters", "floors"))
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args(arguments)
    if given.what == "filters":
        for measure in (clean, noisy, drifted, mixed):
            for count in measure(given.data):
                print(count.line(), flush=True)
    else:
        floors(given.data)
    return 0


# --- scores ----------------------------------------------------------------------------------------------------------


def pairs(data: Path) -> Iterator[tuple[list[dict[str, Any]], Said]]:
    """Give every assistant message of the test conversations, with what stands before it."""
    for line in (data / "test.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        messages, last = json.loads(row["question"]), json.loads(row["answer"])
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                yield messages[:place], said(message)
        yield messages, Said(last["name"], json.dumps(last["parameters"], sort_keys=True))


def staged(wanted: Said, given: Said | None) -> float:
    """0.25 for a call that can be read, 0.50 with its name, 0.75 with its arguments' names, 1 for the same call."""
    if given is None:
        return 0.0
    if given.name != wanted.name:
        return 0.25
    if set(json.loads(given.arguments)) != set(json.loads(wanted.arguments)):
        return 0.5
    return 1.0 if given.arguments == wanted.arguments else 0.75


def floors(data: Path) -> None:
    """Print what answers that know nothing score."""
    expected = [answer for _, answer in pairs(data)]
    print(len(expected), "pairs:", dict(Counter(each.name for each in expected)))
    constant = Said(REPLY, json.dumps({"message": "Is there anything else?"}))
    other = [Said(REPLY, json.dumps({"message": "…"})) if each.replies else each for each in expected]
    for name, given in (("always 'Is there anything else?'", [constant] * len(expected)), ("right calls", other)):
        print(f"{name:<40} staged {sum(map(staged, expected, given)) / len(expected):.3f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
