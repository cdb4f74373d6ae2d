"""Tool-use plays a minute: the student's server beside mlx_lm.server and mlx_lm.batch_generate, on the same plays.

    python benchmarks/rollout.py [--quick | --full] [--base DIR] [--json FILE]

24 plays over 4 backends, greedy, 4 steps each: a user's message or a tool's result comes, the model answers, its answer
becomes part of the conversation. Catalogues are rendered as JSON schemas, as a Qwen model sees them. Every arm gets the
same tokens and is warmed up before the clock starts. The arms are compared on short plays first, and nothing is timed
unless their answers are the same; then they run in turn, each in fresh processes, and medians are given as ratios.
`--full` shows whole catalogues in one run, the default cuts them to about 800 tokens for three, `--quick` to about 300.

The arms of mlx-lm are used as well as they can be: its server with a prompt cache for all plays, batching as wide as
the plays, and again with each catalogue read once before the plays come ("warmed", that time counted);
`batch_generate` in waves, each play's cache handed back to it in the next wave. The server as a client finds it takes
longest, and has no part where runs are repeated.

What one step costs is measured by `decode.py`.
"""

import argparse
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import psutil
from plays import BACKENDS, SIZES, SYSTEM, Bench, Size, answers

from loop.rollout.conversation import conversation
from loop.runtime import paths
from loop.runtime.gpu import preload
from loop.student.client import Student
from loop.types import Catalogue, Message
from loop.weights.sources import find

HERE: Final = Path(__file__).parent
TEMPLATE: Final = HERE.parent / "tests" / "student" / "hermes.jinja"
"""Tools as JSON in the system message: the embedded model's own template knows no tools."""
READY: Final = 3600.0
ALIKE: Final = 0.95
"""Steps with the same answer, at least: a tie between two tokens may fall either way in another batch."""
PREFILL_ROWS, PREFILL_STEP = 8, 512
"""mlx-lm's prompts at once and tokens of each at a time: more is slower on a CPU, and takes gigabytes."""
Process = subprocess.Popen[str]


class Outcome(NamedTuple):
    """One run of one arm."""

    seconds: float
    answers: list[list[tuple[int, ...]]]
    """Per play, the tokens of each step."""
    read: int
    """Prompt tokens that went through the model."""
    peak: int
    """Bytes of the process that held the model, at most."""
    anew: frozenset[tuple[int, int]] = frozenset()
    """Steps whose prompt the arm, which takes text alone, encoded to other tokens than were sampled."""
    kept: int = 0
    """Bytes of keys and values at the end, where the arm tells."""
    stepping: float = 0.0
    """Seconds inside the engine's steps, where the arm tells."""
    guessed: float = 0.0
    """Share of the said tokens that had been guessed, where the arm guesses."""


def ours(bench: Bench) -> tuple[Outcome, list[list[Message]]]:
    """Play against `loop.student.server`, through the client that plays use."""
    with tempfile.TemporaryDirectory() as place:
        token_file = Path(place) / "token"
        token_file.write_text(secrets.token_hex())
        options = ["--base", bench.base, "--template", "native", "--token-file", token_file]
        with _child("-m", "loop.student.server", *options, "--max-rows", bench.size.plays) as (child, line):
            url = f"http://127.0.0.1:{json.loads(line())['port']}"
            student = Student(
                url=url, token_file=str(token_file), temperature=0.0, max_tokens=bench.size.tokens, timeout=READY
            )
            headers = {"Authorization": f"Bearer {token_file.read_text()}"}
            with ExitStack() as open_chats:
                task: Any = None  # the student does not look at it
                chats = [open_chats.enter_context(conversation(student, task, 0)) for _ in range(bench.size.plays)]
                chats[0].reply([Message(role="user", content="Hi.")], Catalogue())
                before = httpx2.get(f"{url}/v1/stats", headers=headers).json()
                seconds, found = bench.all_plays(
                    lambda play, said: chats[play].reply(said, bench.offered(play)).message
                )
                after = httpx2.get(f"{url}/v1/stats", headers=headers).json()
            more = {name: after[name] - before[name] for name in ("read", "seconds", "spoken", "right")}
            outcome = Outcome(
                seconds,
                answers(found),
                more["read"],
                _peak(child.pid),
                kept=after["kv_bytes"],
                stepping=more["seconds"],
                guessed=more["right"] / more["spoken"],
            )
    return outcome, found


