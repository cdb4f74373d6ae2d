"""From the gates' results to one decision, with its reason."""

from collections.abc import Collection, Mapping, Sequence

from loop.gates.judging import figures
from loop.types import GateResult, GateVerdict, Promotion, Standing


def decide(candidate: str, results: Sequence[GateResult], *, paused: Collection[str] = ()) -> Promotion:
    """Promote if every gate holds and one of them found the candidate better beyond doubt; the reason has the figures.

    Args:
        candidate: `Policy.id`.
        results: one per gate, the last of each.
        paused: names of gates that an operator paused; while there is one, nothing is promoted.
    """
    stopped = sorted(paused)
    if stopped:
        return Promotion(
            candidate=candidate, promoted=False, reason=f"paused: {', '.join(stopped)}; the candidate waits"
        )
    if not results:
        return Promotion(candidate=candidate, promoted=False, reason="no gate has judged the candidate")
    for verdict in (GateVerdict.FAILS, GateVerdict.INCONCLUSIVE):
        reasons = [result.reason for result in results if result.verdict is verdict]
        if reasons:
            return Promotion(candidate=candidate, promoted=False, reason="; ".join(reasons))
    improved = [result for result in results if result.improved]
    if not improved:
        return Promotion(candidate=candidate, promoted=False, reason=_no_better(results))
    return Promotion(candidate=candidate, promoted=True, reason="; ".join(result.reason for result in results))


def _no_better(results: Sequence[GateResult]) -> str:
    figures = "; ".join(f"{_figures(result)}, p = {result.chance:.2g}, needed {result.spent:.2g}" for result in results)
    return f"inconclusive: every gate holds, but nothing is significantly better: {figures}"


def _figures(result: GateResult) -> str:
    return f"{result.gate} {figures(result.parts[0])}" if result.parts else result.reason


def owed(results: Sequence[GateResult]) -> Mapping[str, tuple[str, ...]]:
    """Say which tasks, by gate, both policies should play, or play again; empty when that would decide nothing.

    A gate that only asks for plays beside a former champion (`GateResult.beside`) is listed without tasks. A gate that
    fails, or is undecided and asks for nothing, ends it; so does a candidate that no gate has found better
    or may still find better. Undecided gates come first; once all hold, the gates that may find an improvement.
    """
    open_still = [result for result in results if result.wants or result.beside]
    if sum(result.verdict is not GateVerdict.HOLDS for result in results) > len(open_still):
        return {}
    improved = any(result.improved for result in results)
    hopeful = {result.gate: result.may_improve for result in results if result.may_improve}
    if not improved and not hopeful:
        return {}
    undecided = {result.gate: result.wants for result in open_still}
    return undecided or ({} if improved else hopeful)


def standing(results: Sequence[GateResult], *, promoted: bool) -> Standing:
    """Say what becomes of a candidate: one whose depth holds and whose breadth fails is a specialist."""
    if promoted:
        return Standing.CHAMPION
    verdicts = {result.gate: result.verdict for result in results}
    special = verdicts.get("depth") is GateVerdict.HOLDS and verdicts.get("breadth") is GateVerdict.FAILS
    return Standing.SPECIALIST if special else Standing.REJECTED
