"""The five scenarios of learning from traces, on the Training-from-Traces data (restaurants, from SGD, CC BY-SA 4.0).

The data is not part of loopd: `--data DIR` names a directory with `s1.traces.jsonl` … `s5.traces.jsonl`, `test.jsonl`
and `job_description.json`.

    python -m benchmarks.traces filters --data DIR     what the filters find of what was corrupted; no model
    python -m benchmarks.traces floors --data DIR      what the scores give to answers that know nothing
    python -m benchmarks.traces run --data DIR --base MODEL --scenario s2 --arm filtered --seed 1 --out FILE

run: train the base on one arm of one scenario, answer every pair of the test conversations greedily, and write what was
answered. direct: all traces. filtered: faulty messages are context. relabelled: lost and wrong calls are read off their
results first. synthesized: filtered, and 100 plays of new tasks in the world of what tools answered.

`compare FILE FILE …` prints the scores (`benchmarks.trace_scores`) of the first half of the files beside
those of the second, such as two seeds of one arm and two of another, and the difference in exact service calls, paired
by conversation. `judge FILE --teacher NAME --settings JSON` has a teacher judge a run's answers by the benchmark's
rubric and writes what it says into the file.

filters: S2 corrupts half of all calls; which, the comparison with S1 tells, message by message. S3 renames tools and
arguments; every name that today's tools do not have is drift. S5 adds conversations of another service, renamed and
shuffled; which, their hotels tell. Recall and precision count messages in S2, calls in S3, conversations in S5.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.trace_scores import (
    CONSTANT,
    REPLY,
    Pair,
    Said,
    difference,
    expected,
    judged,
    said,
    seen_before,
    table,
    trained_on,
)
from loop.plugins import load
from loop.runtime.gpu import Gpu
from loop.student.client import Student
from loop.traces.arms import partly
from loop.traces.filtering import WHOLE, faulty
from loop.traces.habits import Habits
from loop.traces.importing import task_of
from loop.traces.mending import mended
from loop.traces.readers.openai_messages import OpenaiMessages
from loop.traces.reading import read
from loop.traces.sifting import filters, judge
from loop.traces.tool_files import tools_in
from loop.traces.trace import LocatedTrace
from loop.traces.widening import played, world_in
from loop.types import Catalogue, End, Message, Part, Split, Task, Trajectory
from loop.types.jobs import Job
from loop.weights import adapters
from loop.weights.base_models import directory_digest

TEMPLATE = "spaced"
BATCH = 4
SYNTHESIZED = 100
"""Plays that the arm of that name adds."""


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
    found = [each for each in read([str(data / f"{scenario}.traces.jsonl")], form) if isinstance(each, LocatedTrace)]
    tools = service_tools(data)
    return [(f"{number:04}", _play(each, tools)) for number, each in enumerate(found)]


def _play(found: LocatedTrace, tools: Catalogue) -> Trajectory:
    return Trajectory(task="t", player="trace", end=End.CLOSED, messages=found.trace.messages, catalogue=tools)


def raw(data: Path, scenario: str) -> list[list[Said]]:
    """Read what each assistant message of a scenario does, as the files have it."""
    lines = (data / f"{scenario}.traces.jsonl").read_text(encoding="utf-8").splitlines()
    several = [json.loads(json.loads(line)["context"])["messages"] for line in lines]
    return [[said(message) for message in messages if message["role"] == "assistant"] for messages in several]


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
    parser.add_argument("what", choices=("filters", "floors", "run", "judge", "compare"))
    parser.add_argument("files", nargs="*", type=Path, help="compare, judge: files that `run` wrote")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--base", type=Path, help="run: the base model's directory")
    parser.add_argument("--scenario", default="s1", choices=("s1", "s2", "s3", "s4", "s5"))
    parser.add_argument("--arm", default="direct", choices=("stock", "direct", "filtered", "relabelled", "synthesized"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, help="run: at most so many traces")
    parser.add_argument("--conversations", type=int, help="run: at most so many test conversations")
    parser.add_argument("--out", type=Path, default=Path("traces-run.json"))
    parser.add_argument("--teacher", default="openai_compatible", help="judge: a teacher by name")
    parser.add_argument("--settings", default="{}", help="judge: the teacher's settings, as JSON")
    given = parser.parse_args(arguments)
    if given.what == "compare":
        compare(given.files, tools_in(given.data / "job_description.json"))
    elif given.what == "judge":
        judge_run(given)
    elif given.what == "run":
        given.out.write_text(json.dumps(run(given), indent=1), encoding="utf-8")
    elif given.what == "filters":
        for measure in (clean, noisy, drifted, mixed):
            for count in measure(given.data):
                print(count.line(), flush=True)
    else:
        floors(given.data)
    return 0


# --- scores ----------------------------------------------------------------------------------------------------------


def floors(data: Path) -> None:
    """Print what answers that know nothing score."""
    known, tools = trained_on(data), tools_in(data / "job_description.json")
    listed = [(answer, seen_before(before, known)) for before, answer in expected(data)]
    print(len(listed), "pairs:", dict(Counter(answer.name for answer, _ in listed)))
    other = Said(REPLY, json.dumps({"message": "…"}))
    answers = {
        "always 'Is there anything else?'": lambda _: CONSTANT,
        "right calls, other words": lambda answer: other if answer.replies else answer,
    }
    for name, give in answers.items():
        for line in table(name, [Pair(0, answer, give(answer), seen) for answer, seen in listed], tools):
            print(line)


# --- runs ------------------------------------------------------------------------------------------------------------


def lessons(data: Path, scenario: str, arm: str, chosen: range | Sequence[int]) -> list[Trajectory]:
    """Make an arm of a scenario's traces, as `loopd trace make` does; `chosen` says which of them are trained on."""
    today = service_tools(data)
    plays = conversations(data, scenario)
    if arm == "direct":
        return [plays[number][1] for number in chosen]
    sieves = filters(today)
    if arm == "relabelled":
        wrong = {number: faulty(given) for number, given in enumerate(judge(plays, sieves))}
        habits = Habits.of([play for _, play in plays], wrong)
        plays = [(name, mended(play, habits, today).trajectory) for name, play in plays]
    verdicts = list(judge(plays, sieves))
    parts = [partly(plays[number][1], faulty(verdicts[number])) for number in chosen]
    right = [play for play in parts if play is not None]
    return [*right, *_synthesized(right, today)] if arm == "synthesized" else right


