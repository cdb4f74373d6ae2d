"""What the daemon does now, and why the last candidate was or was not promoted: two sentences."""

from collections.abc import Mapping
from typing import Final

from loop.control.progress import Progress
from loop.runtime.query import Query
from loop.types import RoundState
from loop.ui.rows import Row, rows

DOING: Final[Mapping[str, str]] = {
    RoundState.SAMPLE: "chooses tasks",
    RoundState.COLLECT: "plays tasks",
    RoundState.CHECK: "judges what was played",
    RoundState.TRAIN: "trains a candidate",
    RoundState.GATE: "measures the candidate beside the champion",
    RoundState.PROMOTE: "decides about the candidate",
}
LAST_ROUND: Final = """select id as round, state from round where id > 0 and (state <> 'sample' or attempts > 0)
 order by id desc limit 1"""
LAST_DECISION: Final = """select p.round, p.candidate, p.decision, p.reason from promotion p
 where p.decision in ('promoted', 'rejected', 'rollback') order by p.id desc limit 1"""


def now(ask: Query, progress: Progress | None) -> str:
    """Say what the daemon does."""
    if progress is None:
        return _stopped(rows(ask, LAST_ROUND))
    if not progress.round:
        return "The daemon is starting."
    doing = DOING.get(progress.stage, progress.stage)
    how_far = f": {progress.done} of {progress.total} {progress.unit}" if progress.total else ""
    left = f", about {_duration(progress.seconds_left)} left" if progress.steady and progress.seconds_left else ""
    step = f" ({progress.doing})" if progress.doing else ""
    waits = f" Work on the GPU waits for its window: {progress.window}." if progress.window else ""
    return f"Round {progress.round} {doing}{step}{how_far}{left}.{waits}"


def _stopped(events: list[Row]) -> str:
    if not events:
        return "The daemon is not running, and no round has begun. Type: loopd start"
    last = events[0]
    where = "ended" if last["state"] == "done" else f"stopped at '{last['state']}'"
    return f"The daemon is not running; round {last['round']} {where}. Go on with: loopd start"


def why(ask: Query) -> str:
    """Say what became of the last candidate, and why."""
    decisions = rows(ask, LAST_DECISION)
    if not decisions:
        return "No candidate has been judged yet."
    last = decisions[0]
    name = f"Candidate {last['candidate'][:8]}" + (f" of round {last['round']}" if last["round"] else "")
    became = {
        "promoted": "was promoted",
        "rejected": "was not promoted",
        "rollback": "is champion again, by a roll back",
    }[last["decision"]]
    return f"{name} {became}: {last['reason'].rstrip('.')}."


def paused(ask: Query) -> dict[str, str]:
    """Name the paused gates, each with the reason that was given."""
    return {row["gate"]: row["reason"] for row in rows(ask, "select gate, reason from gate_pause order by gate")}


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(minutes, 1)} min"  # noqa: PLR2004 - minutes of an hour
