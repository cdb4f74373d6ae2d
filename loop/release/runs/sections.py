"""The six sections of a rendered round, each figure with what stands behind it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from loop.release.runs.contract import Basis, Measurement, Section, absent, derived, measured, without
from loop.release.runs.decision import decide
from loop.release.runs.facts import Facts, Row
from loop.types import EXTERNAL, TWIN

PROPOSED: Final = "the candidate was proposed: it differs in its settings, and was neither played for nor trained"
UNTRAINED: Final = "the round ended before anything was trained"
OPEN: Final = "the round has not come so far yet"
POINTS: Final = "points"


def sections(facts: Facts) -> tuple[Section, ...]:
    """Spell every section, in order."""
    made = {
        "target": _target(facts),
        "data": _data(facts),
        "post-training": _training(facts),
        "eval": _eval(facts),
        "package": _package(facts),
        "report": _report(facts),
    }
    return tuple(Section(name=name, measurements=tuple(measurements)) for name, measurements in made.items())


def _target(facts: Facts) -> Iterator[Measurement]:
    sql = facts.gates.sql
    yield measured("configuration", facts.round.first["config"], facts.round.sql)
    if not facts.deciding:
        why = OPEN if _open(facts) else "no gate has judged this round's candidate"
        yield from without(("champion to beat", "gates that must hold"), _unreached(facts), sql, why)
        return
    champion = _word(facts.deciding[0]["champion"])
    yield Measurement(name="champion to beat", known=Basis.HISTORICAL, value=champion, sql=sql)
    yield measured("gates that must hold", ", ".join(_word(row["gate"]) for row in facts.deciding), sql)
    for row in facts.deciding:
        yield measured(f"{row['gate']}: may lose", _points(row["margin"]), sql, unit=POINTS)


def _data(facts: Facts) -> Iterator[Measurement]:
    if facts.proposed:
        names = ("tasks", "student's plays", "teachers' plays", "wins audited", "dataset", "rows")
        yield from without(names, Basis.NOT_APPLICABLE, facts.round.sql, PROPOSED)
        return
    row, arms = facts.round.first, facts.arms.first
    yield measured("tasks", _whole(arms["tasks"]), facts.arms.sql)
    yield measured("arms", _whole(arms["arms"]), facts.arms.sql)
    for who, name in (("student", "student's plays"), ("teacher", "teachers' plays")):
        plays, won = _whole(row[f"{who}_plays"]), _whole(row[f"{who}_accepted"])
        yield measured(name, plays, facts.round.sql)
        yield measured(f"{name} accepted", won, facts.round.sql, n=plays)
        yield derived(f"{name}: share accepted", won / plays if plays else None, facts.round.sql, n=plays)
    yield measured("plays given up", _whole(row["plays_given_up"]), facts.round.sql, n=_whole(row["plays"]))
    yield measured("paid to teachers", float(row["cost_usd"]), facts.round.sql, unit="US dollars")
    yield _audited(facts)
    yield from _dataset(facts)


def _audited(facts: Facts) -> Measurement:
    wins = _whole(facts.audits.first["wins"])
    if not wins:
        why = OPEN if _open(facts) else "no win was audited: there was none, or audit.wins is 0"
        return absent("audited wins that held", Basis.SKIPPED, facts.audits.sql, why)
    return measured("audited wins that held", _whole(facts.audits.first["held"]), facts.audits.sql, n=wins)


def _dataset(facts: Facts) -> Iterator[Measurement]:
    row, sql = facts.dataset.first, facts.dataset.sql
    if not row:
        yield from without(("dataset", "rows"), _unreached(facts), sql, OPEN if _open(facts) else UNTRAINED)
        return
    yield measured("dataset", _word(row["dataset"]), sql)
    yield measured("rows", _whole(row["rows"]), sql)
    yield measured("rows of the student", _whole(row["student_rows"]), sql, n=_whole(row["rows"]))
    yield measured("rows of teachers and traces", _whole(row["teacher_rows"]), sql, n=_whole(row["rows"]))
    yield measured("counts of the rules", _word(row["counts"]), sql)


def _training(facts: Facts) -> Iterator[Measurement]:
    sql, row, losses = facts.training.sql, facts.training.first, facts.losses.first
    names = ("steps", "first loss", "last loss", "held-out loss", "tokens a second", "peak memory", "wall time")
    steps = _whole(row["steps"])
    if facts.proposed:
        yield from without(names, Basis.NOT_APPLICABLE, sql, PROPOSED)
    elif not steps:
        known = _unreached(facts) if not facts.candidate else Basis.MISSING
        yield from without(names, known, sql, OPEN if _open(facts) else UNTRAINED)
    else:
        yield measured("steps", steps, sql, n=_whole(row["planned"]))
        yield measured("first loss", losses.get("first"), facts.losses.sql, unit="nats a token")
        yield measured("last loss", losses.get("last"), facts.losses.sql, unit="nats a token")
        yield _heldout(row, sql)
        yield derived("tokens a second", row["speed"], sql, n=steps)
        yield measured("peak memory", row["peak"], sql, unit="GB")
        yield derived("wall time", _seconds(row["began"], row["ended"]), sql, unit="seconds")


def _heldout(row: Row, sql: str) -> Measurement:
    if row["heldout"] is None:
        return absent("held-out loss", Basis.SKIPPED, sql, "training.heldout is 0")
    return measured("held-out loss", row["heldout"], sql, unit="nats a token")


def _eval(facts: Facts) -> Iterator[Measurement]:
    if not facts.gates.rows:
        never = not facts.candidate and not _open(facts)
        why = OPEN if _open(facts) else "there was no candidate to measure" if never else "no gate has judged it"
        known = Basis.NOT_APPLICABLE if never else _unreached(facts)
        yield from without(("verdict", "difference"), known, facts.gates.sql, why)
        return
    for row in facts.gates.rows:
        yield from _gate(facts, row)
    yield _elsewhere(facts, "sealed suites", TWIN, "gating.sealed is 0")
    yield _elsewhere(facts, "external suites", EXTERNAL, "gating.external names none that is here")
    yield from _speed(facts)


def _gate(facts: Facts, row: Row) -> Iterator[Measurement]:
    gate, sql, size = row["gate"], facts.gates.sql, _whole(row["tasks"])
    yield measured(f"{gate}: verdict", _word(row["verdict"]), sql, n=size)
    champion = measured(f"{gate}: champion", row["champion_rate"], sql, n=size)
    yield champion.model_copy(update={"known": _champions(facts, row["champion"])})
    yield measured(f"{gate}: candidate", row["candidate_rate"], sql, n=size)
    moved = derived(f"{gate}: difference", _points(row["difference"]), sql, unit=POINTS, n=size)
    yield moved.model_copy(update={"low": _points(row["low"]), "high": _points(row["high"])})
    yield derived(f"{gate}: plays a task", _whole(row["samples"]), sql)


def _champions(facts: Facts, champion: str) -> Basis:
    """Whether the champion was measured here, or its plays of earlier rounds counted."""
    mine = [row for row in facts.played.rows if row["policy"] == champion]
    return Basis.MEASURED if any(_whole(row["here"]) for row in mine) else Basis.HISTORICAL


def _elsewhere(facts: Facts, name: str, ending: str, unset: str) -> Measurement:
    """Say which suites a promotion opened that decide nothing."""
    opened = [_word(row["gate"]) for row in facts.gates.rows if row["gate"].endswith(ending)]
    if opened:
        return measured(name, ", ".join(opened), facts.gates.sql)
    promoted = facts.round.first["decision"] == "promoted"
    why = unset if promoted else "they are opened at a promotion only"
    return absent(name, Basis.SKIPPED if promoted else Basis.NOT_APPLICABLE, facts.gates.sql, why)


def _speed(facts: Facts) -> Iterator[Measurement]:
    row, sql = facts.speed.first, facts.speed.sql
    plays, seconds = _whole(row["plays"]), float(row["seconds"] or 0)
    if not plays or not seconds or not row["answers"]:
        why = "its plays were measured in an earlier round" if not plays else "its plays have no times"
        yield from without(("seconds an answer", "tokens a second"), Basis.MISSING, sql, why)
        return
    yield derived("seconds an answer", seconds / float(row["answers"]), sql, unit="s", n=plays)
    yield derived("tokens a second", float(row["tokens"] or 0) / seconds, sql, n=plays)


def _package(facts: Facts) -> Iterator[Measurement]:
    names = ("policy", "adapter", "template", "precision", "standing")
    if not facts.candidate:
        known = _unreached(facts) if _open(facts) else Basis.NOT_APPLICABLE
        yield from without(names, known, facts.policy.sql, OPEN if _open(facts) else "there is no candidate to package")
        return
    row = facts.policy.first
    yield measured("policy", facts.candidate, facts.policy.sql)
    for name in names[1:]:
        if name == "adapter" and row.get(name) is None:
            yield absent(name, Basis.NOT_APPLICABLE, facts.policy.sql, "the policy is its base model")
        else:
            yield measured(name, row.get(name), facts.policy.sql)


def _report(facts: Facts) -> Iterator[Measurement]:
    row, sql = facts.round.first, facts.round.sql
    yield measured("state", _word(row["state"]), sql)
    if row["decision"] is None:
        yield absent("promotion", _unreached(facts), sql, OPEN if _open(facts) else "nothing was decided")
    else:
        yield measured("promotion", _word(row["decision"]), sql)
    yield derived("wall time", _seconds(row["started"], row["changed"]), sql, unit="seconds")
    yield derived("decision", str(decide(facts).decision), sql)


def _open(facts: Facts) -> bool:
    return facts.round.first["state"] not in {"done", "failed"}


def _unreached(facts: Facts) -> Basis:
    """What is not there yet, or never will be, is missing where the round ended, and was not due otherwise."""
    return Basis.SKIPPED if _open(facts) else Basis.MISSING


def _points(rate: float | None) -> float | None:
    return None if rate is None else round(100 * rate, 2)


def _whole(value: Any) -> int:  # noqa: ANN401 - what a driver gives for a count
    return int(value or 0)


def _word(value: Any) -> str:  # noqa: ANN401 - what a driver gives for a text
    return str(value)


def _seconds(began: str | None, ended: str | None) -> float | None:
    if not began or not ended:
        return None
    first, last = (datetime.fromisoformat(moment) for moment in (began, ended))
    return round((last - first).total_seconds(), 3)
