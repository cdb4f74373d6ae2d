"""What a release may call itself, and what stands in its way. Missing evidence is a blocker, never a blank."""

from collections.abc import Callable, Iterator
from typing import Final

from loop.release.categories import sentence
from loop.release.evidence import ReleaseEvidence, regressions
from loop.release.states import Blocker, State, StateReason, state_on
from loop.types import Record, Standing

SHOWN: Final = 5
"""Regressions that are named in a blocker; the table has them all."""


class ReleaseJudgement(Record):
    """A release's state, its ground, and everything that its reader must know first."""

    state: State
    ground: StateReason
    sentence: str
    """Above or below the gate."""
    blockers: tuple[Blocker, ...]
    next_action: str


def judge(evidence: ReleaseEvidence, *, weights: bool = False) -> ReleaseJudgement:
    """Judge a release.

    Args:
        evidence: what is known.
        weights: whether the weights lie in the directory.
    """
    blockers = tuple(finding for find in FINDERS for finding in find(evidence)) + tuple(
        _weights(evidence, within=weights)
    )
    ground = _ground(evidence, complete=not any(blocker.bars for blocker in blockers))
    state = state_on(ground)
    return ReleaseJudgement(
        state=state,
        ground=ground,
        sentence=sentence(evidence.gain),
        blockers=blockers,
        next_action=_next(state, blockers),
    )


def _ground(evidence: ReleaseEvidence, *, complete: bool) -> StateReason:
    if evidence.declared.parked:
        return StateReason.BY_HAND
    if evidence.adapter_fault:
        return StateReason.UNVERIFIED
    if evidence.policy.id == evidence.stock:
        return StateReason.UNTRAINED
    return _by_standing(evidence, complete=complete)


def _by_standing(evidence: ReleaseEvidence, *, complete: bool) -> StateReason:
    match evidence.standing:
        case Standing.RETIRED:
            return StateReason.RETIRED
        case Standing.CANDIDATE:
            return StateReason.UNDECIDED if evidence.report.gates else StateReason.NOT_JUDGED
        case Standing.REJECTED:
            return StateReason.REFUSED if evidence.report.gates else StateReason.NOT_JUDGED
        case Standing.SPECIALIST:
            return StateReason.ROUTED_ONLY if complete else StateReason.HALF_A_SPECIALIST
        case Standing.CHAMPION:
            return StateReason.COMPLETE if complete else StateReason.INCOMPLETE


def _next(state: State, blockers: tuple[Blocker, ...]) -> str:
    first = next((blocker.unblock for blocker in blockers if blocker.bars), "")
    if state is State.PARKED:
        return "Nothing: release its successor instead."
    if state is State.REPORT_ONLY:
        return "Publish the report without weights, or nothing."
    return first or "Read the card once more, and publish."


