"""`loopd trace`: learn from conversations that happened elsewhere."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from loop import config
from loop.cli import terminal
from loop.cli.access import Csv, Json, settings, show, show_json, show_query
from loop.cli.records import store
from loop.cli.terminal import Terminal
from loop.control import lease
from loop.dataset.export import ExportFormat, write
from loop.errors import CannotCreate, CheckNegative, ConfigError, nearest
from loop.runtime import lock, paths
from loop.store import Store
from loop.types import Accepted

if TYPE_CHECKING:  # what reads traces takes half a second to import, which no other command should wait for
    from loop.traces.arms import ArmSummary
    from loop.traces.importing import Imported, ImportRules
    from loop.traces.inspection import Spread, TraceInspection
    from loop.traces.sifting import Sifted
    from loop.traces.trace import LocatedTrace, UnreadableRow
    from teachers.base.teacher import Teacher

app = typer.Typer(
    add_completion=False,
    help="Traces of conversations from elsewhere: inspect, import, filter, judge, make, world, train, list, export.",
    no_args_is_help=True,
)
Sources = Annotated[
    list[str], typer.Argument(metavar="FILE|DIR|URL…", help="JSON lines, JSON or Parquet; gzip is fine.")
]
Format = Annotated[str | None, typer.Option("--format", help="Trace format. Default: detected for each file.")]
Licence = Annotated[str, typer.Option(help="Licence of the traces, stored with each.")]
Tools = Annotated[
    Path | None,
    typer.Option(
        help="Tool schemas for traces that contain none: a list, an object with `tools`, or SGD's schema.json."
    ),
]
KeepPersonal = Annotated[bool, typer.Option("--keep-personal", help="Keep personal data (for public data sets).")]
Region = Annotated[str, typer.Option(help="Region for phone numbers without a country code: US, GB, DE, …")]
Heldout = Annotated[float, typer.Option(min=0, max=0.9, help="Share of users held out from training.")]
RefusedFile = Annotated[
    Path | None, typer.Option("--refused", help="File for the location and reason of every refused row.")
]


@app.callback()
def trace() -> None:
    """Learn from conversations that happened elsewhere."""


@app.command("inspect")
def inspect_(sources: Sources, *, form: Format = None, as_json: Json = False) -> None:
    """Report what traces contain and what could be learned from them. Read-only; needs no model and no store."""
    from loop.traces.inspection import inspect  # noqa: PLC0415 - see above
    from loop.traces.reading import named, read  # noqa: PLC0415

    inspection = inspect(read(sources, named(form)))
    if as_json:
        show_json(inspection.model_dump(mode="json"))
    else:
        _print(inspection)
    if not inspection.traces:
        raise CheckNegative("It contains no trace.")


def _print(inspection: "TraceInspection") -> None:
    console = Terminal()
    formats = ", ".join(f"{count} {name}" for name, count in inspection.formats.items())
    console.print(
        f"{inspection.traces} traces ({formats or 'none'}), {inspection.refused} rows refused", highlight=False
    )
    show([{"what": name, "value": value} for name, value in _facts(inspection)], as_json=False)
    if inspection.tools:
        show([tool.model_dump() for tool in inspection.tools[:40]], as_json=False)
    if inspection.reasons:
        show(
            [{"refused because": reason, "rows": count} for reason, count in inspection.reasons.items()], as_json=False
        )
        for example in inspection.examples[:5]:
            console.print(example, markup=False, highlight=False)


def _facts(inspection: "TraceInspection") -> Iterator[tuple[str, Any]]:
    yield "could be trained on as they are", inspection.trainable
    yield "said before word for word", inspection.duplicates
    yield "conversations / users with a name", f"{inspection.conversations} / {inspection.users}"
    yield "messages (least, median, most)", _told(inspection.messages)
    yield "user turns", _told(inspection.turns)
    yield "calls", _told(inspection.calls)
    yield "without any call", inspection.uncalled
    yield "a call without its result, or a result without its call", inspection.unanswered
    yield "a call that cannot be read", inspection.unread
    yield "calls, and no schema was shown", inspection.without_catalogue
    yield "tools with more than one schema", sum(tool.schemas > 1 for tool in inspection.tools)
    values = ", ".join(f"{count} {kind}" for kind, count in inspection.personal.items()) or "none found"
    yield f"personal values in the first {inspection.looked}", values
    yield "would be refused for a credential", inspection.secrets


def _told(spread: "Spread") -> str:
    return f"{spread.least:g}, {spread.median:g}, {spread.most:g}"


@app.command("import")
def import_(  # noqa: PLR0913 - each is an option
    sources: Sources,
    *,
    form: Format = None,
    licence: Licence = "",
    tools: Tools = None,
    keep_personal: KeepPersonal = False,
    region: Region = "US",
    heldout: Heldout = 0.1,
    refused: RefusedFile = None,
    as_json: Json = False,
) -> None:
    """Import traces. Personal data is replaced first; duplicates are skipped; an interrupted import resumes."""
    from loop.traces.importing import ImportRules  # noqa: PLC0415 - see above
    from loop.traces.privacy.detection import is_region  # noqa: PLC0415
    from loop.traces.tool_files import tools_in  # noqa: PLC0415

    if not is_region(region):
        raise ConfigError(f"There is no region '{region}'. Name it by its two letters: US, GB, DE, …")
    offered = {"tools": tools_in(tools)} if tools else {}
    rules = ImportRules(scrub=not keep_personal, region=region, licence=licence, heldout=heldout, **offered)
    with _refusals(refused) as tell:
        done = _take(sources, form, rules, tell)
    if as_json:
        show_json(done.model_dump(mode="json"))
    else:
        _print_import(done)
    if not done.stored and not done.known:
        raise CheckNegative("Nothing was imported.")


def _take(
    sources: list[str],
    form: str | None,
    rules: "ImportRules",
    tell: "Callable[[LocatedTrace | UnreadableRow, int], None]",
) -> "Imported":
    from loop.traces.importing import take  # noqa: PLC0415 - see above
    from loop.traces.privacy.pseudonyms import Pseudonyms  # noqa: PLC0415
    from loop.traces.reading import named, read  # noqa: PLC0415

    with writing() as opened:
        pseudonyms = Pseudonyms.at(paths.find().data / "pseudonyms.key")
        done = take(opened, read(sources, named(form)), rules, pseudonyms, tell)
        opened.events.record("traces.imported", **done.model_dump(exclude={"reasons"}), sources=[*sources])
    return done


@contextmanager
def writing() -> Iterator[Store]:
    """Open the store to write to it, made where there is none, while no daemon does.

    Raises:
        AlreadyRunning: a daemon writes to it.
    """
    home = paths.find().create()
    url = settings().database or home.database
    with lock.hold(home.data), Store.open(url) as opened, lease.hold(opened, home.data):
        yield opened


@contextmanager
def _refusals(path: Path | None) -> "Iterator[Callable[[LocatedTrace | UnreadableRow, int], None]]":
    """Tell how far an import is, and write refused rows down where a file is named."""
    from loop.traces.trace import UnreadableRow  # noqa: PLC0415 - see above

    console, rows = Terminal(stderr=True), 0
    try:
        file: IO[str] | None = path.open("w", encoding="utf-8") if path else None
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}") from error

    def tell(located: "LocatedTrace | UnreadableRow", stored: int) -> None:
        nonlocal rows
        rows += 1
        if file and isinstance(located, UnreadableRow):
            file.write(
                json.dumps({"source": located.place.source, "line": located.place.line, "reason": located.reason})
                + "\n"
            )
        if rows % 5_000 == 0:
            console.print(f"{rows} rows read, {stored} traces stored", highlight=False)

    try:
        yield tell
    finally:
        if file:
            file.close()


def _print_import(done: "Imported") -> None:
    line = f"{done.read} rows read: {done.stored} traces stored, {done.known} known before, {done.refused} refused"
    terminal.say(line)
    if done.replaced:
        terminal.say("personal data was replaced: " + ", ".join(f"{kind} in {n}" for kind, n in done.replaced.items()))
    if done.reasons:
        show([{"refused because": reason, "rows": count} for reason, count in done.reasons.items()], as_json=False)


@app.command("filter")
def filter_(*, tools: Tools = None, as_json: Json = False) -> None:
    """Run the filters on traces they have not judged yet. Needs no model; reasons are in v_verdicts."""
    from loop.traces.sifting import filters, sift  # noqa: PLC0415 - see above
    from loop.traces.tool_files import tools_in  # noqa: PLC0415

    chosen = filters(tools_in(tools) if tools else None)
    with writing() as opened:
        done = sift(opened, chosen)
        opened.events.record("traces.filtered", **done.model_dump(exclude={"kinds"}))
    if as_json:
        show_json(done.model_dump(mode="json"))
    else:
        _print_sift(done)


def _print_sift(done: "Sifted") -> None:
    terminal.say(f"{done.judged} traces judged, {done.accepted} accepted by every filter")
    show([{"filter": name, "traces refused": count} for name, count in done.refused.items()], as_json=False)
    show([{"fault": name, "messages": count} for name, count in done.kinds.items()], as_json=False)


@app.command()
def make(  # noqa: PLR0913 - each is an option
    arm: Annotated[str, typer.Argument(help="filtered, relabelled or synthesized.")],
    *,
    tools: Tools = None,
    count: Annotated[int, typer.Option(min=1, help="synthesized: conversations to add.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="synthesized: decides which.")] = 1,
    committee: Annotated[
        bool, typer.Option("--committee", help="Let the configured teachers rewrite refused messages.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build a training arm from the imported traces: what is right in them, what they correct themselves, or more."""
    from loop.traces.arms import ARMS, SYNTHESIZED  # noqa: PLC0415 - see above
    from loop.traces.arms import make as make_arm  # noqa: PLC0415
    from loop.traces.sifting import filters  # noqa: PLC0415
    from loop.traces.tool_files import tools_in  # noqa: PLC0415
    from loop.traces.widening import Widened, widen  # noqa: PLC0415
    from loop.types import Catalogue  # noqa: PLC0415

    if arm not in ARMS[1:]:
        raise ConfigError(f"There is no arm '{arm}' to make.{nearest(arm, ARMS[1:])}")
    today = tools_in(tools) if tools else None
    with writing() as opened:
        done: ArmSummary | Widened
        if arm == SYNTHESIZED:
            done = widen(opened, count, seed, filters(today), today=today, teachers=_asking())
        else:
            members = _teachers() if committee else []
            done = make_arm(opened, arm, filters(today), today or Catalogue(), members)
        opened.events.record("traces.made", arm=arm, **done.model_dump())
    counts = done.model_dump()
    if isinstance(done, Widened):
        counts = {"things of the world": done.things, "ways to ask": done.wordings, "played": done.played}
        counts |= {"written by teachers": done.written, "new": done.kept}
        counts |= {f"refused: {reason}": number for reason, number in done.refused.items()}
    show([{"what": name, "traces or messages": number} for name, number in counts.items()], as_json=as_json)