def server(bench: Bench, *, warmed: bool = False) -> Outcome:
    """Play against `mlx_lm.server`, with its batching and prompt cache as large as the plays."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rows = ["--decode-concurrency", bench.size.plays, "--prompt-concurrency", PREFILL_ROWS]
    rows += ["--prefill-step-size", PREFILL_STEP, "--prompt-cache-size", 4 * bench.size.plays]
    options = ["--model", bench.base, "--port", port, *rows]
    read, anew = [0], set()
    with (
        _child("-m", "mlx_lm", "server", *options) as (child, _),
        httpx2.Client(timeout=READY, trust_env=False) as http,
    ):
        url = f"http://127.0.0.1:{port}"
        _wait(child, http, f"{url}/health")

        def ask(tokens: tuple[int, ...], most: int) -> tuple[str, tuple[int, ...]]:
            text = bench.renderer.tokenizer.decode(list(tokens), skip_special_tokens=False)
            body = {"model": str(bench.base), "prompt": text, "max_tokens": most, "temperature": 0, "logprobs": True}
            answer = http.post(f"{url}/v1/completions", json=body).raise_for_status().json()
            choice, usage = answer["choices"][0], answer["usage"]
            read[0] += usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
            return text, tuple(token["id"] for token in choice["logprobs"]["content"])

        def answer(play: int, messages: list[Message]) -> Message:
            tokens = bench.prompt(play, messages)
            text, said = ask(tokens, bench.size.tokens)
            if tuple(bench.renderer.tokenizer.encode(text, add_special_tokens=False).ids) != tokens:
                anew.add((play, len(messages) // 2 - 1))
            return Message(role="assistant", content="", tokens=said)

        def catalogue_alone(play: int) -> None:
            messages = [Message(role="system", content=SYSTEM), Message(role="user", content="Hi.")]
            ask(bench.prompt(play, messages), 1)

        ask(bench.renderer.prompt([Message(role="user", content="Hi.")], Catalogue()), 1)
        read[0], began = 0, time.perf_counter()
        if warmed:
            with ThreadPoolExecutor(len(BACKENDS)) as threads:
                list(threads.map(catalogue_alone, range(len(BACKENDS))))
        warming = time.perf_counter() - began
        seconds, found = bench.all_plays(answer)
        return Outcome(warming + seconds, answers(found), read[0], _peak(child.pid), frozenset(anew))


def waves(bench: Bench) -> Outcome:
    """Play with `mlx_lm.batch_generate`: all plays' first steps, then all second steps, each on its own cache."""
    with _child("-c", WAVES) as (child, line):
        job = {"base": str(bench.base), "tokens": bench.size.tokens, "end": bench.renderer.end}
        _tell(child, {**job, "rows": PREFILL_ROWS, "step": PREFILL_STEP})
        line()
        going = [[Message(role="system", content=SYSTEM)] for _ in range(bench.size.plays)]
        began, read = time.perf_counter(), 0
        for step in range(bench.size.steps):
            for play, messages in enumerate(going):
                messages.append(bench.said(play, step))
            _tell(child, [bench.prompt(play, messages) for play, messages in enumerate(going)])
            done = json.loads(line())
            read += done["read"]
            for messages, tokens in zip(going, done["said"], strict=True):
                messages.append(Message(role="assistant", content="", tokens=tuple(tokens)))
        return Outcome(time.perf_counter() - began, answers(going), read, _peak(child.pid))


