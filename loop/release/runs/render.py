"""Render a round: records from SQL alone, as JSON and as a page of Markdown."""

import json
from collections.abc import Iterator

from loop.artifacts.markdown import table, text
from loop.redaction import redacted
from loop.release.runs.contract import SECTIONS, WITH_VALUE, Measurement, RunReport, Section
from loop.release.runs.decision import decide
from loop.release.runs.facts import gather
from loop.release.runs.sections import sections
from loop.runtime.query import Query

RUN = "run.json"


def render(ask: Query, number: int) -> RunReport:
    """Read a round.

    Args:
        ask: the read-only door to the store.
        number: the round's.

    Raises:
        NotFound: there is no such round.
    """
    facts = gather(ask, number)
    row = facts.round.first
    return RunReport(
        round=number,
        state=str(row["state"]),
        started=str(row["started"]),
        changed=str(row["changed"]),
        sections=sections(facts),
        verdict=decide(facts),
    )


def files(run: RunReport) -> dict[str, str]:
    """Spell the directory's files."""
    texts = {RUN: json.dumps(as_json(run), indent=1, ensure_ascii=False) + "\n", "README.md": page(run)}
    return {name: redacted(words) for name, words in texts.items()}


def as_json(run: RunReport) -> dict[str, object]:
    """Tell a run to programs; the schema is called `schema` there."""
    return {"schema": run.schema_, **run.model_dump(mode="json", exclude={"schema_"})}


def page(run: RunReport) -> str:
    """Spell the page: the decision first, then the six sections, then the queries."""
    numbered = {sql: index for index, sql in enumerate(run.queries, start=1)}
    lines = [*_head(run), *(line for section in run.sections for line in _section(section, numbered))]
    queries = [f"{index}. `{text(sql)}`" for sql, index in numbered.items()]
    return "\n".join([*lines, "", "## Queries", "", "Each is answered by `loopd sql`.", "", *queries, ""])


def _head(run: RunReport) -> Iterator[str]:
    yield f"# Round {run.round}: {run.verdict.decision}"
    yield from ("", f"{text(run.verdict.reason)}", "", f"Next: `{text(run.verdict.next_action)}`", "")
    yield f"{' -> '.join(SECTIONS)}; state {text(run.state)}, {text(run.started)} to {text(run.changed)}."


def _section(section: Section, numbered: dict[str, int]) -> Iterator[str]:
    yield from ("", f"## {section.name[0].upper()}{section.name[1:]}", "")
    head = ("what", "value", "n", "95 % interval", "stands on", "query")
    yield from table(head, (_row(measurement, numbered[measurement.sql]) for measurement in section.measurements))


def _row(measurement: Measurement, query: int) -> tuple[object, ...]:
    value = f"{spelled(measurement)} {measurement.unit}".strip() if measurement.known in WITH_VALUE else measurement.why
    return (
        measurement.name,
        value,
        "" if measurement.n is None else measurement.n,
        interval(measurement),
        measurement.known,
        query,
    )


def interval(measurement: Measurement) -> str:
    """Spell a measurement's interval; nothing where it has none."""
    return (
        ""
        if measurement.low is None or measurement.high is None
        else f"[{measurement.low:+.4g}, {measurement.high:+.4g}]"
    )


def spelled(measurement: Measurement) -> str:
    """Spell a measurement's value."""
    if isinstance(measurement.value, float):
        return f"{measurement.value:+.4g}" if measurement.low is not None else f"{measurement.value:.4g}"
    return str(measurement.value)
