"""Every file of a release but its weights, by path. All of it passes the door that keeps secrets in."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from loop.artifacts import cards
from loop.redaction import redacted
from loop.release.card import card, commands, knobs
from loop.release.evidence import ReleaseEvidence, lock
from loop.release.judgement import ReleaseJudgement
from loop.release.provenance import source_table

RELEASE = "release.json"
SCHEMA = "loopd-release/v1"


def documents(evidence: ReleaseEvidence, judged: ReleaseJudgement) -> dict[str, str]:
    """Spell every file."""
    files = {
        "README.md": card(evidence, judged),
        RELEASE: _json(summary(evidence, judged)),
        "lock.json": _json(lock(evidence)),
        "CITATION.cff": _citation(evidence),
        cards.DATA: data_card(evidence),
        cards.TRAINING: evidence.report.training or _json({"trained": False, "policy": evidence.policy.id}),
        "evidence/gate_report.json": cards.gate_report(evidence.report),
        "evidence/suites.json": _json({"suites": _records(evidence.measured)}),
        "evidence/categories.json": _json({"categories": _records(evidence.categories)}),
        "evidence/competitors.json": _json({"competitors": _records(evidence.competitors)}),
        "evidence/performance.json": _json(evidence.performance.model_dump(mode="json")),
        "evidence/commands.md": "\n".join(
            ["# Commands", "", *(f"    {command}" for command in commands(evidence)), ""]
        ),
    }
    return {name: redacted(text) for name, text in files.items()}


def summary(evidence: ReleaseEvidence, judged: ReleaseJudgement) -> dict[str, JsonValue]:
    """Tell a release to programs."""
    return {
        "schema": SCHEMA,
        "policy": evidence.policy.id,
        "title": evidence.title,
        "standing": str(evidence.standing),
        **judged.model_dump(mode="json"),
        "reason": str(judged.ground),
        "gain": evidence.gain.model_dump(mode="json") if evidence.gain else None,
        "knobs": knobs(evidence),
    }


def data_card(evidence: ReleaseEvidence) -> str:
    """Tell what it was trained on: counts and rules, and every source with its licence and provenance."""
    head = evidence.report.data or "# Data card\n\nNothing was trained for this policy: it differs in its settings.\n"
    table = source_table(evidence.sources)
    return "\n".join([head, "## Sources", "", *table, ""])


def _citation(evidence: ReleaseEvidence) -> str:
    declared = evidence.declared
    lines = {
        "cff-version": "1.2.0",
        "message": "If you use this model, please cite it so.",
        "type": "software",
        "title": evidence.title,
        **({"authors": [{"name": declared.author}]} if declared.author else {}),
        **({"url": declared.url} if declared.url else {}),
        **({"license": declared.licence} if declared.licence else {}),
        "version": evidence.policy.id,
    }
    return "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in lines.items())


def _records(records: tuple[object, ...]) -> JsonValue:
    return [record.model_dump(mode="json") for record in records if hasattr(record, "model_dump")]


def _json(document: Mapping[str, JsonValue]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