WAVES: Final = """
import json, sys
from mlx_lm import batch_generate, load
job = json.loads(sys.stdin.readline())
model, tokenizer = load(job["base"])
settings = dict(prefill_batch_size=job["rows"], prefill_step_size=job["step"])
batch_generate(model, tokenizer, [[1]], max_tokens=1, **settings)
print("{}", flush=True)
caches = None
for line in sys.stdin:
    prompts = json.loads(line)
    held = [cache[0].offset for cache in caches] if caches else [0] * len(prompts)
    new = [prompt[length:] for prompt, length in zip(prompts, held)]
    done = batch_generate(model, tokenizer, new, prompt_caches=caches, max_tokens=job["tokens"], return_token_ids=True,
                          return_prompt_caches=True, completion_batch_size=len(prompts), **settings)
    caches = done.caches
    said = [[*ids, job["end"]] if len(ids) < job["tokens"] else ids for ids in done.token_ids]
    print(json.dumps({"said": said, "read": sum(map(len, new))}), flush=True)
"""


@contextmanager
def _child(*arguments: object) -> Iterator[tuple[Process, Callable[[], str]]]:
    """Run Python with the fast matrix library; what it writes to stderr is shown if it ends by itself."""
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            env={**os.environ, **preload()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline
        finally:
            ended = child.poll()
            child.kill()
            child.communicate()
            if ended is not None:
                errors.seek(0)
                print(f"{arguments[1]} ended with {ended}: {errors.read()[-2000:]}", file=sys.stderr)


def _tell(child: Process, message: object) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps(message) + "\n")
    child.stdin.flush()


def _wait(child: Process, http: httpx2.Client, url: str) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and child.poll() is None:
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
    return int(psutil.Process(pid).memory_info().rss)  # macOS tells no living process's peak: what it holds at the end


def agreement(one: Outcome, other: Outcome) -> float:
    """Share of steps with the same answer.

    No step is counted behind one that differs, nor behind one whose prompt was encoded anew to other tokens: they had
    other prompts.
    """
    same = asked = 0
    for play, (mine, theirs) in enumerate(zip(one.answers, other.answers, strict=True)):
        for step, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if (play, step) in one.anew | other.anew:
                break
            asked += 1
            if a != b:
                break
            same += 1
    return same / asked


ARMS: Final[dict[str, Callable[[Bench], Outcome]]] = {
    "mlx_lm.server": server,
    "mlx_lm.server, warmed": lambda bench: server(bench, warmed=True),
    "mlx_lm.batch_generate": waves,
}


PLAIN: Final = "mlx_lm.server"
"""The arm that is not mlx-lm at its best."""


def check(base: Path) -> dict[str, float]:
    """Refuse to time arms that give different answers."""
    bench = Bench(base, SIZES["check"])
    outcome, _ = ours(bench)
    same = {name: agreement(outcome, arm(bench)) for name, arm in ARMS.items()}
    if min(same.values()) < ALIKE:
        raise SystemExit(f"The answers differ, nothing is timed: {same}")
    return same


def measure(bench: Bench) -> dict[str, Any]:
    """Run all arms in turn, several times."""
    checked = check(bench.base)
    arms = {name: arm for name, arm in ARMS.items() if name != PLAIN or bench.size.runs == 1}
    runs: dict[str, list[Outcome]] = {"loopd": [], **{name: [] for name in arms}}
    least = kept = 0
    for number in range(bench.size.runs):
        outcome, found = ours(bench)
        least, kept = bench.least(found)
        runs["loopd"].append(outcome)
        for name, arm in arms.items():
            runs[name] += finished(name, arm, bench)
        seconds = {name: [round(outcome.seconds, 1) for outcome in done] for name, done in runs.items()}
        print(f"run {number + 1} of {bench.size.runs}: {seconds}", file=sys.stderr, flush=True)
    return {
        "size": bench.size._asdict(),
        "prefixes": [bench.prefix(offered) for offered in bench.catalogues],
        "checked": checked,
        "least_read": least,
        "arms": {name: _summary(runs["loopd"], done, bench.size) for name, done in runs.items() if _whole(done, bench)},
        "unfinished": [name for name, done in runs.items() if not _whole(done, bench)],
        "loopd": _ours_alone(runs["loopd"], least, kept * _token_bytes(bench.base)),
    }