def _teachers(name: str | None = None) -> "list[Teacher]":
    """Build the configured teachers that ask a model, or the one of a name.

    Raises:
        ConfigError: there is none.
    """
    asking = [item for item in _asking() if name in (None, item.name)]
    if not asking:
        raise ConfigError(
            f"No teacher{f' {name}' if name else ''} that asks a model is configured. See: loopd teacher list"
        )
    return asking


def _asking() -> "list[Teacher]":
    """Build the configured teachers that ask a model."""
    from loop.plugins import load  # noqa: PLC0415 - see above

    built: list[Teacher] = [load("teachers", teacher) for teacher in settings().teachers]
    return [teacher for teacher in built if teacher.credential is not None]


@app.command("judge")
def judge_(
    *,
    teacher: Annotated[
        str | None, typer.Option(help="The judging teacher. Default: the first that uses a model.")
    ] = None,
    rubric: Annotated[Path | None, typer.Option(help="File with the rubric.")] = None,
    labels: Annotated[Path | None, typer.Option(help="JSON file with human labels: true or false by trace.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of traces; each costs two requests.")] = 20,
    as_json: Json = False,
) -> None:
    """Ask a teacher twice about accepted traces and report its agreement. Advisory only."""
    from loop.traces.judging import RUBRIC, Opinion, agreement, opinions  # noqa: PLC0415 - see above
    from loop.traces.sifting import filters, required  # noqa: PLC0415

    known = _labels(labels)
    text = rubric.read_text(encoding="utf-8") if rubric else RUBRIC
    judging = _teachers(teacher)[0]
    with writing() as opened:
        chosen = [item for _, item in zip(range(limit), opened.traces.all(accepted=True), strict=False)]
        judged = list(opinions(judging, text, chosen))
        for judgement in judged:
            if isinstance(judgement, Opinion):
                opened.verdicts.record(judgement.id, [judgement.verdict], required(filters()))
    done = agreement(judged, known)
    if as_json:
        show_json(done.model_dump(mode="json"))
    else:
        terminal.say(
            f"{judging.name}: {done.words}; {done.unanswered} without an answer, {done.usage.requests} questions"
        )


