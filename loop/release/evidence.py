"""Everything that the store, the adapter and the owner say of one policy, gathered for its release."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from loop import plugins
from loop.artifacts import policy_files
from loop.artifacts.cards import Report
from loop.canonical import NotJson, digest, parse
from loop.errors import LoopdError
from loop.release import provenance
from loop.release.categories import Category, SuiteGain, categories, gain, in_order
from loop.release.competitors import Competitor, Setup, metric_digest, prompt_digest
from loop.release.declarations import Declarations
from loop.release.performance import MEASURED, Alone, Performance, in_plays
from loop.store import Store
from loop.store.suites import ScoreConditions
from loop.types import TWIN, Policy, Record, Round, Score, Standing
from loop.weights import adapters

METRIC: Final = "pass rate"


class MeasuredOn(Record):
    """One suite that the policy was measured on, under one fingerprint."""

    suite: str
    suite_id: str
    fingerprint: str
    tasks: int
    """Sound ones that have a score."""
    plays: int
    passed: float
    """Mean over tasks, 0..1."""
    base_plays: int
    """Of the base model, under the same fingerprint."""
    teacher_plays: int
    """Of teachers that do not see the plan: whether the suite can be passed at all."""
    teacher_wins: int
    gates: bool
    """Whether a gate decided on it."""
    setup: Setup


class ReleaseEvidence(Record):
    """What a release is judged and written from."""

    policy: Policy
    standing: Standing
    report: Report
    base: provenance.BaseModel
    stock: str
    """`Policy.id` of the untrained model."""
    trained_in: Round | None = None
    dataset: str = ""
    measured: tuple[MeasuredOn, ...] = ()
    categories: tuple[Category, ...] = ()
    gain: SuiteGain | None = None
    sources: tuple[provenance.DataSource, ...] = ()
    performance: Performance = Performance()
    paused: tuple[str, ...] = ()
    adapter_fault: str = ""
    """Why the adapter is not what was published; empty where it is, and where there is none."""
    adapter_config: Mapping[str, JsonValue] = {}
    declared: Declarations = Declarations()
    competitors: tuple[Competitor, ...] = ()
    """Other systems, each checked by `loop.release.competitors.check`."""
    loopd: str
    """Version that wrote it."""

    @property
    def sealed(self) -> bool:
        """Whether sealed twins of its gates were opened for it."""
        return any(result.gate.endswith(TWIN) for result in self.report.gates)

    @property
    def setups(self) -> tuple[tuple[str, Setup], ...]:
        """How it was measured, suite by suite."""
        return tuple((measured.suite, measured.setup) for measured in self.measured)

    @property
    def title(self) -> str:
        """What people call it."""
        return self.declared.title or f"loopd policy {self.policy.id[:12]}"


def gather(
    store: Store,
    policy: Policy,
    source: str,
    models: Path,
    *,
    declared: Declarations | None = None,
) -> ReleaseEvidence:
    """Gather what is known of a policy.

    Args:
        store: where.
        policy: whom.
        source: where the base model comes from, as the configuration has it.
        models: where published adapters lie.
        declared: what its owner says.
    """
    adapter = models / policy.adapter if policy.adapter else None
    base, declared = provenance.base_model(source), declared or Declarations()
    report = policy_files.report(store, policy, base.label, adapter)
    stock = store.policies.all()[0][0]
    pairs = _pairs(store, policy, stock, report)
    number = store.evidence.trained_in(policy.id)
    dataset = store.datasets.of(store.rounds.get(number)) if number else None
    return ReleaseEvidence(
        policy=policy,
        standing=report.standing,
        report=report,
        base=base,
        stock=stock.id,
        trained_in=store.rounds.get(number) if number else None,
        dataset=dataset.id if dataset else "",
        measured=tuple(_measured(store, policy, met, sides, _marks(report)) for met, sides in pairs.items()),
        categories=()
        if policy == stock
        else in_order(category for met, sides in pairs.items() for category in categories(met.suite, *sides)),
        gain=None if policy == stock else gain(_deciding(report, pairs)),
        sources=_sources(store, base, dataset.id if dataset else "", declared),
        performance=_performance(store, policy, number),
        paused=store.gates.paused(),
        adapter_fault=_fault(adapter, policy),
        adapter_config=_settings(adapter),
        declared=declared,
        loopd=metadata.version("loopd-rest"),
    )


Sides = tuple[list[Score], list[Score]]


def _pairs(store: Store, policy: Policy, stock: Policy, report: Report) -> dict[ScoreConditions, Sides]:
    """Give base's and policy's scores for every suite, each under one fingerprint: the gates', else the fullest."""
    chosen: dict[str, tuple[ScoreConditions, Sides]] = {}
    for met in store.suites.measured(policy.id):
        sides = _pair(store, policy, stock, met)
        weight = (met.fingerprint in _marks(report), len(sides[1]))
        kept = chosen.get(met.suite)
        if sides[1] and (kept is None or weight > (kept[0].fingerprint in _marks(report), len(kept[1][1]))):
            chosen[met.suite] = met, sides
    return dict(chosen.values())


