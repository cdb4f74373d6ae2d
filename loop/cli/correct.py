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
    trajectory: Annotated[str, typer.Argument(help="Id of a play or trace, or a prefix of it.")],
    *,
    kind: Annotated[str, typer.Option(help="up, down, edit, retry, override.")] = "edit",
    place: Annotated[int | None, typer.Option(help="Message number. Default: the last answer.")] = None,
    text: Annotated[str | None, typer.Option(help="The text it should have said.")] = None,
    call: Annotated[
        list[str] | None,
        typer.Option(help="A call it should have made: 'cd(folder=\"docs\")'. May be repeated."),
    ] = None,
    message: Annotated[Path | None, typer.Option(help="File with the whole message, in OpenAI's format.")] = None,
    author: Annotated[str, typer.Option("--by", help="Author of the correction.")] = "",
    note: Annotated[str, typer.Option(help="Reason.")] = "",
    as_json: Json = False,
) -> None:
    """Rate an answer (up, down) or say what it should have been (edit). Stored permanently."""
    payload: dict[str, JsonValue] = {"trajectory": trajectory, "kind": kind, "author": author, "note": note}
    if place is not None:
        payload["place"] = place
    wanted = _wanted(text, call or [], message)
    if wanted:
        payload["message"] = wanted
    answer = change("correction.add", payload=payload)
    if as_json:
        show_json(dict(answer))
    else:
        learned = "it can be learned" if answer["grounded"] else f"nothing is learned from it: {answer['reason']}"
        terminal.say(f"Correction {answer['id']} is kept; {learned}.")


def _wanted(text: str | None, calls: list[str], file: Path | None) -> JsonValue:
    if file is not None:
        try:
            return parse(file.read_bytes())
        except NotJson as error:
            raise ConfigError(f"{file} holds no message: {error}") from error
    if text is None and not calls:
        return None
    return {"content": text or "", "tool_calls": [_call(call) for call in calls]}


def _call(spelled: str) -> JsonValue:
    try:
        call = read_call(spelled)
    except NotACall as error:
        raise ConfigError(f"--call {spelled}: {error}. Spell it name(argument='value').") from error
    return {"function": {"name": call.name, "arguments": dict(call.arguments)}}