def _gates(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    name, first = evidence.policy.id[:12], evidence.policy.id == evidence.stock
    if not evidence.report.gates and not first:
        why = "Nobody knows whether it is better or worse than what was there before."
        unblock = f"loopd model propose {name}, then loopd start --rounds 0"
        yield Blocker(what="No gate has judged it", why=why, unblock=unblock)
    if evidence.paused and evidence.standing is Standing.CANDIDATE:
        paused = ", ".join(evidence.paused)
        why = "While a gate is paused nobody is promoted."
        yield Blocker(what=f"Paused gates: {paused}", why=why, unblock=f"loopd gate resume {evidence.paused[0]}")


def _adapter(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    if evidence.adapter_fault:
        why = "What would be released is not what was measured."
        unblock = f"Put the adapter back from a copy, and check: loopd model verify {evidence.policy.id[:12]}"
        yield Blocker(what=f"The adapter is not what was published: {evidence.adapter_fault}", why=why, unblock=unblock)


def _base(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    if not evidence.base.revision:
        why = "Nobody else can load the same base model, so nobody can repeat a figure."
        unblock = "Name the base as owner/name@revision in student.source of loopd.toml."
        yield Blocker(what="The base model has no public revision", why=why, unblock=unblock)
    if evidence.policy.id == evidence.stock:
        return
    for measured in evidence.measured:
        if not measured.base_plays:
            unblock = f"loopd suite run {measured.suite} --player stock"
            why = "Without the base on the same tasks, a rate says nothing about what training did."
            yield Blocker(
                what=f"The base was not measured on {measured.suite}", why=why, unblock=unblock, bars=measured.gates
            )


def _licences(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    for source in evidence.sources:
        if not source.licence:
            what = f"No licence is known for {source.kind} {source.name}"
            why = f"{source.provenance}. What was learned from it may not be free to publish."
            unblock = f'Read its terms and declare them: licences."{source.name}" = "…" in the file of --declare.'
            yield Blocker(what=what, why=why, unblock=unblock)
    if not evidence.declared.licence:
        why = "Without a licence nobody may use it."
        yield Blocker(what="The release has no licence", why=why, unblock='Declare one: licence = "Apache-2.0".')
    if evidence.policy.adapter and not evidence.dataset:
        why = "Nobody can say what the model was trained on."
        unblock = "Release a policy whose round is in this store: loopd model list"
        yield Blocker(what="No dataset is on record for the adapter", why=why, unblock=unblock)


def _author(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    if not (evidence.declared.author and evidence.declared.url):
        why = "A release that cannot be cited cannot be answered for."
        unblock = 'Declare author = "…" and url = "https://…" in the file of --declare.'
        yield Blocker(what="No author and address for the citation", why=why, unblock=unblock)


def _speed(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    alone = evidence.performance.alone
    unblock = f"loopd release measure {evidence.policy.id[:12]}"
    if alone is None:
        why = "A reader cannot tell whether it runs on their machine, or how fast."
        yield Blocker(what="Latency, memory and tokens a second were not measured", why=why, unblock=unblock)
    elif alone.peak_gb is None:
        why = "A reader cannot tell whether it fits their machine."
        yield Blocker(what="Peak memory was not measured", why=why, unblock=unblock)


def _disclosed(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    lost = regressions(evidence)
    if lost:
        names = ", ".join(
            f"{category.name} ({category.suite}) {100 * (category.delta or 0):+.1f}" for category in lost[:SHOWN]
        )
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        unblock = "Keep it in every text about the model; route other requests elsewhere."
        why = "The model is worse there than the base it was made from, beyond doubt."
        yield Blocker(what=f"Regressions: {names}{more}", why=why, unblock=unblock, bars=False)
    if evidence.report.gates and not evidence.sealed:
        why = "The gates' suites were measured many times; sealed ones would show whether the gain is real."
        unblock = "Set gating.sealed to 1 or more before the next promotion."
        yield Blocker(what="No sealed suite was opened for it", why=why, unblock=unblock, bars=False)


def _ceilings(evidence: ReleaseEvidence) -> Iterator[Blocker]:
    for measured in evidence.measured:
        if measured.gates and not measured.teacher_plays:
            why = "Whether a strong model passes the suite's tasks is not known, only that their plans do."
            unblock = f"loopd suite run {measured.suite} --player TEACHER (loopd teacher list)"
            what = f"No teacher has played {measured.suite}"
            yield Blocker(what=what, why=why, unblock=unblock, bars=False)


def _weights(evidence: ReleaseEvidence, *, within: bool) -> Iterator[Blocker]:
    if not (within or evidence.declared.weights):
        why = "A reader can check the figures, and not use the model."
        unblock = 'Release without --metadata-only, or declare where they lie: weights = "https://…".'
        yield Blocker(what="The weights are not part of the release", why=why, unblock=unblock, bars=False)


FINDERS: Final[tuple[Callable[[ReleaseEvidence], Iterator[Blocker]], ...]] = (
    _adapter,
    _gates,
    _base,
    _licences,
    _speed,
    _author,
    _disclosed,
    _ceilings,
)
"""Each looks for one kind of blocker, those that matter most first."""
