"""`loopd correct`: say what an answer was, or should have been."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from loop.calls import NotACall, read_call
from loop.canonical import NotJson, parse
from loop.cli import terminal
from loop.cli.access import Json, show_json
from loop.cli.records import change
from loop.errors import ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def correct(  # noqa: PLR0913 - each is an option
    trajectory: Annotated[str, typer.Argument(help="The play's or trace's id, or the beginning of it.")],
    *,
    kind: Annotated[str, typer.Option(help="up, down, edit, retry, override.")] = "edit",
    place: Annotated[int | None, typer.Option(help="The message; without it, the last answer.")] = None,
    text: Annotated[str | None, typer.Option(help="What should have been said.")] = None,
    call: Annotated[
        list[str] | None,
        typer.Option(help="A call that should have been made: 'cd(folder=\"docs\")'. May be repeated."),
    ] = None,
    message: Annotated[Path | None, typer.Option(help="A file with the whole message, as OpenAI spells it.")] = None,
    author: Annotated[str, typer.Option("--by", help="Who says so.")] = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: Json = False,
) -> None:
    """Say of an answer that it was right (up), wrong (down), or what it should have been (edit). Kept for ever."""
    payload: dict[str, JsonValue] = {"trajectory": trajectory, "kind": kind, "author": author, "note": note}
    if place is not None:
        payload["place"] = place
    wanted = _wanted(text, call or [], message)
    if wanted:
        payload["message"] = wanted
    told = change("correction.add", payload=payload)
    if as_json:
        show_json(dict(told))
    else:
        learned = "it can be learned" if told["grounded"] else f"nothing is learned from it: {told['reason']}"
        terminal.say(f"Correction {told['id']} is kept; {learned}.")


def _wanted(text: str | None, calls: list[str], file: Path | None) -> JsonValue:
    if file is not None:
        try:
            return parse(file.read_bytes())
        except NotJson as error:
            raise ConfigError(f"{file} holds no message: {error}") from error
    if text is None and not calls:
        return None
    return {"content": text or "", "tool_calls": [_call(each) for each in calls]}


def _call(spelled: str) -> JsonValue:
    try:
        call = read_call(spelled)
    except NotACall as error:
        raise ConfigError(f"--call {spelled}: {error}. Spell it name(argument='value').") from error
    return {"function": {"name": call.name, "arguments": dict(call.arguments)}}
