"""Read the settings: profile, files, environment and flags; an unknown word is an error with the nearest one.

Later sources win: profile, the user's config file, ./loopd.toml, the file of `--config`, `LOOPD_*` variables (`__`
between levels), flags.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from loop.config.settings import Config
from loop.errors import ConfigError, nearest
from loop.runtime.paths import Paths
from loop.types import Record
from loop.types.record import first_endless, first_fault

RESERVED = frozenset(
    {"LOOPD_HOME", "LOOPD_CONFIG", "LOOPD_OPENBLAS", "LOOPD_TEST_PG_BIN", "LOOPD_REQUIRE", "LOOPD_DATABASE_URL"}
)
"""Variables that are no settings of this tree."""


def profiles() -> list[str]:
    """Names of the profiles that come with loopd."""
    folder = resources.files("loop") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


class SettingSource(NamedTuple):
    """Where settings come from, and what it sets."""

    place: str
    tree: Mapping[str, Any]


def load(paths: Paths, profile: str | None, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Config:
    """Put the tree together. The profile is the one named, or else the one that this home was last started with.

    Raises:
        ConfigError: a file is no TOML, or a word or value is not one of ours; names the place and the nearest word.
    """
    return combine(gather(paths, profile, flags, environ))


def gather(
    paths: Paths, profile: str | None, flags: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[SettingSource, ...]:
    """Read every source, the one that wins last.

    Raises:
        ConfigError: as `load` does.
    """
    own = [
        *_files(paths, environ),
        SettingSource("the environment", _from_environment(environ)),
        SettingSource("the flags", flags),
    ]
    for place, tree in own:
        _check_words(tree, Config, place)
    named = (str(tree["profile"]) for _, tree in reversed(own) if "profile" in tree)
    name = profile or next(named, None) or _remembered(paths)
    return (SettingSource(f"profile {name}", {**_profile(name), "profile": name}), *own)


def combine(sources: Sequence[SettingSource]) -> Config:
    """Lay the later over the earlier.

    Raises:
        ConfigError: a value is not one of ours.
    """
    first, *later = sources
    merged = dict(first.tree)
    for _, tree in later:
        merged = _merge(merged, tree)
    return _validate({**merged, "profile": first.tree["profile"]})


def origin(sources: Sequence[SettingSource], words: Sequence[str]) -> str:
    """Say where the setting at a place comes from: the last source that sets it, or what is above it."""
    return next((source.place for source in reversed(sources) if _sets(source.tree, words)), "default")


def remember(paths: Paths, settings: Config) -> None:
    """Note the profile, so that later commands mean the same one without naming it."""
    _note(paths).write_text(f"{settings.profile}\n", encoding="utf-8")


def _remembered(paths: Paths) -> str:
    note = _note(paths)
    return note.read_text(encoding="utf-8", errors="replace").strip() if note.is_file() else "quickstart"


def _note(paths: Paths) -> Path:
    return paths.data / "profile"


def _profile(name: str) -> dict[str, Any]:
    if name not in profiles():
        raise ConfigError(f"There is no profile '{name}'.{nearest(name, profiles())}")
    return tomllib.loads((resources.files("loop") / "profiles" / f"{name}.toml").read_text(encoding="utf-8"))


def _files(paths: Paths, environ: Mapping[str, str]) -> Iterator[SettingSource]:
    for path in (paths.config / "loopd.toml", Path("loopd.toml")):
        if path.exists():
            yield SettingSource(str(path), _read(path))
    if named := environ.get("LOOPD_CONFIG"):
        yield SettingSource(named, _read(Path(named)))


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is not a file. Name a TOML file, or move it away.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {_why(error)}") from error


def _why(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if name.startswith("LOOPD_") and name not in RESERVED:
            _check_text(name, text)
            *above, last = name.removeprefix("LOOPD_").lower().split("__")
            level: Any = tree
            for word in above:
                level = level.setdefault(word, {}) if isinstance(level, dict) else None
            if not isinstance(level, dict):
                raise ConfigError(f"the environment: {name} contradicts a variable that is above it")
            level[last] = _value(name, text)
    return tree


def _check_text(name: str, text: str) -> None:
    try:
        f"{name}{text}".encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"the environment: {name!r} is not valid UTF-8: {text!r:.80}") from error


def _value(name: str, text: str) -> Any:  # noqa: ANN401 - whatever TOML can say
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the environment: {name} cannot be read: {_why(error)}") from error


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _check_words(tree: Mapping[str, Any], record: type[Record], location: str, above: str = "") -> None:
    for name, value in tree.items():
        if name not in record.model_fields:
            raise ConfigError(f"{location}: unknown key '{above}{name}'.{nearest(name, list(record.model_fields))}")
        inner = record_of(record.model_fields[name].annotation)
        tables = value if isinstance(value, list) else [value]
        for table in tables if inner else ():
            if isinstance(table, Mapping):
                _check_words(table, inner, location, f"{above}{name}.")


def _sets(tree: object, words: Sequence[str]) -> bool:
    for word in words:
        if not isinstance(tree, Mapping):
            return True
        if word not in tree:
            return False
        tree = tree[word]
    return True


def record_of(annotation: Any) -> Any:  # noqa: ANN401 - what a field is declared as
    """Give the record that a field holds, alone or several of; None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    return next(filter(None, map(record_of, get_args(annotation))), None)


def _validate(tree: Mapping[str, Any]) -> Config:
    try:
        made = Config.model_validate(tree)
    except ValidationError as error:
        fault = first_fault(error)
        raise ConfigError(f"setting '{fault.place}': {fault.says}, not {fault.given}.") from error
    except RecursionError as error:
        raise ConfigError("The settings are nested too deeply.") from error
    if endless := first_endless(made.model_dump()):
        raise ConfigError(f"setting '{endless}': a finite number is needed.")
    return made


def environment() -> dict[str, str]:
    """Copy the process's environment, so that tests can bring their own."""
    return dict(os.environ)