def _labels(path: Path | None) -> dict[str, bool]:
    from loop.canonical import NotJson, parse  # noqa: PLC0415

    if path is None:
        return {}
    try:
        value = parse(path.read_bytes())
    except NotJson as error:
        raise ConfigError(f"{path} holds no labels: {error}") from error
    if not isinstance(value, dict) or not all(isinstance(label, bool) for label in value.values()):
        raise ConfigError(f"{path} holds no labels: it must be an object with true or false by trace")
    return {name: bool(item) for name, item in value.items()}


@app.command()
def world(
    out: Annotated[Path, typer.Argument(help="Output file.")],
    *,
    arm: Annotated[str, typer.Option(help="Arm of traces to use: direct, filtered or relabelled.")] = "filtered",
    tools: Tools = None,
) -> None:
    """Build a simulated world, and tasks in it, from the traces' tool results and requests."""
    from loop.traces.synthesis import Worded, frames_of  # noqa: PLC0415 - see above
    from loop.traces.tool_files import tools_in  # noqa: PLC0415
    from loop.traces.worlds import world_of  # noqa: PLC0415

    with store() as opened:
        plays = [lesson.trajectory for lesson in opened.traces.lessons(arm)]
    offered = tools_in(tools) if tools else (plays[0].catalogue if plays else None)
    built = world_of(plays, offered) if offered else None
    if built is None:
        raise CheckNegative("The tools' results contain nothing to build a world from.")
    frames = frames_of(plays, built)
    try:
        out.write_text(Worded(world=built, frames=frames).model_dump_json(), encoding="utf-8")
    except OSError as error:
        raise CannotCreate(f"{out}: {error.strerror}") from error
    show(
        [{"tool": name, "does": use.act, "by": ", ".join(use.columns)} for name, use in built.uses.items()],
        as_json=False,
    )
    terminal.say(f"{len(built.rows)} things, {len(frames)} ways to ask, in {out}. Let the loop play in it:")
    terminal.say('[[sampling.generators]]\nuse = "loop.traces.synthesis:Synthesized"')
    terminal.say(f'settings = {{ world = "{out.resolve()}" }}')


