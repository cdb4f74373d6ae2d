"""Everything that a round can depend on: one tree of records, whose names are the words of loopd.toml.

Secrets are never settings: a part names the variable or file that holds its key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue

from loop.canonical import digest
from loop.dataset.rules import MixRules
from loop.proposals import Proposal
from loop.types import OFFICIAL, Id, Part, Record, Rule, Tier
from loop.types.jobs import Recipe
from loop.windows.limits import Windows
from teachers.budget.limits import Limits


class StudentSettings(Record):
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

    def part(self, temperature: float) -> Part:
        """Say how a worker builds the player; where the model is served is added when the play is sent."""
        settings: dict[str, JsonValue] = {
            "temperature": temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }
        # Unnamed where it is off: a player of one's own need not know it.
        held: dict[str, JsonValue] = {"constrained": True} if self.constrained else {}
        return Part(use=self.player, settings=settings | held)


class Sampling(Record):
    """What a round asks for."""

    tasks: int = Field(default=64, ge=0)
    """Tasks that the student plays. 0 plays none: the round trains on what is there."""
    teacher_tasks: int = Field(default=0, ge=0)
    """Further tasks, of arms where the student's chance is near nothing, that only teachers play."""
    hopeless: float = Field(default=0.05, ge=0, le=1)
    """A pass rate up to this is near nothing."""
    ahead: bool = True
    """Have teachers play the next round's lessons while this one trains."""
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
    external: tuple[Id, ...] = ()
    """Suites that the new champion and the one before play at a promotion, one play a task: reported, no gate measures
    with them, and nothing trains on what is like their tasks."""
    rest: bool = True
    """Do not train where not even a flawless candidate could be promoted; false trains all the same."""
    most_times: int = Field(default=4, ge=1, le=99)
    """How many times as large a gate's suite may be drawn where that gives a candidate something to gain."""
    route: bool = True
    """Propose champion and specialists as one routed set, which these gates judge, where a specialist is better beyond
    doubt at some backend."""
    latency: float = Field(default=1.2, gt=1, le=100)
    """An answer of a routed set may take this many times as long as the champion's."""
    sealed: int = Field(default=0, ge=0)
    """Plays a task, of the new champion and of the one before, on the gates' sealed twins at a promotion; 0 leaves them
    closed."""


class Outside(Record):
    """What a dataset takes that no play of the loop's own brought. Shares of all rows."""

    traces: float = Field(default=0, ge=0, le=1)
    """Share of rows from traces; 1 trains on nothing else."""
    arm: Literal["direct", "filtered", "relabelled", "synthesized"] = "filtered"
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
    """Share of what is new that may be doubted; with more of it, none is learned before the next batch."""


class Training(Recipe):
    """How a candidate is fitted, and to what."""

    min_rows: int = Field(default=32, ge=1)
    """With fewer accepted rows no candidate is trained, and the round ends."""
    ramp: int | None = Field(default=None, ge=1)
    """Rows of the first training; each later one takes as many more, up to `take`, so that a first model comes soon.
    None takes `take` rows from the first on."""
    outside: Outside = Outside()
    refresh: Refresh = Refresh()
    mix: MixRules = MixRules()


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
    share: bool = False
    """Whether the champion and all specialists of its template answer from one process: their adapters lie beside one
    copy of the base, not merged into it. Off, each policy is served as it was measured, from a process of its own."""
    models: int = Field(default=2, ge=1)
    """Policies in memory at once to answer people, beside what the loop works with."""
    keep: float = Field(default=600, ge=1)
    """Seconds for which a policy stays in memory that nobody asks."""
    rows: int = Field(default=16, ge=1)
    """Requests answered at once; more wait, in order, and are told so."""
    max_tokens: int = Field(default=1024, ge=1)
    """Tokens of an answer, where a request does not say."""
    capture: Mapping[str, Annotated[float, Field(ge=0, le=1)]] = {}
    """By model name, the share of its answers that is kept as traces, with personal data replaced. Empty keeps none."""


def _private(address: str) -> str:
    """Let nothing leave this machine in the clear, and no password stand in the settings."""
    if not address:
        return address
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not (here or parts.scheme == "https") or not parts.hostname:
        raise ValueError("an https address is wanted, or an http one of this machine")
    if parts.username or parts.password:
        raise ValueError(
            "a login is no part of the address; a webhook's that is a secret goes into notify.webhook_file"
        )
    return address


class Notify(Record):
    """Who is told at once of a promotion, three refusals in a row, a paused gate, a quota, a full disk."""

    desktop: bool = False
    """Whether the desktop shows it."""
    moves: bool = False
    """Whether each move of a round from stage to stage is told as well."""
    webhook: Annotated[str, AfterValidator(_private)] = ""
    """An https address, or an http one of this machine, that gets each as a JSON object. Empty for none."""
    webhook_file: Path | None = None
    """A file with such an address, where the address itself is a secret."""


class Telemetry(Record):
    """Who is told of rounds, stages and plays as OpenTelemetry has it. Messages are no part of that."""

    traces: Annotated[str, AfterValidator(_private)] = ""
    """A collector's address for traces, by OTLP over HTTP: http://127.0.0.1:4318/v1/traces, say. Empty for none."""


class Storage(Record):
    """What may lie on the disk, and for how long."""

    max_gib: float | None = Field(default=None, gt=0)
    """GiB that the data directory may take; beyond them garbage goes, and nothing new is begun. None: all there is."""
    min_free_gib: float = Field(default=1.0, ge=0)
    """GiB that stay free on the disk; below them garbage goes, and nothing new is begun until there is room again."""
    keep_rounds: int = Field(default=5, ge=0)
    """Rounds for which the adapters of rejected candidates and the messages of rejected plays are kept."""


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
    student: StudentSettings
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
    notify: Notify = Notify()
    telemetry: Telemetry = Telemetry()
    storage: Storage = Storage()
    windows: Windows = Windows()

    @property
    def digest(self) -> str:
        """Name the settings that a round's outcome depends on: where it runs and how long is left out."""
        elsewhere = [
            "rounds",
            "database",
            "plays",
            "max_attempts",
            "proposals",
            "serve",
            "notify",
            "telemetry",
            "storage",
            "windows",
        ]
        outside = dict.fromkeys(elsewhere, True)
        return digest(self.model_dump(mode="json", exclude={**outside, "student": {"prefix_mib"}}))
