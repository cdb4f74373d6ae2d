"""`loopd gate`: what the gates said and why, what they can show; pause and resume them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from loop import plugins
from loop.cli import terminal
from loop.cli.access import Json, Reason, settings, show, show_json, show_query
from loop.cli.records import change, store
from loop.errors import ConfigError, nearest
from loop.gates.explanation import explain as in_words
from loop.gates.judging import Judging
from loop.gates.looks import ladder
from loop.gates.power import Conditions, planned, power
from loop.store.gates import ALL
from loop.types import Gate as GatePlugin
from loop.types import GateResult, Id, Record, Round
from task_generators.suites import suite

app = typer.Typer(
    add_completion=False, help="Promotion gates: results, reasons, power, pause, resume.", no_args_is_help=True
)
Gate = Annotated[str, typer.Argument(help="depth, breadth, another configured gate, or all.")]
Which = Annotated[str, typer.Argument(help="A round, or the beginning of a candidate's id; the latest if left out.")]
Sizes = Annotated[list[int] | None, typer.Option("--tasks", min=2, help="Sizes instead of the configured suites.")]
Samples = Annotated[int | None, typer.Option(min=1, help="Plays a task at most; the configured number if left out.")]
Noise = Annotated[float, typer.Option(min=0, max=0.25, help="Mean of p(1-p): 0.25 where every play is a toss-up.")]
Attempt = Annotated[int, typer.Option(min=1, help="Candidates judged since the last promotion, this one counted.")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Every judgement, the newest first."""
    show_query("select * from v_gates order by 1 desc", as_json=as_json)


@app.command("show")
def show_(which: Which = "", *, as_json: Json = False) -> None:
    """One candidate's judgement: every comparison with its bound, margin and error."""
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
    """Say in words why a candidate was promoted, or was not."""
    rnd, results, decision = _judged(which)
    text = in_words(results, decision)
    if as_json:
        show_json({"round": rnd.id, "plays": _plays(results), "text": text})
    else:
        who = f"candidate {_who(results, 'candidate')} beside champion {_who(results, 'champion')}"
        terminal.say(f"Round {rnd.id}: {who}\n\n{text}")


@app.command("power")
def power_(
    *,
    tasks: Sizes = None,
    samples: Samples = None,
    noise: Noise = 0.15,
    attempt: Attempt = 1,
    as_json: Json = False,
) -> None:
    """What suites can show, by size and k plays a task.

    +5 and +10: the chance to prove a gain of so many points. holds 3 and holds 10: the chance to show that an equal
    candidate is not worse by so many.
    """
    most = samples or settings().gating.max_samples
    sizes = [Sized(suite=f"{size} tasks", part="", tasks=size) for size in tasks] if tasks else list(_configured())
    show([_cell(each, k, noise, attempt) for each in sizes for k in ladder(1, most)], as_json=as_json)


@app.command()
def pause(gate: Gate = ALL, *, reason: Reason = "") -> None:
    """Promote nobody until the gate is resumed; rounds go on, candidates wait."""
    _check(gate, ())
    answer = change("gate.pause", gate=gate, reason=reason)
    terminal.say(f"Paused: {_names(answer['paused'])}. Resume: loopd gate resume {gate}")


@app.command()
def resume(gate: Gate = ALL) -> None:
    """Let candidates be promoted again; those that waited are judged before the next round begins."""
    with store() as opened:
        _check(gate, opened.gates.paused())
    answer = change("gate.resume", gate=gate)
    waiting = _names(answer["queued"])
    terminal.say(f"Still paused: {_names(answer['paused'])}. Rounds whose candidates wait: {waiting}")


class Sized(Record):
    """A suite, or one backend of it, by its number of tasks."""

    suite: str
    part: str
    tasks: int
    level: float = 0.05
    share: float = 0.5


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


def _configured() -> Iterator[Sized]:
    """List the configured gates' suites, whole and by what each gate judges alone: backends or families."""
    for gate in _gates():
        tasks = suite(gate.suite).tasks
        errors = {"level": gate.level, "share": gate.share} if isinstance(gate, Judging) else {}
        yield Sized(suite=gate.suite, part="overall", tasks=len(tasks), **errors)
        by_family = getattr(gate, "categories", "backends") == "family"
        parts = Counter(name for task in tasks for name in ((task.family,) if by_family else task.backends))
        for name, count in sorted(parts.items()) if len(parts) > 1 else ():
            yield Sized(suite=gate.suite, part=name, tasks=count, **errors)


def _cell(sized: Sized, samples: int, noise: float, attempt: int) -> dict[str, Any]:
    error, guard = planned(samples, level=sized.level, share_of_gate=sized.share, attempt=attempt)
    found = power([sized.tasks], [samples], (0.03, 0.05, 0.10), Conditions(noise=noise, error=error, guard=guard))
    three, five, ten = found
    return {
        "suite": sized.suite,
        "part": sized.part,
        "tasks": sized.tasks,
        "k": samples,
        "+5": round(five.improves, 3),
        "+10": round(ten.improves, 3),
        "holds 3": round(three.holds, 3),
        "holds 10": round(ten.holds, 3),
    }


def _check(gate: Id, paused: Sequence[str]) -> None:
    """Refuse a name that no gate has, which would pause everything unseen, or resume nothing."""
    known = [*(each.name for each in _gates()), ALL, *paused]
    if gate not in known:
        raise ConfigError(f"There is no gate '{gate}'.{nearest(gate, known)}")


def _names(found: object) -> str:
    return ", ".join(str(each) for each in found) if isinstance(found, list) and found else "none"
