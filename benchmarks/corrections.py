"""Corrections: are wrong ones found before training, and are right ones learned by the real model?

    python -m benchmarks.corrections poison            60 corrections, 12 of them wrong in five ways; no model
    python -m benchmarks.corrections fit --base MODEL  teach 60 to the model, beside 60 replayed rows
    python -m benchmarks.corrections run --out DIR     teach 60 to a champion of the embedded model; see below

poison: in each of 10 batches, which of the wrong ones are named, and which right ones beside them.

fit: people correct 60 answers of an assistant with three tools that the model has never seen. The base is trained on
them and on as many plays of other tasks, and asked, before and after, for the corrected answers and for 60 paraphrases:
other values, in wordings that no correction has. No gate judges it.

run: the same through the daemon. A first round makes a champion, a refresh teaches it the 60 corrections among replayed
rows, the gates judge the candidate, and both policies are asked. Resumable: the same command goes on where it stopped.
`--quick` is a rehearsal on shipped fakes.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from benchmarks.rest import COMMON, QUICK, ended
from loop import config, parts, plugins
from loop.control.progress import Board
from loop.rollout.play import play
from loop.runtime import paths
from loop.runtime.gpu import Gpu, addressed
from loop.runtime.signals import StopRequest
from loop.stages import refreshing
from loop.store import Store
from loop.student.client import Student
from loop.traces.corrections import accept_feedback, lessons
from loop.traces.importing import task_of
from loop.traces.lessons import alike
from loop.traces.tools import catalogue
from loop.types import Call, Catalogue, Message, Part, Play, Player, Policy, Split
from loop.types.jobs import Job
from loop.weights import adapters
from loop.weights.base_models import directory_digest

TEXT: Final = {"type": "string"}


def _tool(name: str, description: str, *names: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": dict.fromkeys(names, TEXT), "required": list(names)}
    return {"name": name, "description": description, "parameters": parameters}


TOOLS: Final = [
    _tool("find_table", "Find restaurants of a kind in a city.", "city", "kind"),
    _tool("book_table", "Book a table at a restaurant.", "name", "time", "guests"),
    _tool("cancel_booking", "Cancel the booking at a restaurant.", "name"),
]
TAUGHT: Final[Mapping[str, tuple[str, ...]]] = {
    "find_table": (
        "Find me {kind} food in {city}.", "I would like to eat {kind} in {city}.", "Any {kind} restaurants in {city}?",
        "Where in {city} can I get {kind} food?", "Look for {kind} places in {city}, please.",
        "We are in {city} and want {kind} food.", "Show me {kind} restaurants in {city}.",
    ),
    "book_table": (
        "Book {name} at {time} for {guests} people.", "I need a table at {name} for {guests} at {time}.",
        "Reserve {name}, {guests} people, {time}.", "A table for {guests} at {name}, {time}, please.",
        "Please get us into {name} at {time}, we are {guests}.", "Can you book {name} for {guests} at {time}?",
        "Make it {name} at {time} for {guests} guests.",
    ),
    "cancel_booking": (
        "Cancel my table at {name}.", "We cannot come to {name}, please cancel.", "Drop the booking at {name}.",
        "Please call off {name}.", "I no longer need the table at {name}.", "Undo my reservation at {name}.",
        "Forget about {name}, cancel it.",
    ),
}  # fmt: skip
"""Wordings of the corrections."""
ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "find_table": ("Is there something {kind} around {city}?", "{city}: what {kind} restaurants are there?"),
    "book_table": ("Could we have {guests} seats at {name} at {time}?", "{name}, {time}, party of {guests}."),
    "cancel_booking": ("Our plans changed, so cancel {name}.", "Get rid of my reservation at {name}."),
}
"""Wordings of the paraphrases."""
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "city": ("Oslo", "Bergen", "Lund", "Turku", "Graz", "Ghent", "Porto", "Turin", "Leeds", "Nantes"),
    "kind": ("Thai", "Greek", "Indian", "French", "Korean", "Mexican", "Turkish", "Spanish"),
    "name": ("Mirabel", "Lotus Garden", "Old Mill", "Sakura", "Blue Door", "Roma", "Tandoor", "Corner House"),
    "time": ("18:00", "18:30", "19:15", "20:00", "20:45", "21:30"),
    "guests": ("2", "3", "4", "5", "6", "7"),
}
HELD: Final[Mapping[str, tuple[str, ...]]] = {
    "city": ("Basel", "Malmo", "Seville", "Bremen", "Aarhus"),
    "kind": ("Polish", "Lebanese", "Nepali", "Cuban"),
    "name": (
        "Green Olive", "Harbour Inn", "Papaya", "Old Bakery", "Juniper", "Silver Spoon", "Casa Verde", "The Anchor",
        "Saffron", "Riverside", "Little Hanoi", "White Horse",
    ),
    "time": ("17:45", "19:30", "22:15"),
    "guests": ("8", "9", "12"),
}  # fmt: skip
"""Values of the paraphrases."""
SIZE, WRONG, BATCHES = 60, 12, 10
GIVEN: Final = "I cannot do that."
TEMPLATE, EPOCHS, BATCH = "spaced", 2, 4
SYSTEM: Final = (
    "You act with tools. Call one tool at a time, read its result, then go on. When the request is done, answer "
    "without a call."
)


class Case(NamedTuple):
    """A request, and the call that answers it."""

    request: str
    call: Call


def cases(
    wordings: Mapping[str, tuple[str, ...]], values: Mapping[str, tuple[str, ...]], rng: random.Random
) -> list[Case]:
    """Draw 60 requests, of each tool 20, no two alike."""
    drawn: dict[str, Case] = {}
    names = list(wordings)
    for tool in (each["name"] for each in TOOLS for _ in range(SIZE // len(names))):
        known = len(drawn)
        for _ in range(500):
            if len(drawn) > known:
                break
            wording = rng.choice(wordings[tool])
            needed = next(each["parameters"]["required"] for each in TOOLS if each["name"] == tool)
            arguments = {name: rng.choice(values[name]) for name in needed}
            request = wording.format(**arguments)
            drawn.setdefault(request, Case(request, Call(name=tool, arguments=arguments)))
    return list(drawn.values())


def payload(request: str, message: Mapping[str, Any], author: str) -> dict[str, Any]:
    """Spell a correction as `POST /v1/feedback` takes it."""
    said = [{"role": "user", "content": request}, {"role": "assistant", "content": GIVEN}]
    return {"messages": said, "tools": TOOLS, "kind": "edit", "message": dict(message), "author": author}


def calling(call: Call) -> dict[str, Any]:
    """Spell a call as OpenAI does."""
    return {"content": "", "tool_calls": [{"function": {"name": call.name, "arguments": dict(call.arguments)}}]}


# --- wrong ones ------------------------------------------------------------------------------------------------------


def spoiled(way: str, case: Case, rng: random.Random) -> dict[str, Any]:
    """Make an answer wrong in one of five ways."""
    name, arguments = case.call.name, dict(case.call.arguments)
    said = next(iter(arguments.values()))
    match way:
        case "wrong value":
            other = rng.choice(list(arguments))
            arguments[other] = rng.choice([each for each in VALUES[other] if each != arguments[other]])
        case "value from nowhere":
            arguments[rng.choice(list(arguments))] = "the usual one"
        case "wrong tool":
            name, arguments = ("find_table", {"city": said, "kind": said}) if name != "find_table" else (
                "cancel_booking", {"name": said})  # fmt: skip
        case "claim of what was not done":
            done = {"find_table": "I have booked {0}.", "book_table": "I have booked {0} for you.",
                    "cancel_booking": "Your table at {0} is cancelled."}  # fmt: skip
            return {"content": done[name].format(said)}
        case _:
            return {"content": "Which one do you mean?"}
    return calling(Call(name=name, arguments=arguments))


WAYS: Final = (
    "wrong value", "value from nowhere", "wrong tool", "claim of what was not done", "contradicts another person",
)  # fmt: skip


def poison() -> None:
    """Print which wrong corrections are named, by kind, over 10 batches."""
    there, named, wrongly, refused, began = Counter[str](), Counter[str](), 0, 0, time.monotonic()
    for seed in range(BATCHES):
        with TemporaryDirectory() as folder, Store.open(f"sqlite:///{Path(folder) / 'loopd.db'}") as store:
            planted = _plant(store, seed)
            skipped = {each.id for each in lessons(store)[1] if each.doubted}
        there.update(planted.values())
        named.update(way for number, way in planted.items() if number in skipped)
        wrongly += len(skipped - planted.keys())
        refused += len(skipped) > 0.1 * SIZE
    for way in WAYS:
        print(f"{way:<28} {named[way]:>4} of {there[way]:>4} named")
    print(f"all {named.total()} of {there.total()}; {wrongly} right ones doubted beside them, of {BATCHES * SIZE}")
    print(f"{refused} of {BATCHES} batches refused; {(time.monotonic() - began) / BATCHES:.1f} s a batch")


def _plant(store: Store, seed: int) -> dict[int, str]:
    """Keep a batch of which a fifth is wrong; name the wrong ones' kinds by their numbers."""
    rng, wrong = random.Random(seed), dict[int, str]()
    drawn = cases(TAUGHT, VALUES, rng)
    rng.shuffle(drawn)
    for number, case in enumerate(drawn):
        way = WAYS[number % len(WAYS)] if number < WRONG else ""
        if way == WAYS[-1]:  # what the other one says stands there as well
            case = drawn[WRONG + number]  # noqa: PLW2901 - it takes the place of its own
        message = spoiled(way, case, rng) if way else calling(case.call)
        taken = accept_feedback(store, payload(case.request, message, f"person {number % 7}"), number)
        wrong |= {taken.id: way} if way else {}
    return wrong


