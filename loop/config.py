"""One tree of settings, from profile, files, environment and flags; an unknown word is an error with the nearest one.

Later sources win: profile, the user's config file, ./loopd.toml, the file of `--config`, `LOOPD_*` variables (`__`
between levels), flags. Secrets are never settings: a part names the variable or file that holds its key.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError

from loop.canonical import digest
from loop.errors import ConfigError, nearest
from loop.proposals import Proposal
from loop.runtime.paths import Paths
from loop.types import OFFICIAL, Id, Part, Record, Rule, Tier
from loop.types.jobs import Recipe
from loop.types.record import first_fault
from teachers.budget.limits import Limits

RESERVED = frozenset(
    {"LOOPD_HOME", "LOOPD_CONFIG", "LOOPD_OPENBLAS", "LOOPD_TEST_PG_BIN", "LOOPD_REQUIRE", "LOOPD_DATABASE_URL"}
)
"""Variables that are no settings of this tree."""


class Student(Record):
    """The model that learns, and how it is asked."""

    source: str
    """`embedded`, a local directory, a GGUF file, or a hub id with `@revision`."""
    player: str = "loop.student.client:Student"
    """Who asks the model, in a worker: a player that takes `url`, `token_file`, `policy` and the sampling below."""
    template: Id = "native"
    system: str
    """The system prompt, before the catalogue."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=8)
    """Tokens of one answer, at most."""
    constrained: bool = False
    """Hold calls to the schemas of the tools on offer while decoding. Scores with and without do not compare."""
    max_rows: int = Field(default=16, ge=1)
    """Conversations that the engine decodes at once."""
    prefix_mib: int = Field(default=4096, ge=0)
    """MiB of computed prefixes (system prompt and catalogue) kept on disk for the next server; 0 keeps none."""


class Sampling(Record):
    """What a round asks for."""

    tasks: int = Field(default=64, ge=0)
    """Tasks that the student plays. 0 plays none: the round trains on what is there."""
    teacher_tasks: int = Field(default=0, ge=0)
    """Further tasks, of arms where the student's chance is near nothing, that only teachers play."""
    hopeless: float = Field(default=0.05, ge=0, le=1)
    """A pass rate up to this is near nothing."""
    tiers: tuple[Tier, ...] = tuple(Tier)
    backends: tuple[str, ...] = ()
    """Only arms whose backends are all among these; empty for all."""
    families: tuple[Id, ...] = ()
    """Only arms of these families; empty for all."""
    curriculum: Part = Part(use="thompson")
    generators: tuple[Part, ...] = Field(min_length=1)


class Teaching(Part):
    """A teacher, and what it may spend."""

    limits: Limits = Limits()


class Gating(Record):
    """Which gates judge a candidate, and how often each task may be played."""

    gates: tuple[Part, ...] = Field(min_length=1)
    max_samples: int = Field(default=8, ge=1)
    """Plays a task of each policy, at most, while a gate is inconclusive."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Zero for the first sample; later samples of a task are drawn at the student's own temperature."""
    min_ceiling: float = Field(default=0.95, ge=0, le=1)
    """The share of a suite's sound tasks that must be passable, or it is refused as a gate; 0 allows any."""
    sealed: int = Field(default=0, ge=0)
    """Plays a task, of the new champion and of the one before, on the gates' sealed twins at a promotion; 0 leaves them
    closed."""


class Outside(Record):
    """What a dataset takes that no play of the loop's own brought. Shares of all rows."""

    traces: float = Field(default=0, ge=0, le=1)
    """Share of rows from traces; 1 trains on nothing else."""
    arm: Literal["direct", "filtered", "relabelled"] = "filtered"
    """What was made of the traces (`loopd trace make`)."""
    corrections: float = Field(default=0.2, ge=0, le=1)
    """Share of rows from corrections, where there are any; the others are replayed."""


class Refresh(Record):
    """When a round learns from corrections without playing anything first."""

    after: int | None = Field(default=None, ge=1)
    """As soon as so many are new; None waits for no number."""
    hour: int | None = Field(default=None, ge=0, le=23)
    """In this hour of the night, by the machine's clock, where one is new; None at no hour."""
    most_doubted: float = Field(default=0.1, ge=0, le=1)
    """Share of the corrections that may speak against themselves; with more none is learned until somebody looked."""


class Training(Recipe):
    """How a candidate is fitted, and to what."""

    min_rows: int = Field(default=32, ge=1)
    """With fewer accepted rows no candidate is trained, and the round ends."""
    outside: Outside = Outside()
    refresh: Refresh = Refresh()
    mix: Mapping[str, JsonValue] = {}
    """Settings of `loop.dataset.mix.MixRules`."""


class Audit(Record):
    """How a round's wins are looked at once more before they are learned from."""

    wins: int = Field(default=24, ge=0)
    """Wins that are drawn, judged again by every checker, and played again in a second world; 0 audits none."""