def finished(name: str, arm: Callable[[Bench], Outcome], bench: Bench) -> list[Outcome]:
    """Run an arm. One whose process ends, for want of memory say, has no figures; the others have theirs."""
    try:
        return [arm(bench)]
    except (httpx2.TransportError, BrokenPipeError, json.JSONDecodeError) as error:
        print(f"{name} did not finish: {error!r}", file=sys.stderr, flush=True)
        return []


def _whole(done: list[Outcome], bench: Bench) -> bool:
    return len(done) == bench.size.runs


def _summary(mine: list[Outcome], done: list[Outcome], size: Size) -> dict[str, Any]:
    return {
        "plays_per_minute": 60 * size.plays / statistics.median(outcome.seconds for outcome in done),
        "times_slower": statistics.median(b.seconds / a.seconds for a, b in zip(mine, done, strict=True)),
        "same_answers": min(agreement(a, b) for a, b in zip(mine, done, strict=True)),
        "encoded_anew": max(len(outcome.anew) for outcome in done),
        "tokens_read": done[-1].read,
        "peak_gb": max(outcome.peak for outcome in done) / 1e9,
        "seconds": [outcome.seconds for outcome in done],
    }


def _ours_alone(done: list[Outcome], least: int, needed: int) -> dict[str, float]:
    return {
        "read_over_least": max(outcome.read for outcome in done) / least,
        "kv_over_least": max(outcome.kept for outcome in done) / needed,
        "seconds_over_steps": statistics.median(outcome.seconds / outcome.stepping for outcome in done),
        "guessed": statistics.median(outcome.guessed for outcome in done),
    }


def _token_bytes(base: Path) -> int:
    """Bytes of one token's keys and values in float32."""
    config = json.loads((base / "config.json").read_text())
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return int(2 * 4 * config["num_hidden_layers"] * config["num_key_value_heads"] * size)


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{report['size']}; prefixes of {report['prefixes']} tokens; {report['least_read']} tokens have to be read\n")
    print(f"{'arm':24}{'plays/min':>10}{'slower':>8}{'same':>7}{'read':>9}{'peak GB':>9}")
    for name, row in report["arms"].items():
        numbers = f"{row['plays_per_minute']:>10.1f}{row['times_slower']:>8.2f}{row['same_answers']:>7.0%}"
        print(f"{name:24}{numbers}{row['tokens_read']:>9}{row['peak_gb']:>9.2f}")
    for name in report["unfinished"]:
        print(f"{name:24}did not finish")
    own = report["loopd"]
    print(
        f"loopd: reads {own['read_over_least']:.3f} of the least; keys and values {own['kv_over_least']:.2f} of the "
        f"least; wall time {own['seconds_over_steps']:.3f} of the engine's steps; {own['guessed']:.0%} of what was "
        f"said had been guessed"
    )


def _with_tools(base: Path, place: Path) -> Path:
    """Make a model directory with a template that shows tools, the same for every arm."""
    directory = place / "model"
    directory.mkdir()
    for file in base.iterdir():
        (directory / file.name).symlink_to(file.resolve())
    (directory / "chat_template.jinja").unlink(missing_ok=True)
    (directory / "chat_template.jinja").symlink_to(TEMPLATE)
    return directory


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_const", const="quick", dest="size", default="usual")
    parser.add_argument("--full", action="store_const", const="full", dest="size")
    parser.add_argument("--base", default="embedded", help="model: a directory, or another source that loopd knows")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        base = find(options.base, paths.find().models).resolve()
        report = measure(Bench(_with_tools(base, Path(place)), SIZES[options.size]))
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