# --- the real model --------------------------------------------------------------------------------------------------

SETTINGS: Final[Mapping[str, str]] = {
    **COMMON,
    "LOOPD_TRAINING__REFRESH": "{after = 60}",
    "LOOPD_TRAINING__OUTSIDE": "{corrections = 0.2}",
}


def run(options: argparse.Namespace) -> None:
    """Make a champion, teach it 60 corrections, and ask both for these and for 60 paraphrases."""
    options.out.mkdir(parents=True, exist_ok=True)
    words = {**SETTINGS, **(QUICK if options.quick else {}), "LOOPD_HOME": str(options.out.resolve())}
    os.environ.update(words)
    places = paths.find().create()
    taught = cases(TAUGHT, VALUES, random.Random(options.seed))
    asked = cases(ASKED, HELD, random.Random(options.seed))
    while ended(options.out) < 2:  # noqa: PLR2004 - the champion's round, and the refresh
        if ended(options.out) == 1:
            with Store.open(
                f"sqlite:///{places.database}" if isinstance(places.database, Path) else places.database
            ) as store:
                for number, case in enumerate(taught):
                    accept_feedback(store, payload(case.request, calling(case.call), f"person {number % 7}"), number)
        _round(options)
    _report(places, taught, asked)


def _round(options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "loop.cli", "start", "--foreground", "--profile", "quickstart", "--rounds", "1"]
    began = time.monotonic()
    done = subprocess.run(command, env=os.environ, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(done.returncode)
    print(f"round {ended(options.out)} took {(time.monotonic() - began) / 60:.1f} minutes", flush=True)


def _report(places: paths.Paths, taught: Sequence[Case], asked: Sequence[Case]) -> None:
    chosen = config.load(places, "quickstart", {}, config.environment())
    with parts.build(chosen, places, Board(places.run, chosen.profile), StopRequest()) as loop:
        refresh = next(loop.store.events.read(kind=refreshing.REFRESH))
        rnd = loop.store.rounds.get(int(str(refresh.fields["round"])))
        candidate = loop.store.policies.candidate(rnd)
        print(f"round {rnd.id}: {rnd.reason}")
        for result in loop.store.gates.results(rnd):
            print(json.dumps(result.model_dump(mode="json", include={"gate", "verdict", "reason"})))
        champion = candidate and loop.store.policies.get(candidate.parent or candidate.id)
        for name, policy in (("before", champion), ("after", candidate)):
            if policy is not None:
                print(f"{name}: corrections {_right(loop, policy, taught)}, paraphrases {_right(loop, policy, asked)}")


def _right(loop: parts.Loop, policy: Policy, several: Sequence[Case]) -> str:
    """Ask a policy greedily, and count the right answers by tool."""
    with loop.serving(policy) as served:
        player: Player = plugins.load("loop", addressed(loop.config.student.part(0.0), served, policy.id))
        return asked_of(player, policy.system, several)


def asked_of(player: Player, system: str, several: Sequence[Case]) -> str:
    """Ask a player, and count the right answers by tool."""
    right, tools = Counter[str](), catalogue(TOOLS)  # type: ignore[arg-type]  # JSON by construction
    for case in several:
        messages = [Message(role="system", content=system), Message(role="user", content=case.request)]
        task = task_of(messages[1:], tools, "benchmark/corrections", Split.TRAIN)
        answer = player.open(task, 0).reply(messages, tools).message
        right[case.call.name] += alike(answer, Message(role="assistant", content="", calls=(case.call,)))
    listed = ", ".join(f"{name} {right[name]}" for name in TAUGHT)
    return f"{right.total()} of {len(several)} ({listed})"


def fit(options: argparse.Namespace) -> None:
    """Train the base on 60 corrections and 60 plays, and ask before and after."""
    taught = cases(TAUGHT, VALUES, random.Random(options.seed))
    new = cases(ASKED, HELD, random.Random(options.seed))
    with TemporaryDirectory() as folder, Gpu(Path(folder), Path(folder), Path(folder)) as gpu:
        adapter, began = _fitted(gpu, options, taught, Path(folder)), time.monotonic()
        for name, served_as in (("before", None), ("after", adapter)):
            with gpu.serving(options.base, template=TEMPLATE, adapter=served_as) as served:
                student = Student(url=served.url, token_file=str(served.token_file), temperature=0.0, max_tokens=64)
                for what, several in (("corrections", taught), ("paraphrases", new)):
                    print(f"{name}: {what} {asked_of(student, SYSTEM, several)}", flush=True)
        print(f"answering took {(time.monotonic() - began) / 60:.1f} minutes")


def _fitted(gpu: Gpu, options: argparse.Namespace, taught: Sequence[Case], folder: Path) -> Path:
    rows, began = folder / "rows.jsonl", time.monotonic()
    lines = [*_corrected(taught), *_replayed(len(taught))]
    random.Random(options.seed).shuffle(lines)
    system = Message(role="system", content=SYSTEM).model_dump(mode="json")
    with rows.open("w", encoding="utf-8") as file:
        for number, (messages, tools) in enumerate(lines):
            said = [system, *(message.model_dump(mode="json") for message in messages if message.role != "system")]
            row = {"id": str(number), "messages": said, "catalogue": tools.model_dump(mode="json")}
            file.write(json.dumps(row) + "\n")
    job = Job(
        base=options.base,
        template=TEMPLATE,
        rows=rows,
        out=folder / "adapter",
        scratch=folder,
        seed=options.seed,
        epochs=EPOCHS,
        batch_rows=BATCH,
    )
    for line in gpu.training(job):
        print(line, file=sys.stderr, flush=True)
    published = adapters.publish(folder / "adapter", folder / "models", base=directory_digest(options.base))
    print(f"training took {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    return folder / "models" / published.id


def _corrected(taught: Sequence[Case]) -> Iterator[tuple[Sequence[Message], Catalogue]]:
    tools = catalogue(TOOLS)  # type: ignore[arg-type]  # JSON by construction
    for case in taught:
        wanted = Message(role="assistant", content="", calls=(case.call,))
        yield (Message(role="user", content=case.request), wanted), tools


def _replayed(count: int) -> Iterator[tuple[Sequence[Message], Catalogue]]:
    """Play the plans of easy tasks of three backends, which stand for what the model knew before."""
    for number, name in zip(range(count), cycle(("files", "messages", "trading")), strict=False):
        generator = plugins.load("task_generators", Part(use=name))
        arms = [arm for arm in generator.arms if arm.tier == "easy"]
        task = generator.make(arms[number % len(arms)], number)
        owed = Play(id="", round=0, task=task, player=Part(use="scripted"), player_name="scripted", system=SYSTEM)
        trajectory = play(owed)
        yield trajectory.messages, trajectory.catalogue


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("poison", "fit", "run"))
    parser.add_argument("--out", type=Path, help="run: where the home goes, and is found again")
    parser.add_argument("--base", type=Path, help="fit: the base model's directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="run: a rehearsal on shipped fakes")
    options = parser.parse_args()
    if options.what == "poison":
        poison()
    elif (options.base if options.what == "fit" else options.out) is None:
        parser.error("fit needs --base, run needs --out")
    elif options.what == "fit":
        fit(options)
    else:
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