class Plays(Record):
    """Where plays run."""

    pool: Literal["ray", "local"] = "ray"
    workers: int = Field(default=4, ge=1)
    """Worker processes (ray) or threads (local)."""
    in_flight: int = Field(default=32, ge=1)
    """Plays under way at once."""
    stop_doomed: bool = True
    """End a play after the turn that made it fail: its verdict is the same, and its other turns cost nothing. Where a
    gate measures lengths or distances, plays of its suite are played to their end."""


class Serve(Record):
    """The address at which people and their programs reach the champion."""

    enabled: bool = True
    """Whether the daemon answers there."""
    host: Literal["127.0.0.1", "::1"] = "127.0.0.1"
    """An address of this machine's own: nothing is offered to a network."""
    port: int = Field(default=11435, ge=0, le=65535)
    """0 picks a free one."""
    priority: Literal["people", "loop"] = "people"
    """Who has the machine: `people` are answered at any time, and the loop's plays and training halt meanwhile; `loop`
    has it to itself while it plays or trains, and requests are refused with 503 until then."""
    models: int = Field(default=2, ge=1)
    """Policies in memory at once to answer people, beside what the loop works with."""
    keep: float = Field(default=600, ge=1)
    """Seconds for which a policy stays in memory that nobody asks."""
    rows: int = Field(default=16, ge=1)
    """Requests answered at once; more wait, in order, and are told so."""
    max_tokens: int = Field(default=1024, ge=1)
    """Tokens of an answer, where a request does not say."""


class Config(Record):
    """Everything that a round can depend on."""

    profile: Id
    seed: int = 0
    rounds: int | None = Field(default=None, ge=0)
    """Stop after so many training rounds; None goes on until stopped. Rounds of proposed candidates come besides: 0
    finishes what was begun, judges what waits, and trains nothing new."""
    database: str = ""
    """SQLAlchemy URL; empty for SQLite in the data directory."""
    max_attempts: int = Field(default=20, ge=1)
    """Entries into one stage before the round is given up, so that a poisoned round cannot stop the loop for ever."""
    rule: Rule = OFFICIAL
    student: Student
    sampling: Sampling
    teachers: tuple[Teaching, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    """Changes of the champion that need no training; each becomes a candidate once."""
    checkers: tuple[Part, ...] = Field(min_length=1)
    audit: Audit = Audit()
    gating: Gating
    training: Training = Training()
    plays: Plays = Plays()
    serve: Serve = Serve()

    @property
    def digest(self) -> str:
        """Name the settings that a round's outcome depends on: where it runs and how long is left out."""
        outside = dict.fromkeys(("rounds", "database", "plays", "max_attempts", "proposals", "serve"), True)
        return digest(self.model_dump(mode="json", exclude={**outside, "student": {"prefix_mib"}}))


def profiles() -> list[str]:
    """Names of the profiles that come with loopd."""
    folder = resources.files("loop") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(paths: Paths, profile: str | None, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Config:
    """Put the tree together. The profile is the one named, or else the one that this home was last started with.

    Raises:
        ConfigError: a file is no TOML, or a word or value is not one of ours; names the place and the nearest word.
    """
    sources = [*_files(paths, environ), ("the environment", _from_environment(environ)), ("the flags", dict(flags))]
    named = (str(tree["profile"]) for _, tree in reversed(sources) if "profile" in tree)
    name = profile or next(named, None) or _remembered(paths)
    merged = _profile(name)
    for place, tree in sources:
        _check_words(tree, Config, place)
        merged = _merge(merged, tree)
    return _validate({**merged, "profile": name})


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


def _files(paths: Paths, environ: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in (paths.config / "loopd.toml", Path("loopd.toml")):
        if path.is_file():
            yield str(path), _read(path)
    if named := environ.get("LOOPD_CONFIG"):
        yield named, _read(Path(named))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if name.startswith("LOOPD_") and name not in RESERVED:
            *above, last = name.removeprefix("LOOPD_").lower().split("__")
            level: Any = tree
            for word in above:
                level = level.setdefault(word, {}) if isinstance(level, dict) else None
            if not isinstance(level, dict):
                raise ConfigError(f"the environment: {name} contradicts a variable that is above it")
            level[last] = _value(text)
    return tree


def _value(text: str) -> Any:  # noqa: ANN401 - whatever TOML can say
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _check_words(tree: Mapping[str, Any], record: type[Record], place: str, above: str = "") -> None:
    for name, value in tree.items():
        if name not in record.model_fields:
            raise ConfigError(f"{place}: unknown key '{above}{name}'.{nearest(name, list(record.model_fields))}")
        inner = record.model_fields[name].annotation
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, Record):
            _check_words(value, inner, place, f"{above}{name}.")


def _validate(tree: Mapping[str, Any]) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        fault = first_fault(error)
        raise ConfigError(f"setting '{fault.place}': {fault.says}, not {fault.given}.") from error


def environment() -> dict[str, str]:
    """Copy the process's environment, so that tests can bring their own."""
    return dict(os.environ)
