"""Tool-use plays a minute: the student's server beside mlx_lm.server and mlx_lm.batch_generate, on the same plays.

    python benchmarks/rollout.py [--quick | --full] [--base DIR] [--json FILE]

24 plays over 4 backends, greedy, 4 steps each: a user's message or a tool's result comes, the model answers, its answer
becomes part of the conversation. Every arm gets the same tokens. The arms run in turn, each in fresh processes; a run
whose answers differ is refused, and medians are given as ratios. `--full` shows whole catalogues, the default cuts
them to about 1,000 tokens, `--quick` to about 300 and takes fewer plays and one run.
"""

import argparse
import json
import os
import resource
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from loop import paths
from loop.gpu import preload
from loop.student.client import Student
from loop.student.render import Renderer
from loop.student.sources import find
from loop.types import Catalogue, Message
from task_generators.backends.catalogues import catalogue, tools_of

BACKENDS: Final = ("GorillaFileSystem", "TradingBot", "TravelAPI", "VehicleControlAPI")
SYSTEM: Final = "You act with tools. Call one tool at a time, read its result, then go on."
SAID: Final = (
    "Please look at what there is and tell me in a sentence what you would do first with item {n}.",
    '{{"status": "ok", "items": [{n}, 17, 23], "note": "two of them are new"}}',
    "Good. Now do the same for the second one and say what changed.",
    '{{"status": "error", "reason": "item {n} is locked by somebody else"}}',
)
READY: Final = 600.0
Process = subprocess.Popen[str]


class Size(NamedTuple):
    """How large a run is."""

    plays: int
    steps: int
    tokens: int
    """Longest answer."""
    catalogue: int
    """Tokens of a catalogue, about."""
    runs: int


SIZES: Final = {"quick": Size(8, 2, 12, 300, 1), "usual": Size(24, 4, 24, 1000, 3), "full": Size(24, 4, 32, 100_000, 1)}


class Outcome(NamedTuple):
    """One run of one arm."""

    seconds: float
    answers: list[list[str]]
    """Per play, the text of each step."""
    read: int | None
    """Prompt tokens that went through the model, where the arm tells."""
    peak: int
    """Bytes of the process that held the model, at most."""


