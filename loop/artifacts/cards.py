"""What lies in a policy's directory: model card, gate report, data card, training configuration. Texts only.

A card's format is the hub's: YAML in front with a `model-index`, Markdown behind. Every figure comes from the store,
with how many tasks and plays it rests on, its interval, and the command that shows it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from loop.artifacts.markdown import row, text
from loop.gates.judging import RATE
from loop.types import Dataset, GatePart, GateResult, Policy, Promotion, Record, Standing, Transfer
from loop.types.jobs import Job

README: Final = "README.md"
GATES: Final = "gate_report.json"
DATA: Final = "data_card.md"
TRAINING: Final = "train_config.json"
PLACES: Final = frozenset({"base", "rows", "scratch", "out"})
"""Of a training job: where it ran, which is nobody's business and would make equal adapters differ."""


class Report(Record):
    """Everything that a policy's directory tells."""

    policy: Policy
    standing: Standing
    source: str
    """Where the base model comes from, as the configuration has it."""
    round: int | None = None
    decision: Promotion | None = None
    gates: tuple[GateResult, ...] = ()
    stock: Mapping[str, Mapping[str, float]] = {}
    """The stock model's pass rates under the same fingerprint, by gate and part."""
    transfer: tuple[Transfer, ...] = ()
    training: str = ""
    """The training configuration, as JSON; empty where nothing was trained."""
    data: str = ""
    """The data card; empty likewise."""

    @property
    def plays(self) -> int:
        """Plays that the decision rests on."""
        return sum(result.plays for result in self.gates if result.decides)


def files(report: Report) -> dict[str, str]:
    """Spell everything that a policy's directory holds, by file name."""
    return {
        README: model_card(report),
        GATES: gate_report(report),
        DATA: report.data
        or "# Data card\n\nNothing was trained for this policy: it differs from its parent in its settings.\n",
        TRAINING: report.training or _json({"trained": False, "policy": report.policy.model_dump(mode="json")}),
    }


def of_training(dataset: Dataset, job: Job, parent: Policy, trained: int) -> dict[str, str]:
    """Spell what is known when an adapter is published: data card and training configuration, by file name."""
    settings = job.model_dump(mode="json", exclude=set(PLACES))
    settings |= {"base": parent.base, "system": parent.system, "parent": parent.id, "dataset": dataset.id}
    return {TRAINING: _json(settings), DATA: data_card(dataset, trained)}


def data_card(dataset: Dataset, trained: int) -> str:
    """Tell what a candidate was trained on: how many rows each rule chose or left out, and the rules."""
    counts = [row(name, count) for name, count in dataset.counts.items()]
    rules = [row(name, f"`{json.dumps(value)}`") for name, value in dataset.rules.items()]
    return "\n".join([
        "# Data card", "",
        f"Trained on {trained} trajectories of {len(dataset.rows)} in dataset `{dataset.id}`; `rows.txt` beside the",
        "adapter names them in order. Each was accepted by every required checker, and is of a task in the train split",
        "(the database refuses others).", "",
        "| what | how many |", "|---|---|", *counts, "",
        "| rule | setting |", "|---|---|", *rules, "",
        f"Rows: `loopd dataset export {dataset.id[:12]} FILE`.",
        f"Counts and rules: `loopd dataset show {dataset.id[:12]}`.", "",
    ])  # fmt: skip


def gate_report(report: Report) -> str:
    """Spell the judgements as JSON: every comparison, what it rests on, and the decision."""
    decided = report.decision.model_dump(mode="json") if report.decision else None
    gates: list[JsonValue] = [result.model_dump(mode="json") for result in report.gates]
    document: dict[str, JsonValue] = {"schema": "loopd/v1", "policy": report.policy.id, "standing": report.standing}
    return _json({**document, "round": report.round, "decision": decided, "plays": report.plays, "gates": gates})


def model_card(report: Report) -> str:
    """Spell the model card: what the policy is, what it scores beside stock and champion, regressions first."""
    return "\n".join([*front(report), *_head(report), *tables(report)])


def tables(report: Report) -> Iterator[str]:
    """Spell what the gates measured, line by line: rates, measures, rules, transfer."""
    yield from (*_rates(report), *_measures(report), *_rules(report), *_lost(report))


