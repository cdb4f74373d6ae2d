"""`loopd trace`: learn from conversations that happened elsewhere."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from loop.errors import CheckNegative
from loop.verbs.access import Json, show, show_json

if TYPE_CHECKING:  # what reads traces takes half a second to import, which no other command should wait for
    from loop.traces.inspection import Inspection, Spread

app = typer.Typer(help="Conversations that happened elsewhere: inspect, import.", no_args_is_help=True)
Sources = Annotated[
    list[str], typer.Argument(metavar="FILE|DIR|URL…", help="JSON lines, JSON or Parquet; gzip is fine.")
]
Format = Annotated[
    str | None, typer.Option("--format", help="The reader; found out for each file where it is not named.")
]


@app.callback()
def trace() -> None:
    """Learn from conversations that happened elsewhere."""


@app.command("inspect")
def inspect_(sources: Sources, *, form: Format = None, as_json: Json = False) -> None:
    """Say what is in traces, and what could be learned from them. Reads only; needs no model and no store."""
    from loop.traces.inspection import inspect  # noqa: PLC0415 - see above
    from loop.traces.reading import named, read  # noqa: PLC0415

    found = inspect(read(sources, named(form)))
    if as_json:
        show_json(found.model_dump(mode="json"))
    else:
        _print(found)
    if not found.traces:
        raise CheckNegative("There is no trace in it.")


def _print(found: "Inspection") -> None:
    console = Console()
    formats = ", ".join(f"{count} {name}" for name, count in found.formats.items())
    console.print(f"{found.traces} traces ({formats or 'none'}), {found.refused} rows refused", highlight=False)
    show([{"what": name, "value": value} for name, value in _facts(found)], as_json=False)
    if found.tools:
        show([tool.model_dump() for tool in found.tools[:40]], as_json=False)
    if found.reasons:
        show([{"refused because": reason, "rows": count} for reason, count in found.reasons.items()], as_json=False)
        for example in found.examples[:5]:
            console.print(example, markup=False, highlight=False)


def _facts(found: "Inspection") -> Iterator[tuple[str, Any]]:
    yield "could be trained on as they are", found.trainable
    yield "said before word for word", found.duplicates
    yield "conversations / users with a name", f"{found.conversations} / {found.users}"
    yield "messages (least, median, most)", _told(found.messages)
    yield "user turns", _told(found.turns)
    yield "calls", _told(found.calls)
    yield "without any call", found.uncalled
    yield "a call without its result, or a result without its call", found.unanswered
    yield "a call that cannot be read", found.unread
    yield "calls, and no schema was shown", found.without_catalogue
    yield "tools with more than one schema", sum(tool.schemas > 1 for tool in found.tools)
    values = ", ".join(f"{count} {kind}" for kind, count in found.personal.items()) or "none found"
    yield f"personal values in the first {found.looked}", values
    yield "would be refused for a credential", found.secrets


def _told(spread: "Spread") -> str:
    return f"{spread.least:g}, {spread.median:g}, {spread.most:g}"