class Bench:
    """The plays, and the places that all arms use."""

    def __init__(self, base: Path, size: Size) -> None:
        self.base, self.size = base, size
        self.renderer = Renderer.load(base, "compact")
        self.catalogues = [self._cut(backend) for backend in BACKENDS]

    def _cut(self, backend: str) -> Catalogue:
        whole = catalogue(tools_of(backend), [backend])
        kept = 1
        while kept < len(whole.tools) and self._length(Catalogue(tools=whole.tools[: kept + 1])) <= self.size.catalogue:
            kept += 1
        return Catalogue(tools=whole.tools[:kept])

    def _length(self, offered: Catalogue) -> int:
        return self.renderer.prefix([Message(role="system", content=SYSTEM)], offered)

    def offered(self, play: int) -> Catalogue:
        """Say which tools a play has."""
        return self.catalogues[play % len(self.catalogues)]

    def said(self, play: int, step: int) -> Message:
        """Say what comes to the model before a step; every second play is another sample of the one before."""
        role = ("user", "tool")[step % 2]
        return Message(role=role, content=SAID[step % len(SAID)].format(n=play // (2 * len(BACKENDS))))

    def play(self, play: int, answer: Callable[[int, list[Message]], Message]) -> list[Message]:
        """Go through a play's steps, asking an arm for each answer."""
        messages = [Message(role="system", content=SYSTEM)]
        for step in range(self.size.steps):
            messages.append(self.said(play, step))
            messages.append(answer(play, messages))
        return messages

    def text(self, messages: list[Message]) -> list[str]:
        """The answers of a play."""
        return [self.renderer.text(message.tokens or ()) for message in messages if message.role == "assistant"]

    def all_plays(self, answer: Callable[[int, list[Message]], Message]) -> tuple[float, list[list[Message]]]:
        """Run every play at the same time."""
        began = time.perf_counter()
        with ThreadPoolExecutor(self.size.plays) as threads:
            found = list(threads.map(lambda play: self.play(play, answer), range(self.size.plays)))
        return time.perf_counter() - began, found

    def least(self, conversations: list[list[Message]]) -> int:
        """Count the nodes of the prefix tree of all that the model read: no arm can read fewer tokens."""
        tree: set[tuple[int, ...]] = set()
        for play, messages in enumerate(conversations):
            last = max(index for index, message in enumerate(messages) if message.role == "assistant")
            tokens = self.renderer.prompt(messages[:last], self.offered(play))
            spans = self.renderer.spans(messages[:last], self.offered(play))
            sampled = [span.loss for span in spans for _ in span.tokens]
            sampled += [False] * (len(tokens) - len(sampled))
            tree |= {tokens[: end + 1] for end in range(len(tokens)) if not sampled[end]}
        return len(tree)


def ours(bench: Bench) -> tuple[Outcome, list[list[Message]]]:
    """Play against `loop.student.server`."""
    with tempfile.TemporaryDirectory() as place:
        token_file = Path(place) / "token"
        token_file.write_text(secrets.token_hex())
        options = ["--base", bench.base, "--template", "compact", "--token-file", token_file]
        with _child("loop.student.server", *options, "--max-rows", bench.size.plays) as (child, line):
            url = f"http://127.0.0.1:{json.loads(line())['port']}"
            student = Student(
                url=url, token_file=str(token_file), temperature=0.0, max_tokens=bench.size.tokens, timeout=READY
            )
            chats = [student.open(None, 0) for _ in range(bench.size.plays)]  # type: ignore[arg-type]  # not looked at
            seconds, found = bench.all_plays(lambda play, said: chats[play].reply(said, bench.offered(play)).message)
            headers = {"Authorization": f"Bearer {token_file.read_text()}"}
            stats = httpx2.get(f"{url}/v1/stats", headers=headers).json()
            outcome = Outcome(seconds, [bench.text(play) for play in found], stats["read"], _peak(child.pid))
    return outcome, found


def server(bench: Bench) -> Outcome:
    """Play against `mlx_lm.server`, with its batching and prompt cache as large as the plays."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rows = ["--decode-concurrency", bench.size.plays, "--prompt-concurrency", bench.size.plays]
    options = ["--model", bench.base, "--port", port, "--prompt-cache-size", 4 * bench.size.plays, *rows]
    with _child("mlx_lm", "server", *options) as (child, _), httpx2.Client(timeout=READY, trust_env=False) as http:
        _wait(http, f"http://127.0.0.1:{port}/health")

        def answer(play: int, messages: list[Message]) -> Message:
            tokens = bench.renderer.prompt(messages, bench.offered(play))
            prompt = bench.renderer.tokenizer.decode(list(tokens), skip_special_tokens=False)
            body = {"model": str(bench.base), "prompt": prompt, "max_tokens": bench.size.tokens, "temperature": 0}
            choice = http.post(f"http://127.0.0.1:{port}/v1/completions", json=body).json()["choices"][0]
            ids = bench.renderer.tokenizer.encode(choice["text"], add_special_tokens=False).ids
            end = [bench.renderer.end] if choice["finish_reason"] == "stop" else []
            return Message(role="assistant", content=choice["text"], tokens=(*ids, *end))

        seconds, found = bench.all_plays(answer)
        return Outcome(seconds, [bench.text(play) for play in found], None, _peak(child.pid))


def waves(bench: Bench) -> Outcome:
    """Play with `mlx_lm.batch_generate`: all plays' first steps, then then all second steps."""
    with _child("", program=WAVES) as (child, line):
        assert child.stdin is not None
        _tell(child, {"base": str(bench.base), "tokens": bench.size.tokens, "end": bench.renderer.end})
        line()
        going = [[Message(role="system", content=SYSTEM)] for _ in range(bench.size.plays)]
        began, read = time.perf_counter(), 0
        for step in range(bench.size.steps):
            for play, messages in enumerate(going):
                messages.append(bench.said(play, step))
            prompts = [bench.renderer.prompt(messages, bench.offered(play)) for play, messages in enumerate(going)]
            read += sum(map(len, prompts))
            _tell(child, prompts)
            for messages, tokens in zip(going, json.loads(line()), strict=True):
                messages.append(Message(role="assistant", content="", tokens=tuple(tokens)))
        seconds = time.perf_counter() - began
        return Outcome(seconds, [bench.text(messages) for messages in going], read, _peak(child.pid))


WAVES: Final = """
import json, sys
from mlx_lm import batch_generate, load
job = json.loads(sys.stdin.readline())
model, tokenizer = load(job["base"])
print("{}", flush=True)
for line in sys.stdin:
    prompts = json.loads(line)
    done = batch_generate(model, tokenizer, prompts, max_tokens=job["tokens"], return_token_ids=True,
                          completion_batch_size=len(prompts))
    ends = [[*ids, job["end"]] if len(ids) < job["tokens"] else ids for ids in done.token_ids]
    print(json.dumps(ends), flush=True)
"""


@contextmanager
def _child(module: str, *options: object, program: str = "") -> Iterator[tuple[Process, Callable[[], str]]]:
    what = ["-c", program] if program else ["-m", module]
    command = [sys.executable, *what, *map(str, options)]
    environment = {**os.environ, **preload()}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline
        finally:
            child.kill()


def _tell(child: Process, message: object) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps(message) + "\n")
    child.stdin.flush()


def _wait(http: httpx2.Client, url: str) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        try:
            http.get(url)
        except httpx2.TransportError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(url)


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    if status.is_file():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # macOS: bytes, of the children that have ended


def agreement(one: Outcome, other: Outcome) -> float:
    """Share of steps with the same answer, counting no step behind one that differs: it had another prompt."""
    same = asked = 0
    for mine, theirs in zip(one.answers, other.answers, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            asked += 1
            if a != b:
                break
            same += 1
    return same / asked


def measure(bench: Bench) -> dict[str, Any]:
    """Run all arms in turn, several times."""
    runs: dict[str, list[Outcome]] = {"loopd": [], "mlx_lm.server": [], "mlx_lm.batch_generate": []}
    least = 0
    for _ in range(bench.size.runs):
        outcome, found = ours(bench)
        least = bench.least(found)
        runs["loopd"].append(outcome)
        runs["mlx_lm.server"].append(server(bench))
        runs["mlx_lm.batch_generate"].append(waves(bench))
        same = {name: agreement(outcome, done[-1]) for name, done in runs.items()}
        assert min(same.values()) > 0.95, f"the answers differ: {same}"  # noqa: PLR2004 - text is encoded anew by the server
    fastest = statistics.median(outcome.seconds for outcome in runs["loopd"])
    return {
        "size": bench.size._asdict(),
        "prefixes": [bench._length(offered) for offered in bench.catalogues],  # noqa: SLF001 - our own
        "least_tokens": least,
        "arms": {name: _summary(done, bench.size, fastest, same[name]) for name, done in runs.items()},
    }


def _summary(done: list[Outcome], size: Size, fastest: float, same: float) -> dict[str, float | int | None]:
    seconds = statistics.median(outcome.seconds for outcome in done)
    return {
        "plays_per_minute": 60 * size.plays / seconds,
        "times_slower": seconds / fastest,
        "same_answers": same,
        "tokens_read": done[-1].read,
        "peak_gb": max(outcome.peak for outcome in done) / 1e9,
    }


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{report['size']}; prefixes of {report['prefixes']} tokens; prefix tree {report['least_tokens']} tokens\n")
    print(f"{'arm':24}{'plays/min':>10}{'slower':>8}{'same':>7}{'read':>9}{'peak GB':>9}")
    for name, row in report["arms"].items():
        read = "-" if row["tokens_read"] is None else row["tokens_read"]
        numbers = f"{row['plays_per_minute']:>10.1f}{row['times_slower']:>8.2f}{row['same_answers']:>7.0%}"
        print(f"{name:24}{numbers}{read:>9}{row['peak_gb']:>9.2f}")


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_const", const="quick", dest="size", default="usual")
    parser.add_argument("--full", action="store_const", const="full", dest="size")
    parser.add_argument("--base", help="model directory; the embedded model if not given")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    base = Path(options.base) if options.base else find("embedded", paths.find().models)
    report = measure(Bench(base, SIZES[options.size]))
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
