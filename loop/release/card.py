"""The model card of a release: what a stranger reads first, regressions before gains, blockers before praise."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from loop.artifacts import cards
from loop.artifacts.markdown import table, text
from loop.release.categories import POINTS, Category
from loop.release.evidence import ReleaseEvidence, lock, tree
from loop.release.judgement import ReleaseJudgement
from loop.release.provenance import source_table
from loop.types import Standing

MISSING: Final = "not measured"
OUT_OF_SCOPE: Final = (
    "Tools, languages and lengths of conversation that no suite below measures; decisions in which one wrong call does "
    "harm; and anything that wants knowledge rather than calls."
)


def card(evidence: ReleaseEvidence, judged: ReleaseJudgement) -> str:
    """Spell the card: YAML in front, Markdown behind."""
    parts = (_head(evidence, judged), _categories(evidence), _blockers(judged), _identity(evidence), _use(evidence))
    measured = (cards.tables(evidence.report), _comparison(evidence), _speed(evidence))
    made = (_training(evidence), _repeat(evidence), _citation(evidence))
    front = cards.front(evidence.report, _licence(evidence))
    return "\n".join([*front, *(line for part in (*parts, *measured, *made) for line in part), ""])


def _licence(evidence: ReleaseEvidence) -> Iterator[str]:
    if evidence.declared.licence:
        yield f"license: {json.dumps(evidence.declared.licence.lower())}"
    if evidence.base.hub and not evidence.report.source.partition("@")[2]:
        yield f"base_model: {json.dumps(evidence.base.hub)}"
    if evidence.policy.adapter:
        yield "base_model_relation: adapter"


def _head(evidence: ReleaseEvidence, judged: ReleaseJudgement) -> Iterator[str]:
    yield from ("", f"# {text(evidence.title)}", "", f"**{text(judged.sentence)}**", "")
    yield f"State: **{judged.state}**: {judged.ground}. Next: {text(judged.next_action)}"
    if evidence.standing is Standing.SPECIALIST:
        yield from (
            "",
            "**Routed-only.** Give it the requests that it was trained for; elsewhere it is worse than its base.",
        )


def _categories(evidence: ReleaseEvidence) -> Iterator[str]:
    yield from ("", "## Base, tuned, delta: regressions first", "")
    if not evidence.categories:
        yield (
            "Nothing was measured." if not evidence.measured else "This is the base model: there is nothing to compare."
        )
        return
    yield "Pass rates in per cent, means over tasks. Base is the untrained model under the same fingerprint. Delta is"
    yield "tuned minus base, paired by task, in points, with its two-sided 95 % bootstrap-t interval."
    yield ""
    head = ("suite", "kind", "category", "tasks x plays", "base", "tuned", "delta", "95 % interval")
    yield from table(head, map(_category, evidence.categories))


def _category(each: Category) -> tuple[str, ...]:
    size, tuned = f"{each.tasks} x {each.samples}", f"{100 * each.tuned:.1f}"
    if each.base is None or each.delta is None or each.low is None or each.high is None:
        return each.suite, each.kind, each.name, size, MISSING, tuned, MISSING, MISSING
    interval = f"[{100 * each.low:+.1f}, {100 * each.high:+.1f}]"
    return each.suite, each.kind, each.name, size, f"{100 * each.base:.1f}", tuned, f"{100 * each.delta:+.1f}", interval


def _blockers(judged: ReleaseJudgement) -> Iterator[str]:
    yield from ("", "## Blockers and caveats", "")
    if not judged.blockers:
        yield "None."
        return
    rows = (
        (blocker.what, blocker.why, blocker.unblock, "yes" if blocker.bars else "no") for blocker in judged.blockers
    )
    yield from table(("what", "why it matters", "unblock", "bars the release"), rows)


def _identity(evidence: ReleaseEvidence) -> Iterator[str]:
    policy = evidence.policy
    revision = f", revision {evidence.base.revision}" if evidence.base.revision else ""
    rows = {
        "policy": f"`{policy.id}`",
        "standing when this was written": evidence.standing,
        "base": f"`{policy.base}` ({evidence.base.label}{revision})",
        "adapter": f"`{policy.adapter}`" if policy.adapter else "none",
        "precision": policy.precision,
        "template": policy.template,
        "system prompt": json.dumps(policy.system, ensure_ascii=False),
        "parent": f"`{policy.parent}`" if policy.parent else "none",
    }
    yield from ("", "## What it is", "")
    yield from table(("", ""), rows.items())
    if decided := evidence.report.decision:
        word = "promoted" if decided.promoted else "not promoted"
        yield from ("", f"Round {evidence.report.round}: **{word}**: {text(decided.reason)}.")


def _use(evidence: ReleaseEvidence) -> Iterator[str]:
    declared, backends = evidence.declared, sorted({c.name for c in evidence.categories if c.kind == "backend"})
    measured = f" of the kind that was measured: {', '.join(backends)}" if backends else ""
    intended = (
        declared.intended_use or f"Calling tools{measured}, over several turns, with the template and prompt above."
    )
    yield from ("", "## Intended use", "", text(intended))
    yield from ("", "## Out of scope", "", text(declared.out_of_scope or OUT_OF_SCOPE))
    yield from ("", "## Limitations", "")
    yield from (f"- {text(limit)}" for limit in (*_limits(evidence), *declared.limitations))


def _limits(evidence: ReleaseEvidence) -> Iterator[str]:
    yield "Everything was measured in simulated worlds; real tools fail in other ways."
    yield from (
        f"{word.suite}, {word.name}: {100 * word.tuned:.1f} % of {word.tasks} tasks." for word in _words(evidence)
    )
    open_still = sum(
        category.low is not None and category.low < 0 <= (category.high or 0) for category in evidence.categories
    )
    if open_still:
        yield f"In {open_still} of {len(evidence.categories)} categories the interval does not tell better from worse."
    if not evidence.sealed:
        yield "The suites have served earlier decisions of the same loop; no sealed suite was opened for this policy."


def _words(evidence: ReleaseEvidence) -> list[Category]:
    return [category for category in evidence.categories if category.kind == "words"]


def _comparison(evidence: ReleaseEvidence) -> Iterator[str]:
    yield from ("", "## Other systems", "")
    if not evidence.competitors:
        yield "No other system was compared."
        return
    yield "Direct: the same fixture, prompt, metric and scorer, by digest. Everything else is context: no win, no loss."
    yield ""
    head = ("system", "size", "metric", "score", "comparable?", "readout", "source")
    rows = ((c.system, c.size, c.metric, c.score, c.label, c.readout, c.source) for c in evidence.competitors)
    yield from table(head, rows)


def _speed(evidence: ReleaseEvidence) -> Iterator[str]:
    yield from ("", "## Latency, memory, tokens a second", "")
    yield from table(("what", "figure", "rests on"), figures(evidence))


def figures(evidence: ReleaseEvidence) -> Iterator[tuple[str, str, str]]:
    """Tell latency, memory and tokens a second: what, how much, and what it rests on."""
    speed = evidence.performance
    if alone := speed.alone:
        rests = f"{alone.answers} answers, one at a time, {alone.device}"
        yield "one answer, p50 / p95", f"{alone.p50_seconds:.3g} s / {alone.p95_seconds:.3g} s", rests
        yield "tokens a second", f"{alone.tokens_per_second:.3g}", rests
        yield "peak memory", MISSING if alone.peak_gb is None else f"{alone.peak_gb:.3g} GB", rests
    else:
        yield from ((label, MISSING, "") for label in ("one answer, p50 / p95", "tokens a second", "peak memory"))
    if latency := speed.in_plays:
        rests = f"{latency.plays} plays of the gates, beside others, tools included"
        yield "one answer in plays, p50 / p95", f"{latency.p50_seconds:.3g} s / {latency.p95_seconds:.3g} s", rests
    if fit := speed.training:
        rate = MISSING if fit.tokens_per_second is None else f"{fit.tokens_per_second:.4g} tokens/s"
        peak = MISSING if fit.peak_gb is None else f"{fit.peak_gb:.3g} GB"
        yield "training", f"{rate}, peak {peak}", f"{fit.steps} steps"


def _training(evidence: ReleaseEvidence) -> Iterator[str]:
    yield from ("", "## Training data", "")
    yield from source_table(evidence.sources)
    yield from ("", "Counts and rules of the dataset: `data_card.md`.", "", "## Declared knobs", "")
    settings = knobs(evidence)
    yield from (
        table(("knob", "value"), ((name, json.dumps(value)) for name, value in settings.items()))
        if settings
        else ["Nothing was trained: there are none."]
    )


def knobs(evidence: ReleaseEvidence) -> dict[str, JsonValue]:
    """Everything that the training could have been tuned by, flattened."""
    settings = tree(evidence.report.training) if evidence.report.training else {}
    flat = {**_flat(settings), **_flat(evidence.adapter_config)}
    return {name: value for name, value in flat.items() if name not in {"system", "base", "parent", "dataset"}}


def _flat(tree: Mapping[str, JsonValue], above: str = "") -> dict[str, JsonValue]:
    flat: dict[str, JsonValue] = {}
    for name, value in sorted(tree.items()):
        place = f"{above}.{name}" if above else name
        flat |= _flat(value, place) if isinstance(value, dict) else {place: value}
    return flat


def commands(evidence: ReleaseEvidence) -> list[str]:
    """Commands that show or repeat what the card says."""
    name, rnd = evidence.policy.id[:12], evidence.report.round
    shown = [f"loopd gate show {rnd}", f"loopd gate explain {rnd}"] if rnd is not None else []
    again = [f"loopd suite run {measured.suite} --player {name}" for measured in evidence.measured]
    data = [f"loopd dataset show {evidence.dataset[:12]}"] if evidence.dataset else []
    return [
        *shown,
        *data,
        *again,
        "loopd suite audit",
        f"loopd release measure {name}",
        f"loopd release {name} --out DIR",
    ]


def _repeat(evidence: ReleaseEvidence) -> Iterator[str]:
    yield from ("", "## Reproduction", "", "What the figures depend on, by digest (`lock.json`):", "")
    yield from (f"    {line}" for line in json.dumps(lock(evidence), indent=1).splitlines())
    yield from ("", f"Where the store is, with loopd {evidence.loopd}:", "")
    yield from (f"    {command}" for command in commands(evidence))
    if rnd := evidence.trained_in:
        yield from (
            "",
            "Elsewhere, the same settings give the same tasks from the same seed; a teacher's answers differ:",
            "",
        )
        yield f"    LOOPD_SEED={rnd.seed} loopd start --rounds 1"
    yield from (
        "",
        f"The gate of the sentence on top is {100 * POINTS:.0f} points over all tasks of the gates' suites.",
    )


def _citation(evidence: ReleaseEvidence) -> Iterator[str]:
    declared = evidence.declared
    yield from ("", "## Citation and licence", "")
    author = text(declared.author) or "**the author is not declared**"
    url = text(declared.url) or "**the address is not declared**"
    yield f"{author}: {text(evidence.title)}, {url}. `CITATION.cff` has it for programs."
    yield f"Licence: {text(declared.licence) or '**not declared**'}."
