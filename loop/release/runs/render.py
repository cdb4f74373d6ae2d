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
    told = {RUN: json.dumps(as_json(run), indent=1, ensure_ascii=False) + "\n", "README.md": page(run)}
    return {name: redacted(words) for name, words in told.items()}


def as_json(run: RunReport) -> dict[str, object]:
    """Tell a run to programs; the schema is called `schema` there."""
    return {"schema": run.schema_, **run.model_dump(mode="json", exclude={"schema_"})}


def page(run: RunReport) -> str:
    """Spell the page: the decision first, then the six sections, then the queries."""
    numbered = {sql: place for place, sql in enumerate(run.queries, start=1)}
    lines = [*_head(run), *(line for each in run.sections for line in _section(each, numbered))]
    queries = [f"{place}. `{text(sql)}`" for sql, place in numbered.items()]
    return "\n".join([*lines, "", "## Queries", "", "Each is answered by `loopd sql`.", "", *queries, ""])


def _head(run: RunReport) -> Iterator[str]:
    yield f"# Round {run.round}: {run.verdict.decision}"
    yield from ("", f"{text(run.verdict.reason)}", "", f"Next: `{text(run.verdict.next_action)}`", "")
    yield f"{' -> '.join(SECTIONS)}; state {text(run.state)}, {text(run.started)} to {text(run.changed)}."


def _section(section: Section, numbered: dict[str, int]) -> Iterator[str]:
    yield from ("", f"## {section.name[0].upper()}{section.name[1:]}", "")
    head = ("what", "value", "n", "95 % interval", "stands on", "query")
    yield from table(head, (_row(found, numbered[found.sql]) for found in section.measurements))


def _row(found: Measurement, query: int) -> tuple[object, ...]:
    value = f"{spelled(found)} {found.unit}".strip() if found.known in WITH_VALUE else found.why
    return found.name, value, "" if found.n is None else found.n, interval(found), found.known, query


def interval(found: Measurement) -> str:
    """Spell a measurement's interval; nothing where it has none."""
    return "" if found.low is None or found.high is None else f"[{found.low:+.4g}, {found.high:+.4g}]"


def spelled(found: Measurement) -> str:
    """Spell a measurement's value."""
    if isinstance(found.value, float):
        return f"{found.value:+.4g}" if found.low is not None else f"{found.value:.4g}"
    return str(found.value)
