"""A rendered round: from SQL alone, each figure with what stands behind it, one decision and one next action."""

import json
import shutil
from pathlib import Path

import pytest

from loop.cli.access import reading
from loop.errors import NotFound
from loop.release.runs import render as rendering
from loop.release.runs.contract import SECTIONS, WITH_VALUE, Basis, RunDecision, RunReport
from loop.release.runs.decision import decide
from loop.release.runs.facts import Facts, SourcedRows, gather
from loop.types import RESTS, Standing

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "run"


def rendered(number):
    with reading() as ask:
        return rendering.render(ask, number)


def found(run):
    return {(section.name, each.name): each for section in run.sections for each in section.measurements}


def test_a_promoted_round_ships_and_tells_all_six_sections(loop, tmp_path):
    out = tmp_path / "run"
    assert "round 1: ship" in loop.loopd("run", "render", "1", "--out", str(out))
    told = json.loads((out / "run.json").read_text())
    assert tuple(section["name"] for section in told["sections"]) == SECTIONS
    assert told["schema"] == "loopd-run/v1"
    page = (out / "README.md").read_text()
    assert page.startswith("# Round 1: ship\n")
    assert "\nNext: `loopd release " in page
    run = found(rendered(1))
    assert run["eval", "depth: difference"].value == 100
    assert run["eval", "depth: difference"].low > 0
    assert run["eval", "depth: champion"].known is Basis.MEASURED
    assert run["post-training", "peak memory"].known is Basis.MISSING
    assert run["post-training", "held-out loss"].known is Basis.SKIPPED
    assert run["eval", "depth: difference"].known is Basis.DERIVED
    assert run["target", "champion to beat"].known is Basis.HISTORICAL


def test_every_figure_has_a_value_or_a_reason_and_a_query_that_can_be_asked(loop):
    with reading() as ask:
        for number in (1, 2):
            for each in found(rendering.render(ask, number)).values():
                assert (each.value is not None) == (each.known in WITH_VALUE)
                assert each.known in WITH_VALUE or each.why
                assert ask(each.sql).rows is not None


def test_a_round_whose_candidate_is_no_better_asks_for_other_data(loop):
    run = rendered(2)
    assert run.verdict.decision is RunDecision.RETRY_DATA
    assert run.verdict.next_action == "loopd curriculum show"
    assert found(run)["eval", "sealed suites"].known is Basis.NOT_APPLICABLE


def test_a_proposed_candidate_has_neither_data_nor_training(loop):
    loop.loopd("model", "propose", "--prompt", "plan-then-act")
    run = rendered(3)
    assert run.verdict.decision is RunDecision.PARK
    assert run.verdict.next_action == "loopd start"
    known = found(run)
    assert known["data", "tasks"].known is Basis.NOT_APPLICABLE
    assert known["post-training", "steps"].known is Basis.NOT_APPLICABLE
    assert known["eval", "verdict"].known is Basis.SKIPPED


def test_a_round_without_enough_rows_asks_for_data(rehearsal):
    rehearsal.live(training={"min_rows": 500})
    run = rendered(1)
    assert run.verdict.decision is RunDecision.RETRY_DATA
    known = found(run)
    assert known["eval", "verdict"].known is Basis.NOT_APPLICABLE
    assert known["package", "policy"].known is Basis.NOT_APPLICABLE
    assert known["post-training", "steps"].known is Basis.MISSING


@pytest.fixture
def facts(loop):
    """The second round's facts, with changes."""
    with reading() as ask:
        second = gather(ask, 2)

    def changed(*, row=None, gates=None, losses=None, standing=None, paused=()):
        rows = [{**second.round.first, **(row or {})}]
        judged = [{**each, "verdict": gates or each["verdict"]} for each in second.gates.rows]
        policy = [{**second.policy.first, "standing": standing or second.policy.first["standing"]}]
        update = {"round": rows, "gates": judged, "policy": policy, "paused": [{"gate": each} for each in paused]}
        update |= {"losses": [losses]} if losses else {}
        answers = {name: SourcedRows(found, getattr(second, name).sql) for name, found in update.items()}
        return Facts(**{**dict(second), **answers})

    return changed