def _json(document: Mapping[str, JsonValue]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def front(report: Report, more: Iterable[str] = ()) -> Iterator[str]:
    """Spell the front matter, line by line: what the hub reads.

    Args:
        report: what is known of the policy.
        more: further lines of YAML.
    """
    hub, _, revision = report.source.partition("@")
    yield "---"
    if revision:
        yield f"base_model: {json.dumps(hub)}"
    yield "library_name: mlx"
    yield "pipeline_tag: text-generation"
    yield from more
    yield f"tags: {json.dumps(['tool-calling', 'loopd', *(['lora'] if report.policy.adapter else [])])}"
    yield "model-index:"
    yield f"- name: {json.dumps(report.policy.id)}"
    yield "  results:" if report.gates else "  results: []"
    for result in report.gates:
        yield "  - task: {type: text-generation, name: tool calling}"
        suite, revision = json.dumps(result.suite), json.dumps(result.suite_id)
        yield f"    dataset: {{type: loopd-suite, name: {suite}, revision: {revision}}}"
        yield "    metrics:"
        for part in result.parts:
            kind = "pass_rate" if part.unit == RATE else part.unit
            name = f"{part.name}, {part.tasks} tasks x {part.samples}"
            yield f"    - {{type: {json.dumps(kind)}, name: {json.dumps(name)}, value: {part.candidate_rate:.6g}}}"
    yield "---"


def _head(report: Report) -> Iterator[str]:
    policy = report.policy
    yield from ("", f"# Policy {policy.id[:16]}", "")
    if report.standing is Standing.SPECIALIST:
        yield "**Specialist: routed-only.** Not worse in depth, worse elsewhere: give it only what it is for."
        yield ""
    if policy.routing:
        yield "**Routed set: several policies answer.** A router says which one, from tools and first words."
        yield ""
    yield from ("| | |", "|---|---|")
    yield f"| standing when this was written | {report.standing} |"
    yield f"| base | `{policy.base}` ({report.source}) |"
    yield f"| adapter | {f'`{policy.adapter}`' if policy.adapter else 'none'} |"
    yield f"| precision | {policy.precision} |"
    yield f"| template | {policy.template} |"
    yield row("system prompt", json.dumps(policy.system, ensure_ascii=False))
    yield f"| parent | {f'`{policy.parent}`' if policy.parent else 'none'} |"
    if policy.routing:
        yield f"| answers everything else | `{policy.alone.id}` |"
        for specialist in policy.routing.specialists:
            yield row(f"answers {specialist.topic}", f"`{specialist.policy}`")
    if report.decision is not None:
        word = "promoted" if report.decision.promoted else "not promoted"
        yield from (
            "",
            f"Round {report.round}: **{word}**: {text(report.decision.reason)}. Plays behind it: {report.plays}.",
        )


def _rates(report: Report) -> Iterator[str]:
    rows = [(result, part) for result in report.gates for part in result.parts if part.unit == RATE]
    if not rows:
        return
    yield from ("", "## Depth and breadth, regressions first", "")
    yield "Pass rates in per cent, mean over tasks: stock, the champion that it was judged beside, and itself."
    yield "Delta is tuned minus champion, paired by task, in points, with its two-sided 95 % bootstrap-t interval."
    yield ""
    head = "gate | what | tasks x plays | rule | stock | champion | tuned | delta | 95 % interval | may lose | verdict"
    yield from (f"| {head} |", "|---|---|---|---|---|---|---|---|---|---|---|")
    for result, part in sorted(rows, key=lambda row: row[1].difference):
        stock = report.stock.get(result.gate, {}).get(part.name)
        yield row(
            result.gate,
            part.name,
            f"{part.tasks} x {part.samples}",
            _rule(result),
            "" if stock is None else f"{100 * stock:.1f}",
            f"{100 * part.champion_rate:.1f}",
            f"{100 * part.candidate_rate:.1f}",
            f"{100 * part.difference:+.1f}",
            f"[{100 * part.low:+.1f}, {100 * part.high:+.1f}]",
            f"{100 * part.margin:.3g}",
            part.verdict,
        )
    yield from ("", f"Made by `loopd gate show {report.round}`; in words: `loopd gate explain {report.round}`.")


def _rule(result: GateResult) -> str:
    return result.rules[0].name if result.rules else ""


def _measures(report: Report) -> Iterator[str]:
    measures = [(result, part) for result in report.gates for part in result.parts if part.unit != RATE]
    if measures:
        yield from ("", "## Length and distance from the base", "")
        yield "| gate | measure | tasks | champion | tuned | difference | 95 % interval | may rise | verdict |"
        yield "|---|---|---|---|---|---|---|---|---|"
        yield from (_measure(result.gate, part) for result, part in measures)


def _measure(gate: str, part: GatePart) -> str:
    figures = (part.champion_rate, part.candidate_rate, part.difference)
    interval = f"[{part.low:+.3g}, {part.high:+.3g}]"
    return row(
        gate,
        part.name,
        part.tasks,
        *(f"{value:.4g}" for value in figures),
        interval,
        f"{part.margin:.3g}",
        part.verdict,
    )


def _rules(report: Report) -> Iterator[str]:
    pairs = [(result, part) for result in report.gates for part in result.rules]
    if pairs:
        yield from ("", "## The same plays under each rule", "")
        yield "| suite | rule | n | champion | tuned | delta | 95 % interval |"
        yield "|---|---|---|---|---|---|---|"
        for result, part in pairs:
            rates = (
                f"{100 * part.champion_rate:.1f}",
                f"{100 * part.candidate_rate:.1f}",
                f"{100 * part.difference:+.1f}",
            )
            interval = f"[{100 * part.low:+.1f}, {100 * part.high:+.1f}]"
            yield row(result.suite, part.name, f"{part.tasks} x {part.samples}", *rates, interval)


def _lost(report: Report) -> Iterator[str]:
    if report.transfer:
        yield from ("", "## Transfer, the greatest loss first", "")
        yield "What training on one backend did to another, under the same fingerprint (`v_transfer`)."
        yield ""
        yield "| trained on | rows | measured on | suite | tasks | parent | tuned | delta |"
        yield "|---|---|---|---|---|---|---|---|"
        yield from map(_moved, report.transfer)
    yield ""


def _moved(each: Transfer) -> str:
    parent = "" if each.parent_pass_rate is None else f"{100 * each.parent_pass_rate:.1f}"
    delta = "" if each.difference is None else f"{100 * each.difference:+.1f}"
    rate = f"{100 * each.pass_rate:.1f}"
    trained, measured = each.trained_backend, each.evaluated_backend
    return row(trained, each.trained_rows, measured, each.suite, each.tasks, parent, rate, delta)