@app.command()
def train(
    *,
    arm: Annotated[str, typer.Option(help="Arm of traces: direct, filtered, relabelled or synthesized.")] = "filtered",
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Share of dataset rows taken from traces.")] = 1.0,
    profile: Annotated[str | None, typer.Option(help="Built-in profile.")] = None,
) -> None:
    """Train a candidate on traces and gate it as usual, in one round without plays."""
    from loop.cli.start import run  # noqa: PLC0415 - it brings the whole daemon

    home = paths.find()
    outside = {"traces": share, "arm": arm}
    flags = {"rounds": 1, "sampling": {"tasks": 0, "teacher_tasks": 0}, "training": {"outside": outside}}
    chosen = config.load(home, profile, flags, config.environment())
    raise typer.Exit(run(home.create(), chosen))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Output file.")],
    *,
    to: Annotated[
        ExportFormat, typer.Option(help="Format: messages (JSON lines), ATIF 1.7, Inspect log or Parquet.")
    ] = ExportFormat.MESSAGES,
    arm: Annotated[str | None, typer.Option(help="Only this arm: direct, filtered, …")] = None,
    accepted: Annotated[bool, typer.Option("--accepted", help="Only traces accepted by every filter.")] = False,
) -> None:
    """Export traces. Output is deterministic, byte for byte."""
    with store() as opened:
        chosen = opened.traces.all(arm=arm, accepted=True if accepted else None)
        accepted_traces = (Accepted(id=kept.id, task=kept.task, trajectory=kept.trajectory) for kept in chosen)
        rows = write(to, accepted_traces, out)
    terminal.say(f"{rows} traces in {out}")


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List imported traces by source, with the share that the filters accept."""
    query = """
        select source, format, arm, count(*) as traces,
          sum(case when split = 'train' then 1 else 0 end) as for_training,
          sum(case when accepted = 1 then 1 else 0 end) as accepted,
          sum(case when accepted = 0 then 1 else 0 end) as refused, min(licence) as licence, max(imported) as imported
        from v_traces group by source, format, arm order by source, arm
    """
    show_query(query, as_json=as_json, as_csv=as_csv)
