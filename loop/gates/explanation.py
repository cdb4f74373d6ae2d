"""What a gate found, in words: per comparison the difference, the bound, the margin, the verdict, and what it cost."""

from collections.abc import Iterator, Sequence

from loop.gates.judging import RATE
from loop.types import GatePart, GateResult, GateVerdict

MEANS = {
    GateVerdict.HOLDS: "holds",
    GateVerdict.FAILS: "fails",
    GateVerdict.INCONCLUSIVE: "is inconclusive",
}


def explain(results: Sequence[GateResult], decision: str) -> str:
    """Tell why a candidate was promoted, or was not; what each gate compared, and what it cost.

    Args:
        results: the gates' judgements of one candidate.
        decision: what was decided, and why.
    """
    parts = [line for result in results for line in (*_gate(result), "")]
    plays = sum(result.plays for result in results if result.decides)
    return "\n".join([*parts, f"Plays behind it, both policies together: {plays}.", f"Decision: {decision}"])


def _gate(result: GateResult) -> Iterator[str]:
    yield f"{result.gate} {MEANS[result.verdict]} ({result.plays} plays)."
    for part in result.parts:
        if not part.decides:
            yield f"  {part.name}, reported only: {_compared(part)}"
            continue
        yield f"  {part.name} {MEANS[part.verdict]}: {_compared(part)}"
        yield f"    {_bounded(part)} {_spent(part)}"
    yield f"  {_better(result)}"


def _compared(part: GatePart) -> str:
    if not part.tasks:
        return "no task has been played by both policies."
    who = f"former champion {part.beside[:12]}" if part.beside else "champion"
    rates = f"{who} {_value(part, part.champion_rate)}, candidate {_value(part, part.candidate_rate)}"
    change = f"{_change(part, part.difference)} [{_change(part, part.low)}, {_change(part, part.high)}]"
    there_are = f" of {part.total}" if part.total > part.tasks else ""
    turned = f"; {part.won} won, {part.lost} lost" if part.unit == RATE else ""
    return f"{rates}: {change} over {part.tasks}{there_are} tasks x {part.samples}{turned}."


def _bounded(part: GatePart) -> str:
    """Say how the one-sided bound lies to the margin. A measure's bound is what is left of its allowance."""
    if part.unit != RATE:
        allowed = f"{part.margin:.3g} {part.unit} more are allowed"
        side = "at least" if part.bound > 0 or part.verdict is GateVerdict.INCONCLUSIVE else "at most"
        return f"{allowed}; {side} {part.bound:+.3g} of that are left."
    margin = f"{100 * part.margin:.3g} points less are allowed"
    if part.verdict is GateVerdict.FAILS:
        return f"{margin}; beyond doubt it is worse than that: {_change(part, part.bound)} at best."
    at_worst = f"at worst {_change(part, part.bound)}"
    known = "enough" if part.verdict is GateVerdict.HOLDS else "not enough to tell"
    return f"{margin}; {at_worst}, {known}."


def _spent(part: GatePart) -> str:
    look = f"Looked at {part.look} plays of each" if part.look else "Not looked at yet"
    return f"{look}, error {part.spent:.2%} at this look, {part.left:.2%} kept for later ones."


def _better(result: GateResult) -> str:
    if not result.spent:
        return "It only guards: being better here promotes nobody."
    words = "better beyond doubt" if result.improved else "not better beyond doubt"
    needed = f"p = {result.chance:.2g}, at most {result.spent:.2g} was needed"
    return f"{words}: {needed} (attempt {result.attempt}; {result.left:.3%} of error is kept for later looks)."


def _value(part: GatePart, value: float) -> str:
    return f"{value:.1%}" if part.unit == RATE else f"{value:.4g} {part.unit}"


def _change(part: GatePart, value: float) -> str:
    return f"{100 * value:+.1f} points" if part.unit == RATE else f"{value:+.3g}"
