"""`loopd gate`: what the gates said and why, what they can show; pause and resume them."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from loop import plugins
from loop.cli import terminal
from loop.cli.access import Csv, Json, Reason, settings, show, show_json, show_query
from loop.cli.records import change, store
from loop.errors import ConfigError, NotFound, nearest
from loop.gates.explanation import explain as in_words
from loop.gates.judging import Judging
from loop.gates.power import CHURN, chances, measured_churn, parts
from loop.gates.simulation import Bench
from loop.stages.soundness import known_flaws
from loop.store.gates import ALL
from loop.store.soundness import UNSOUND
from loop.types import Gate as GatePlugin
from loop.types import GateResult, Id, Round, Suite
from task_generators.suites import grown, suite

app = typer.Typer(
    add_completion=False, help="Promotion gates: list, show, explain, power, pause, resume.", no_args_is_help=True
)
Gate = Annotated[str, typer.Argument(help="A configured gate (depth, breadth, ...), or all.")]
Which = Annotated[str, typer.Argument(help="Round, or a prefix of a candidate's id. Default: the latest.")]
Churn = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of tasks whose result a refit changes. Default: as measured here, or 0.2."),
]
Runs = Annotated[int, typer.Option(min=10, max=100_000, help="Simulated candidates of each kind.")]
Attempt = Annotated[int, typer.Option(min=1, help="Candidates judged since the last promotion, including this one.")]


JUDGEMENTS: Final = 40
"""The latest ones that tell how much candidates change."""


@app.command("list")
def list_(*, as_json: Json = False, as_csv: Csv = False) -> None:
    """List every gate result, newest first."""
    show_query("select * from v_gates order by 1 desc", as_json=as_json, as_csv=as_csv)


@app.command("show")
def show_(which: Which = "", *, as_json: Json = False) -> None:
    """Show one candidate's gate results: each comparison with its bound, margin and error."""
    rnd, results, decision = _judged(which)
    if as_json:
        gates = [result.model_dump(mode="json") for result in results]
        show_json({"round": rnd.id, "plays": _plays(results), "decision": decision, "gates": gates})
        return
    rows = [{"gate": result.gate, **part.model_dump(mode="json")} for result in results for part in result.parts]
    show(rows, as_json=False)
    terminal.say(f"Round {rnd.id}, {_plays(results)} plays. {decision}")


@app.command()
def explain(which: Which = "", *, as_json: Json = False) -> None:
    """Explain in words why a candidate was or was not promoted."""
    rnd, results, decision = _judged(which)
    text = in_words(results, decision)
    if as_json:
        show_json({"round": rnd.id, "plays": _plays(results), "text": text})
    else:
        who = f"candidate {_who(results, 'candidate')} beside champion {_who(results, 'champion')}"
        terminal.say(f"Round {rnd.id}: {who}\n\n{text}")


@app.command("power")
def power_(*, churn: Churn = None, runs: Runs = 1000, attempt: Attempt = 1, as_json: Json = False) -> None:
    """Simulate the gates in force on candidates of known worth.

    The first table shows how often candidates are promoted, and after how many plays; the second, how likely each
    comparison holds alone if a candidate is equal, or 5 or 10 points better: the least likely stand in the way.
    """
    measured = _measured_churn()
    churn = churn if churn is not None else CHURN if measured is None else measured
    benches = [_bench(gate, attempt) for gate in _gates() if isinstance(gate, Judging)]
    candidates = [chance.model_dump() for chance in chances(benches, churn=churn, runs=runs)]
    comparisons = [part.model_dump() for part in parts(benches, churn=churn, runs=runs)]
    if as_json:
        show_json(
            {
                "churn": churn,
                "churn_measured": measured,
                "attempt": attempt,
                "candidates": candidates,
                "comparisons": comparisons,
            }
        )
        return
    show(candidates, as_json=False)
    show(comparisons, as_json=False)
    origin = (
        "as asked" if churn not in (measured, CHURN) else "assumed" if measured is None else "as the last rounds did"
    )
    terminal.say(f"A candidate changes {churn:.0%} of the tasks besides what it gains: {origin}.")


@app.command()
def pause(gate: Gate = ALL, *, reason: Reason = "") -> None:
    """Hold all promotions until the gate is resumed. Rounds go on; candidates wait."""
    _check(gate, ())
    answer = change("gate.pause", gate=gate, reason=reason)
    terminal.say(f"Paused: {_names(answer['paused'])}. Resume: loopd gate resume {gate}")


@app.command()
def resume(gate: Gate = ALL) -> None:
    """Allow promotions again. Waiting candidates are judged before the next round."""
    with store() as opened:
        _check(gate, opened.gates.paused())
    answer = change("gate.resume", gate=gate)
    waiting = _names(answer["queued"])
    terminal.say(f"Still paused: {_names(answer['paused'])}. Rounds whose candidates wait: {waiting}")


def _judged(which: str) -> tuple[Round, tuple[GateResult, ...], str]:
    with store() as opened:
        rnd = opened.gates.judged(which)
        results, decided = opened.gates.results(rnd), opened.promotions.decided(rnd)
    if decided is None:
        return rnd, results, "none yet: the candidate waits"
    return rnd, results, f"{'promoted' if decided.promoted else 'not promoted'}: {decided.reason}"


def _plays(results: Sequence[GateResult]) -> int:
    return sum(result.plays for result in results if result.decides)


def _who(results: Sequence[GateResult], name: str) -> str:
    return next((str(getattr(result, name))[:12] for result in results if getattr(result, name)), "?")


def _gates() -> list[GatePlugin]:
    return [plugins.load("loop.gates", part) for part in settings().gating.gates]


def _bench(gate: Judging, attempt: int) -> Bench:
    """Set a gate beside the sound tasks of its suite, as it has grown."""
    frozen = suite(grown(gate.suite, _times(gate.suite)))
    unsound = _unsound(frozen)
    return Bench(gate.attempted(attempt), tuple(task.entry for task in frozen.tasks if task.id not in unsound))


def _measured_churn() -> float | None:
    try:
        with store() as opened:
            return measured_churn(opened.gates.latest(JUDGEMENTS))
    except NotFound:
        return None


def _times(name: str) -> int:
    try:
        with store() as opened:
            return opened.suites.grown(name)
    except NotFound:
        return 1


def _unsound(frozen: Suite) -> set[str]:
    """Name a suite's unsound tasks: those that are known anyway, and those that were noted here."""
    known = {flaw.task for flaw in known_flaws(frozen) if flaw.kind == UNSOUND}
    try:
        with store() as opened:
            return known | opened.soundness.unsound(frozen.id)
    except NotFound:
        return known


def _check(gate: Id, paused: Sequence[str]) -> None:
    """Refuse a name that no gate has, which would pause everything unseen, or resume nothing."""
    known = [*(item.name for item in _gates()), ALL, *paused]
    if gate not in known:
        raise ConfigError(f"There is no gate '{gate}'.{nearest(gate, known)}")


def _names(names: object) -> str:
    return ", ".join(str(name) for name in names) if isinstance(names, list) and names else "none"