def _synthesized(right: Sequence[Trajectory], today: Catalogue) -> list[Trajectory]:
    """Play tasks in the world of what is right in a scenario's traces."""
    worded = world_in(right, today)
    if worded is None:
        print("no world can be built of these traces: nothing is synthesized", file=sys.stderr)
        return []
    plays = played(worded, SYNTHESIZED, 1, Counter())
    return [
        trajectory.model_copy(update={"messages": tuple(each for each in trajectory.messages if each.role != "system")})
        for _, trajectory in plays
    ]


def asked(data: Path) -> list[tuple[int, list[Message], Said, bool]]:
    """Give every test pair: its conversation, what stands before as it happened, the answer, whether it was seen."""
    found, known = [], trained_on(data)
    for number, line in enumerate((data / "test.jsonl").read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        last = json.loads(row["answer"])
        closing = {
            "role": "assistant",
            "tool_calls": [{"function": {"name": last["name"], "arguments": last["parameters"]}}],
        }
        whole = [*json.loads(row["question"]), closing]
        messages = OpenaiMessages().trace({"messages": whole}).messages
        answers = [
            (said(message), seen_before(whole[:place], known))
            for place, message in enumerate(whole)
            if message["role"] == "assistant"
        ]
        places = [place for place, message in enumerate(messages) if message.role == "assistant"]
        found += [(number, [*messages[:place]], *answer) for place, answer in zip(places, answers, strict=True)]
    return found


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Train, and answer the test."""
    today = service_tools(given.data)
    prompt = json.loads((given.data / "job_description.json").read_text(encoding="utf-8"))["task_description"]
    with TemporaryDirectory() as folder, Gpu(Path(folder), Path(folder), Path(folder)) as gpu:
        adapter, began = None, time.monotonic()
        if given.arm != "stock":
            there = range(len(conversations(given.data, given.scenario)))
            rows = min(given.rows or len(there), len(there))
            chosen = random.Random(given.seed).sample(there, rows)  # the same traces for every arm
            plays = lessons(given.data, given.scenario, given.arm, chosen)
            adapter = _trained(gpu, given, plays, prompt, Path(folder))
        spent = time.monotonic() - began
        told = []
        with gpu.serving(given.base, template=TEMPLATE, adapter=adapter) as served:
            student = Student(url=served.url, token_file=str(served.token_file), temperature=0.0, max_tokens=128)
            chat = student.open(nobodys_task(), given.seed)
            for number, before, answer, seen in asked(given.data):
                if given.conversations is None or number < given.conversations:
                    reply = chat.reply([Message(role="system", content=prompt), *before], today).message
                    told.append(Pair(number, answer, _done(reply), seen))
        answering = time.monotonic() - began - spent
    sizes = {"rows": given.rows, "conversations": given.conversations, "seconds": spent, "answering": answering}
    return {"scenario": given.scenario, "arm": given.arm, "seed": given.seed, **sizes, "pairs": told}


def nobodys_task() -> Task:
    """Give what a player's signature asks for: the student looks at messages alone."""
    return task_of((Message(role="user", content=""),), Catalogue(), "trace/test", Split.HELDOUT)


def _trained(gpu: Gpu, given: argparse.Namespace, plays: Sequence[Trajectory], prompt: str, folder: Path) -> Path:
    rows = folder / "rows.jsonl"
    system = Message(role="system", content=prompt).model_dump(mode="json")
    with rows.open("w", encoding="utf-8") as file:
        for number, play in enumerate(plays):
            messages = [system, *(message.model_dump(mode="json") for message in play.messages)]
            line = {"id": str(number), "messages": messages, "catalogue": play.catalogue.model_dump(mode="json")}
            file.write(json.dumps(line) + "\n")
    job = Job(
        base=given.base,
        template=TEMPLATE,
        rows=rows,
        out=folder / "adapter",
        scratch=folder,
        seed=given.seed,
        max_tokens=4096,
        epochs=1,
        batch_rows=BATCH,
    )
    for line in gpu.training(job):
        print(line, file=sys.stderr, flush=True)
    digest = directory_digest(given.base)
    published = adapters.publish(folder / "adapter", folder / "models", base=digest)
    return folder / "models" / published.id


def _done(reply: Message) -> Said:
    """Read an answer as the benchmark does: words are a call of the tool that speaks."""
    if reply.calls:
        return Said(reply.calls[0].name, json.dumps(dict(reply.calls[0].arguments), sort_keys=True))
    return Said(REPLY, json.dumps({"message": reply.content}))


def pairs_of(path: Path) -> list[Pair]:
    """Read what a run wrote."""
    listed = json.loads(path.read_text(encoding="utf-8"))["pairs"]
    return [Pair(number, Said(*wanted), Said(*given), *rest) for number, wanted, given, *rest in listed]


def compare(files: Sequence[Path], tools: Catalogue) -> None:
    """Print the scores of every run, and the difference of the first half of the files to the second."""
    for path in files:
        told = json.loads(path.read_text(encoding="utf-8"))
        for line in table(f"{told['scenario']} {told['arm']} seed {told['seed']}", pairs_of(path), tools):
            print(line)
    half = len(files) // 2
    mine, theirs = ([pair for path in some for pair in pairs_of(path)] for some in (files[:half], files[half:]))
    print(difference(mine, theirs))


def judge_run(given: argparse.Namespace) -> None:
    """Have a teacher judge a run, and keep what it says in the run's file."""
    teacher = load("teachers", Part(use=given.teacher, settings=json.loads(given.settings)))
    rubric = json.loads((given.data / "job_description.json").read_text(encoding="utf-8"))
    tools, (path,) = tools_in(given.data / "job_description.json"), given.files
    told = json.loads(path.read_text(encoding="utf-8"))
    several, pairs = [before for before, _ in expected(given.data)], pairs_of(path)
    judging = judged(pairs, several[: len(pairs)], teacher, rubric["llm_as_a_judge_instructions"], tools)
    path.write_text(json.dumps({**told, "judge": given.teacher, "pairs": list(judging)}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