NOBODY = {"candidate": None, "decision": None}
UNDECIDED = {"decision": None, "decision_reason": None}


@pytest.mark.parametrize(
    ("changes", "decision", "action"),
    [
        ({"row": {"state": "collect"}}, RunDecision.PARK, "loopd start"),
        ({"row": {"decision": "promoted"}}, RunDecision.SHIP, "loopd release"),
        ({"row": NOBODY}, RunDecision.RETRY_DATA, "loopd curriculum show"),
        ({"row": NOBODY | {"reason": f"{RESTS}nothing to gain"}}, RunDecision.PARK, "gating.most_times"),
        ({"row": NOBODY | {"state": "failed"}}, RunDecision.RETRY_TRAINING, "loopd doctor"),
        ({"row": UNDECIDED | {"state": "failed"}}, RunDecision.RETRY_EVAL, "loopd model propose"),
        ({"row": UNDECIDED, "paused": ["depth"]}, RunDecision.PARK, "loopd gate resume depth"),
        ({"row": UNDECIDED}, RunDecision.PARK, "loopd start --rounds 0"),
        ({"standing": str(Standing.SPECIALIST)}, RunDecision.PARK, "--metadata-only"),
        ({"losses": {"first": 1.0, "last": 2.0}}, RunDecision.RETRY_TRAINING, "learning_rate"),
        ({"losses": {"first": 1.0, "last": float("nan")}}, RunDecision.RETRY_TRAINING, "learning_rate"),
        ({"gates": "fails"}, RunDecision.REJECT, "loopd gate explain 2"),
        ({"gates": "inconclusive"}, RunDecision.RETRY_EVAL, "loopd gate power"),
        ({"gates": "holds"}, RunDecision.RETRY_DATA, "loopd curriculum show"),
    ],
)
def test_every_case_decides_with_one_next_action(facts, changes, decision, action):
    verdict = decide(facts(**changes))
    assert verdict.decision is decision
    assert action in verdict.next_action
    assert verdict.reason


def test_what_is_no_round_is_refused(loop, tmp_path):
    assert "no round 77" in loop.loopd("run", "render", "77", "--out", str(tmp_path / "x"), code=1)
    assert not (tmp_path / "x").exists()
    with reading() as ask, pytest.raises(NotFound):
        rendering.render(ask, 0)


def test_a_reason_draws_no_table_and_no_tag(loop):
    run = rendered(2)
    bad = run.verdict.model_copy(update={"reason": "a | b\n# <script>x</script> [y](http://z) \x1b[2J"})
    page = rendering.page(run.model_copy(update={"verdict": bad}))
    line = page.splitlines()[2]
    assert "<script" not in line
    assert "](http" not in line
    assert "\x1b" not in page


def test_the_rendered_example_is_what_the_renderer_makes(loop):
    told = json.loads((EXAMPLE / "run.json").read_text())
    example = RunReport.model_validate({"schema_": told.pop("schema"), **told})
    assert rendering.files(example) == {path.name: path.read_text() for path in EXAMPLE.iterdir()}
    fresh = found(rendered(1))
    assert {name: each.known for name, each in found(example).items()} == {
        name: each.known for name, each in fresh.items()
    }


def test_a_second_rendering_takes_the_place_of_the_first(loop, tmp_path):
    out = tmp_path / "run"
    for number in ("1", "2"):
        loop.loopd("run", "render", number, "--out", str(out))
    assert json.loads((out / "run.json").read_text())["round"] == 2
    shutil.rmtree(out)
    out.write_text("a file")
    loop.loopd("run", "render", "1", "--out", str(out), code=1)
    assert out.read_text() == "a file"