def _pair(store: Store, policy: Policy, stock: Policy, met: ScoreConditions) -> Sides:
    """Give base's and policy's scores of the sound tasks under one fingerprint."""
    unsound = store.soundness.unsound(met.suite_id)
    base, tuned = (
        [score for score in store.suites.scores(player.id, met.suite_id, met.fingerprint) if score.task not in unsound]
        for player in (stock, policy)
    )
    return base, tuned


def _marks(report: Report) -> set[str]:
    """Name the fingerprints that a decision rests on."""
    return {result.fingerprint for result in report.gates if result.decides}


def _deciding(report: Report, pairs: Mapping[ScoreConditions, Sides]) -> dict[str, Sides]:
    return {met.suite: sides for met, sides in pairs.items() if met.fingerprint in _marks(report)}


def _measured(store: Store, policy: Policy, met: ScoreConditions, sides: Sides, marks: set[str]) -> MeasuredOn:
    base, tuned = sides
    tries = store.soundness.attempts(met.suite_id).values()
    by_task: dict[str, list[bool]] = {}
    for score in tuned:
        by_task.setdefault(score.task, []).append(score.passed)
    setup = Setup(
        fixture=met.suite_id,
        prompt=prompt_digest(policy.system, policy.template),
        metric=metric_digest(METRIC),
        scorer=met.fingerprint,
    )
    return MeasuredOn(
        **met.model_dump(),
        tasks=len(by_task),
        plays=len(tuned),
        passed=sum(sum(won) / len(won) for won in by_task.values()) / len(by_task),
        base_plays=len(base),
        teacher_plays=sum(attempt.plays for attempt in tries),
        teacher_wins=sum(attempt.wins for attempt in tries),
        gates=met.fingerprint in marks,
        setup=setup,
    )


def _sources(
    store: Store, base: provenance.BaseModel, dataset: str, declared: Declarations
) -> tuple[provenance.DataSource, ...]:
    origins = store.evidence.origins(dataset) if dataset else ()
    return provenance.sources(base, origins, plugins.known("task_generators"), declared.licences)


def _performance(store: Store, policy: Policy, round_id: int | None) -> Performance:
    events = [event.fields for event in store.events.read(kind=MEASURED) if event.fields.get("policy") == policy.id]
    return Performance(
        alone=Alone.model_validate(events[-1]) if events else None,
        in_plays=in_plays(store.evidence.timings(policy.id)),
        training=store.evidence.fit(round_id) if round_id else None,
    )


def _fault(adapter: Path | None, policy: Policy) -> str:
    if adapter is None:
        return ""
    try:
        adapters.verify(adapter, policy.base)
    except LoopdError as error:
        return str(error).replace(str(adapter), adapter.name)
    return ""


def _settings(adapter: Path | None) -> dict[str, JsonValue]:
    file = adapter / adapters.SETTINGS if adapter else None
    settings = tree(file.read_bytes()) if file is not None and file.is_file() else {}
    return {name: settings[name] for name in ("fine_tune_type", "lora_parameters", "num_layers") if name in settings}


def tree(text: str | bytes) -> dict[str, JsonValue]:
    """Read a document that lay beside the adapter; empty where it is broken, which `adapter_fault` tells."""
    try:
        document = parse(text)
    except NotJson:
        return {}
    return document if isinstance(document, dict) else {}


def lock(evidence: ReleaseEvidence) -> dict[str, JsonValue]:
    """Name everything by digest that the measurements depend on."""
    policy, rnd = evidence.policy, evidence.trained_in
    suites: dict[str, JsonValue] = {
        measured.suite: {"digest": measured.suite_id, "fingerprint": measured.fingerprint}
        for measured in evidence.measured
    }
    return {
        "policy": policy.id,
        "base": {"digest": policy.base, "hub": evidence.base.hub, "revision": evidence.base.revision},
        "adapter": policy.adapter,
        "precision": str(policy.precision),
        "template": policy.template,
        "prompt": digest({"system": policy.system}),
        "parent": policy.parent,
        "dataset": evidence.dataset or None,
        "round": rnd.id if rnd else None,
        "seed": rnd.seed if rnd else None,
        "config": rnd.config if rnd else None,
        "suites": suites,
        "loopd": evidence.loopd,
    }


def regressions(evidence: ReleaseEvidence) -> tuple[Category, ...]:
    """List the categories that are worse beyond doubt, the greatest loss first."""
    lost = [category for category in evidence.categories if category.lost]
    return tuple(sorted(lost, key=lambda category: category.delta or 0.0))
