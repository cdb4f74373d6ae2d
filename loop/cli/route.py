"""`loopd route`: which policy would answer a request, and what routing would do with many."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from loop.canonical import NotJson, parse
from loop.cli import access, records, terminal
from loop.cli.access import Json
from loop.errors import ConfigError, NotFound
from loop.routing import router, sets
from loop.routing.speakers import Speakers
from loop.routing.topics import Example
from loop.runtime import paths
from task_generators.suites import suite

app = typer.Typer(no_args_is_help=True, add_completion=False)

File = Annotated[str, typer.Argument(help="An OpenAI API request in JSON; - reads standard input.")]
Files = Annotated[Path | None, typer.Option("--requests", help="Requests as JSON lines.")]
Suite = Annotated[str, typer.Option("--suite", help="Use a suite's tasks as requests.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Maximum number of requests.")]


@app.command()
def explain(file: File = "-", *, as_json: Json = False) -> None:
    """Show which policy would answer a request, why, and with what confidence."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    example = _example(_parsed(text, file), file)
    with _learned() as (chosen, speakers):
        _, route = speakers.chosen(chosen, example)
    if as_json:
        access.show_json(route.model_dump())
        return
    who = "the specialist" if route.specialist else "the champion"
    terminal.say(f"{who} {route.policy[:12]} ({route.confidence:.0%} about {route.topic}): {route.reason}")


@app.command("eval")
def evaluate(
    *, requests: Files = None, suite_name: Suite = "quick-breadth", limit: Limit = 2000, as_json: Json = False
) -> None:
    """Evaluate routing on many requests without labels: coverage, confidence, disagreement."""
    examples = list(_lines(requests))[:limit] if requests else list(_tasks(suite_name))[:limit]
    with _learned() as (chosen, _):
        report = router.evaluate(chosen, examples)
    if as_json:
        access.show_json(report.model_dump())
        return
    access.show(
        [
            {"what": "requests", "value": str(report.requests)},
            {"what": "answered by specialists", "value": f"{report.coverage:.1%}"},
            {"what": "mean confidence", "value": f"{report.confidence:.1%}"},
            {"what": "tools and words disagree", "value": f"{report.disagreement:.1%}"},
            *({"what": f"answered by {name[:12]}", "value": str(count)} for name, count in report.policies.items()),
        ],
        as_json=False,
    )


@contextmanager
def _learned() -> Iterator[tuple[router.Router, Speakers]]:
    """Open the champion's router where it is a routed set; learn the one that would be proposed otherwise."""
    with records.store() as store:
        champion = store.policies.champion()
        if champion is None:
            raise NotFound("Nobody is champion yet. Start the loop: loopd start")
        learn = partial(sets.learned, access.settings(), store, paths.find(), champion)
        chosen = sets.opened(store, champion) if champion.routing else learn()
        yield chosen, Speakers(store, paths.find())


def _lines(path: Path) -> Iterator[Example]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _example(_parsed(line, f"{path}:{number}"), f"{path}:{number}")


def _tasks(name: str) -> Iterator[Example]:
    for task in suite(name).tasks:
        yield Example.of(task)


def _parsed(text: str, location: str) -> dict[str, Any]:
    try:
        request = parse(text)
    except NotJson as error:
        raise ConfigError(f"{location}: not JSON: {error}") from error
    if not isinstance(request, dict):
        raise ConfigError(f"{location}: not a request: {json.dumps(request)[:80]}")
    return request


def _example(request: dict[str, Any], location: str) -> Example:
    """Take from a request what the router looks at.

    Raises:
        ConfigError: it has no messages.
    """
    try:
        tools = tuple(str(tool["function"]["name"]) for tool in request.get("tools") or ())
        said = [message["content"] for message in request["messages"] if message["role"] == "user"][:1]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{location}: not an OpenAI chat completion request: {error!r}") from error
    return Example(tools=tools, text=" ".join(word for word in said if isinstance(word, str)))
