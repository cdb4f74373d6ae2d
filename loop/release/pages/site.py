"""Static pages about every artifact: one index, one page a policy, one page a round. No script, no foreign address.

Whatever models, providers and files said is escaped by the template engine; nothing of it becomes a link.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from loop.redaction import redacted, shown
from loop.release.card import commands, figures, knobs
from loop.release.documents import documents
from loop.release.evidence import ReleaseEvidence, lock
from loop.release.judgement import ReleaseJudgement
from loop.release.runs.contract import WITH_VALUE, Measurement, RunReport
from loop.release.runs.render import interval, spelled
from loop.release.states import State

INDEX: Final = "index.html"
MARKER: Final = "site.json"
SCHEMA: Final = "loopd-site/v1"
ORDER: Final = (State.READY, State.CURRENT_BEST, State.BLOCKED, State.REPORT_ONLY, State.PARKED)
"""In which artifacts stand in the index: what can be used first."""


class Artifact:
    """One policy as its page shows it."""

    def __init__(self, evidence: ReleaseEvidence, judged: ReleaseJudgement) -> None:
        self.evidence, self.judged = evidence, judged
        self.place = evidence.policy.id[:12]
        self.documents = documents(evidence, judged)
        self.commands, self.knobs, self.lock = commands(evidence), knobs(evidence), lock(evidence)
        self.speed = list(figures(evidence))

    @property
    def bars(self) -> int:
        """How many blockers bar its release."""
        return sum(blocker.bars for blocker in self.judged.blockers)


def site(artifacts: Sequence[Artifact], runs: Sequence[RunReport]) -> dict[str, str]:
    """Spell every file of the site, by path."""
    pages = _pages()
    ordered = sorted(artifacts, key=lambda artifact: (ORDER.index(artifact.judged.state), artifact.place))
    pages_written = {INDEX: pages["index"].render(artifacts=ordered, runs=runs, title="Artifacts")}
    pages_written[MARKER] = json.dumps({"schema": SCHEMA, "policies": len(ordered), "rounds": len(runs)}) + "\n"
    for policy in ordered:
        pages_written[f"policies/{policy.place}/{INDEX}"] = pages["artifact"].render(
            artifact=policy, title=policy.evidence.title
        )
        pages_written |= {f"policies/{policy.place}/{name}": text for name, text in policy.documents.items()}
    for run in runs:
        pages_written[f"rounds/{run.round}.html"] = pages["run"].render(run=run, title=f"Round {run.round}")
    return {name: redacted(text) if name.endswith(".html") else text for name, text in pages_written.items()}


def _pages() -> Mapping[str, Any]:
    environment = Environment(
        loader=PackageLoader("loop.release.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "points": _points,
        "signed": _signed,
        "interval": _interval,
        "value": _value,
        "between": interval,
    }
    return {name: environment.get_template(f"{name}.html") for name in ("index", "artifact", "run")}


def _visible(value: object) -> object:
    """Spell control characters, which no page should be steered by; markup that is safe already stays."""
    return shown(value, lines=True) if type(value) is str else value


def _points(rate: float | None) -> str:
    return "not measured" if rate is None else f"{100 * rate:.1f}"


def _signed(rate: float | None) -> str:
    return "not measured" if rate is None else f"{100 * rate:+.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return "not measured" if low is None or high is None else f"{100 * low:+.1f} to {100 * high:+.1f}"


def _value(measurement: Measurement) -> str:
    return f"{spelled(measurement)} {measurement.unit}".strip() if measurement.known in WITH_VALUE else measurement.why
