"""How long people wait for the first token: on an idle machine, beside plays, while training.

    python -m benchmarks.serve [--quick] [--base SOURCE] [--json FILE]

One client asks the endpoint with a tool on offer and takes the time from the request to the first piece of the answer,
50 times in each of three situations (10 with `--quick`), with a pause before each that lets the loop have its turn. The
same requests, in the same order, with the same answers: greedy ones are compared between the situations first. Reported
are medians, the tenth slowest of a hundred, ratios to the idle machine, and what the loop got done beside.

`plays` are eight conversations at once against the loop's own server; `training` is a fit of a rank-16 adapter. The
goal is a median within twice the idle one.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from loop import config, parts
from loop.control.progress import Board
from loop.runtime import paths
from loop.runtime.gpu import Gpu
from loop.runtime.gpu_turn import LINGER
from loop.serve import endpoint
from loop.serve.key import key
from loop.store import Store
from loop.types import Call, Catalogue, Message, Tool
from loop.types.jobs import Job, Stepped

TEMPLATE: Final = "spaced"
PLAYERS: Final = 8
ROWS: Final = 2000
"""Of the training: more than it comes to."""
PARAMETERS: Final = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TOOL: Final = Tool(name="mkdir", description="Create a directory.", parameters=PARAMETERS)
Progress = Callable[[], float]
"""What the loop has done so far: tokens or steps."""


class Waited(NamedTuple):
    """One situation."""

    seconds: list[float]
    answers: list[str]
    done: float
    """What the loop did meanwhile, a minute."""


class Bench:
    """An endpoint over one base model, and the loop's work beside it."""

    def __init__(self, home: Path, source: str, count: int) -> None:
        self.home, self.count = home, count
        self.places = paths.Paths(data=home / "data", logs=home / "logs", config=home / "config").create()
        student = {"source": source, "template": TEMPLATE, "system": "You act with tools."}
        self.config = config.load(self.places, "quickstart", {"student": student, "serve": {"port": 0}}, {})
        self.base = parts.base_model(self.config, self.places)
        self.gpu = Gpu(self.places.run, self.places.logs, self.places.scratch)

    def run(self) -> dict[str, Any]:
        """Measure the three situations."""
        with Store.open(self.places.database) as store:
            board = Board(self.places.run, "benchmark")
            with endpoint.opened(self.config, self.places, store, board, self.base) as address:
                self._ask(address.url, 0)  # loads the model
                idle = self._waited(address.url, _nothing())
                plays = self._waited(address.url, self._plays())
                training = self._waited(address.url, self._training())
        return _report({"idle": idle, "plays": plays, "training": training})

    def _waited(self, url: str, work: Any) -> Waited:  # noqa: ANN401 - a context manager
        seconds, answers = [], []
        with work as progress:
            begun, done = time.monotonic(), progress()
            for number in range(self.count):
                time.sleep(LINGER + 0.3)
                waited, said = self._ask(url, number)
                seconds.append(waited)
                answers.append(said)
            minutes = (time.monotonic() - begun) / 60
            return Waited(seconds, answers, (progress() - done) / minutes)

    def _ask(self, url: str, number: int) -> tuple[float, str]:
        """Give the seconds to the first piece, and the answer."""
        body = {
            "model": "loopd",
            "messages": [{"role": "user", "content": f"Make a directory called draft{number} and say so."}],
            "tools": [{"type": "function", "function": TOOL.model_dump(mode="json")}],
            "tool_choice": "none",
            "max_tokens": 12,
            "stream": True,
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {key(self.places.data)}"}
        begun, first, said = time.monotonic(), 0.0, ""
        with httpx2.stream("POST", f"{url}/chat/completions", json=body, headers=headers, timeout=600) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    first = first or time.monotonic() - begun
                    delta = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]
                    said += delta.get("content") or ""
        return first, said

    @contextmanager
    def _plays(self) -> Iterator[Progress]:
        """Keep the loop's own server busy."""
        ended = threading.Event()
        with self.gpu.serving(self.base.path, template=TEMPLATE) as served:
            headers = {"Authorization": f"Bearer {served.token}"}
            http = httpx2.Client(headers=headers, timeout=600)

            def play(player: int) -> None:
                number = 0
                while not ended.is_set():
                    number += 1
                    said = f"Player {player} asks for the {number}th time what a directory is."
                    body = {"messages": [{"role": "user", "content": said}], "max_tokens": 64, "temperature": 1.0}
                    http.post(f"{served.url}/v1/chat/completions", json={**body, "seed": number}).raise_for_status()

            players = [threading.Thread(target=play, args=(player,)) for player in range(PLAYERS)]
            for each in players:
                each.start()
            time.sleep(3)
            yield lambda: http.get(f"{served.url}/v1/stats").json()["spoken"]
            ended.set()
            for each in players:
                each.join()
            http.close()

    @contextmanager
    def _training(self) -> Iterator[Progress]:
        """Keep a trainer busy."""
        steps, ended = [0], threading.Event()
        lines = self.gpu.training(self._job())

        def follow() -> None:
            for line in lines:
                steps[0] += isinstance(line, Stepped)
                if ended.is_set():
                    lines.close()  # type: ignore[attr-defined]  # a generator
                    return

        following = threading.Thread(target=follow)
        following.start()
        while not steps[0]:
            time.sleep(0.1)
        yield lambda: float(steps[0])
        ended.set()
        following.join()

    def _job(self) -> Job:
        rows = self.home / "rows.jsonl"
        with rows.open("w", encoding="utf-8") as file:
            for number in range(ROWS):
                file.write(json.dumps(_row(number)) + "\n")
        where = {"rows": rows, "out": self.home / "adapter", "scratch": self.home / "fit"}
        return Job(base=self.base.path, template=TEMPLATE, epochs=1, batch_rows=4, **where)


@contextmanager
def _nothing() -> Iterator[Progress]:
    yield lambda: 0.0


def _row(number: int) -> dict[str, Any]:
    call = Call(name=TOOL.name, arguments={"name": f"draft{number}"})
    messages = (
        Message(role="system", content="You act with tools."),
        Message(role="user", content=f"Make a directory called draft{number}."),
        Message(role="assistant", content="", calls=(call,)),
        Message(role="tool", name=TOOL.name, content="{}", ok=True),
        Message(role="assistant", content=f"The directory draft{number} is there now."),
    )
    said = [message.model_dump(mode="json") for message in messages]
    return {"id": f"r{number}", "messages": said, "catalogue": Catalogue(tools=(TOOL,)).model_dump(mode="json")}


def _report(waited: dict[str, Waited]) -> dict[str, Any]:
    idle = statistics.median(waited["idle"].seconds)
    told: dict[str, Any] = {}
    for name, each in waited.items():
        median = statistics.median(each.seconds)
        told[name] = {
            "n": len(each.seconds),
            "median_ms": round(1000 * median, 1),
            "p90_ms": round(1000 * statistics.quantiles(each.seconds, n=10)[-1], 1),
            "times_idle": round(median / idle, 2),
            "same_answers": sum(map(str.__eq__, each.answers, waited["idle"].answers)),
            "loop_per_minute": round(each.done, 1),
        }
    return told


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_const", const=10, dest="count", default=50)
    parser.add_argument("--base", default="embedded", help="model: a directory, or another source that loopd knows")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report = Bench(Path(home), options.base, options.count).run()
    for name, each in report.items():
        print(f"{name:>9}: " + ", ".join(f"{word} {value}" for word, value in each.items()))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
