"""`loopd gc`: what may be deleted, and with `--yes` deleting it."""

from typing import Annotated

import typer
from pydantic import JsonValue

from loop.cli import terminal
from loop.cli.access import Json, settings, show
from loop.cli.records import change, store
from loop.runtime import paths
from loop.storage import garbage

app = typer.Typer(add_completion=False)

Yes = Annotated[bool, typer.Option("--yes", help="Delete; without this they are only listed.")]
Kinds = Annotated[list[garbage.GarbageKind] | None, typer.Option("--kind", help="Only this kind. May be repeated.")]
KeepRounds = Annotated[
    int | None,
    typer.Option(min=0, help="Keep rejected adapters and messages of this many rounds.", show_default=False),
]


@app.command()
def gc(*, yes: Yes = False, kind: Kinds = None, keep_rounds: KeepRounds = None, as_json: Json = False) -> None:
    """Delete what nothing refers to: leftovers, checkpoints, caches, rejected adapters and rejected plays' messages.

    What a dataset, gate, card or release refers to stays. Nothing is deleted without --yes.
    """
    kept = settings().storage
    rounds = kept.keep_rounds if keep_rounds is None else keep_rounds
    kinds = kind or list(garbage.GarbageKind)
    with store() as opened:
        waste = garbage.find(paths.find(), opened, kept.model_copy(update={"keep_rounds": rounds}), kinds)
    show([_row(item) for item in waste], as_json=as_json)
    total = _size(sum(item.bytes for item in waste))
    if not yes:
        terminal.say(f"{total} may go. Nothing was deleted. Delete it: loopd gc --yes", err=as_json)
        return
    arguments: dict[str, JsonValue] = {"kinds": [str(item) for item in kinds], "keep_rounds": rounds}
    while not change("storage.collect", **arguments)["whole"]:
        pass
    terminal.say(f"{total} deleted.", err=as_json)


def _row(each: garbage.Garbage) -> dict[str, str]:
    return {"kind": str(each.kind), "what": each.what, "size": _size(each.bytes), "why": each.why}


def _size(many: int) -> str:
    """Spell bytes for people."""
    return f"{many / 2**30:.1f} GiB" if many >= 2**30 else f"{many / 2**20:.1f} MiB"
