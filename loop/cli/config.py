"""`loopd config`: the settings as they are in force, whether they can be used, and what there is to set."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import tomlkit
import typer
from tomlkit.items import Item

from loop import config
from loop.cli import access, terminal
from loop.cli.access import Json
from loop.redaction import redacted
from loop.runtime import paths

app = typer.Typer(add_completion=False, help="Settings: show, check, schema.", no_args_is_help=True)

Origin = Annotated[bool, typer.Option("--origin", help="Show where each setting comes from.")]
Profile = Annotated[str | None, typer.Option(help="Built-in profile.")]


@app.callback()
def settings() -> None:
    """Settings: show, check, schema."""


@app.command()
def show(*, origin: Origin = False, as_json: Json = False, profile: Profile = None) -> None:
    """Print the settings in force, as TOML: profile, files, environment, defaults."""
    sources = _sources(profile)
    tree = config.combine(sources).model_dump(mode="json")
    if as_json:
        access.show_json({"settings": tree, **({"origin": _origins(sources, tree)} if origin else {})})
    else:
        terminal.say(redacted(_spelt(tree, sources if origin else ())))


@app.command()
def check(*, profile: Profile = None) -> None:
    """Check every setting of every part, as `loopd start` does."""
    sources = _sources(profile)
    settings = config.combine(sources)
    config.examine(settings)
    named = ", ".join(source.place for source in sources if source.tree)
    terminal.say(f"These settings can be used: {named}. Their digest is {settings.digest[:12]}.")


@app.command()
def schema() -> None:
    """Print a JSON Schema of loopd.toml, for an editor that completes and explains it."""
    from loop.config.schema import schema as made  # noqa: PLC0415 - loads every part

    terminal.say(json.dumps(made(), indent=1))


def _sources(profile: str | None) -> tuple[config.SettingSource, ...]:
    return config.gather(paths.find(), profile, {}, config.environment())


def _origins(
    sources: Sequence[config.SettingSource], tree: dict[str, Any], above: tuple[str, ...] = ()
) -> dict[str, str]:
    origins: dict[str, str] = {}
    for name, value in tree.items():
        words = (*above, name)
        if isinstance(value, dict) and value:
            origins |= _origins(sources, value, words)
        else:
            origins[".".join(words)] = config.origin(sources, words)
    return origins


def _spelt(tree: dict[str, Any], sources: Sequence[config.SettingSource]) -> str:
    document = tomlkit.document()
    _fill(document, tree, sources, ())
    return tomlkit.dumps(document).strip()


def _fill(table: Any, tree: dict[str, Any], sources: Sequence[config.SettingSource], above: tuple[str, ...]) -> None:  # noqa: ANN401 - a document or a table of tomlkit
    """Write single settings first and tables behind them, as TOML needs it; what is None is left out."""
    deep = {name: value for name, value in tree.items() if isinstance(value, dict) and value}
    for name, value in tree.items():
        if name not in deep and value is not None:
            table.add(name, _commented(_item(value), sources, (*above, name)))
    for name, value in deep.items():
        inner = tomlkit.table()
        _fill(inner, value, sources, (*above, name))
        table.add(name, inner)


def _commented(item: Item, sources: Sequence[config.SettingSource], words: tuple[str, ...]) -> Item:
    return item.comment(config.origin(sources, words)) if sources else item


def _item(value: Any) -> Item:  # noqa: ANN401 - whatever JSON can say
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        rows = tomlkit.array().multiline(multiline=True)
        for one in value:
            rows.append(_inline(one))
        return rows
    made: Item = tomlkit.item(value)
    return made


def _inline(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    if isinstance(value, dict):
        row = tomlkit.inline_table()
        for name, inner in value.items():
            if inner is not None and inner != {}:
                row.append(name, _inline(inner))
        return row
    return value
