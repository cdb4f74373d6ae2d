"""Policies after a decision: their directories, promotion and rollback by hand, what two differ in, free wins."""

import json
import shutil
import tomllib

import pytest
import yaml

from checkers.outcome import Outcome
from loop.artifacts import cards
from loop.proposals import PLAN_THEN_ACT, Proposal
from loop.stages import training
from loop.testing import FakeGpu
from loop.types import GateVerdict, Policy, Precision, Purpose, RoundState, Standing
from loop.weights import adapters

FILES = {"README.md", "gate_report.json", "data_card.md", "train_config.json"}


def front(card):
    return yaml.safe_load(card.split("---\n")[1])


def table(card):
    rows = [line for line in card.splitlines() if line.startswith(("| depth", "| breadth"))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_each_training_takes_more_rows_than_the_one_before_up_to_what_it_may(rehearsal):
    for _ in range(3):
        rehearsal.live(training={"take": 9, "ramp": 4, "min_rows": 8})
    counted = rehearsal.json("sql", "select dataset_rows from v_policies where adapter is not null order by round")
    assert [row["dataset_rows"] for row in counted["rows"]] == [4, 8, 9]


def test_what_a_training_left_out_counts_nowhere_as_trained_on(rehearsal):
    rehearsal.live(training={"take": 9, "min_rows": 8})
    with rehearsal.store() as store:
        policy, dataset = store.policies.champion(), store.datasets.of(store.rounds.get(1))
    assert len(dataset.rows) > 9
    card = (rehearsal.places.policies / policy.id / "data_card.md").read_text()
    assert f"Trained on 9 trajectories of {len(dataset.rows)} in dataset" in card
    assert len((rehearsal.places.adapter(policy) / "rows.txt").read_text().split()) == 9
    counted = rehearsal.json("sql", "select dataset_rows from v_policies where adapter is not null")["rows"]
    assert counted == [{"dataset_rows": 9}]
    moved = rehearsal.json("sql", "select trained_backend, max(trained_rows) as n from v_transfer group by 1")["rows"]
    assert sum(row["n"] for row in moved) == 9


def test_a_candidates_directory_tells_what_it_is_what_it_scores_and_what_it_learned_from(rehearsal):
    rehearsal.live(training={"learning_rate": 3e-4})
    with rehearsal.store() as store:
        policy = store.policies.champion()
        directory = rehearsal.places.policies / policy.id
        assert {path.name for path in directory.iterdir()} == FILES
        card = (directory / "README.md").read_text()
        results = {result["name"]: result for result in front(card)["model-index"]}[policy.id]["results"]
        assert {result["dataset"]["name"] for result in results} == {"rehearsal-depth", "rehearsal-breadth"}
        assert all(0 <= metric["value"] <= 1 for result in results for metric in result["metrics"])
        rows = table(card)
        assert [row[1] for row in rows]
        assert [float(row[7]) for row in rows] == sorted(float(row[7]) for row in rows)
        assert {row[1] for row in rows} >= {"overall", "TradingBot", "TravelAPI"}
        assert all(" x " in row[2] and row[3] == "official rule, 20 steps" and row[8].startswith("[") for row in rows)
        assert "seed rule, 12 steps" in card
        assert "promoted" in card
        assert "loopd gate show 1" in card
        report = json.loads((directory / "gate_report.json").read_text())
        assert report["decision"]["promoted"] is True
        assert [gate["gate"] for gate in report["gates"]] == ["breadth", "depth"]
        assert report["plays"] == sum(gate["plays"] for gate in report["gates"])
        trained = json.loads((directory / "train_config.json").read_text())
        dataset = store.datasets.of(store.rounds.get(1))
        assert (trained["dataset"], trained["learning_rate"]) == (dataset.id, 3e-4)
        assert not {"rows", "scratch", "out"} & trained.keys()
        assert dataset.id in (directory / "data_card.md").read_text()
        adapters.verify(rehearsal.places.adapter(policy), base=policy.base)


def test_a_directory_is_made_anew_at_any_time(rehearsal):
    rehearsal.live()
    with rehearsal.store() as store:
        champion, stock = store.policies.champion(), store.policies.all()[0][0]
    directory = rehearsal.places.policies / champion.id
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    (directory / "README.md").unlink()
    (directory / "gate_report.json").write_text("half a fi")
    assert "# Policy" in rehearsal.loopd("model", "card")
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert "retired" in rehearsal.loopd("model", "card", stock.id[:12])
    assert (rehearsal.places.policies / stock.id / "gate_report.json").is_file()


def test_a_policy_is_shown_and_its_adapter_can_be_taken_elsewhere(rehearsal, tmp_path):
    rehearsal.live()
    with rehearsal.store() as store:
        champion, stock = store.policies.champion(), store.policies.all()[0][0]
    told = {row["what"]: row["value"] for row in rehearsal.json("model", "show")["rows"]}
    adapter = rehearsal.places.adapter(champion)
    assert told == champion.model_dump(mode="json") | {
        "id": champion.id, "standing": "champion", "parent": stock.id, "directory": str(adapter),
    }  # fmt: skip
    assert "retired" in rehearsal.loopd("model", "show", stock.id[:12])
    out = tmp_path / "taken" / "along"
    assert "for mlx, with its cards" in rehearsal.loopd("model", "export", str(out), "--no-fuse")
    files = adapters.verify(adapter, base=champion.base).files
    assert {name: (out / name).read_bytes() for name in files} == {
        name: (adapter / name).read_bytes() for name in files
    }
    assert "# Policy" in (out / cards.README).read_text()
    assert "exists" in rehearsal.loopd("model", "export", str(out), "--no-fuse", code=1)
    assert "no adapter" in rehearsal.loopd("model", "export", str(out / "x"), stock.id, "--no-fuse", code=1)
    assert "cannot be written" in rehearsal.loopd("model", "export", str(out / "README.md" / "x"), "--no-fuse", code=1)


def test_a_specialist_is_marked_and_shows_what_it_lost(make_report):
    card = cards.model_card(make_report(Standing.SPECIALIST))
    assert "Specialist: routed-only" in card
    assert "| GorillaFileSystem | 30 | TravelAPI | breadth | 40 | 90.0 | 40.0 | -50.0 |" in card
    assert "routed-only" not in cards.model_card(make_report(Standing.REJECTED))


@pytest.fixture
def make_report():
    from loop.types import Transfer  # noqa: PLC0415

    lost = Transfer(
        trained_backend="GorillaFileSystem", trained_rows=30, evaluated_backend="TravelAPI", suite="breadth",
        tasks=40, pass_rate=0.4, parent_pass_rate=0.9, difference=-0.5,
    )  # fmt: skip

    def make(standing):
        policy = Policy(base="b", adapter="a", system="a | b", template="native")
        return cards.Report(policy=policy, standing=standing, source="owner/name@1", transfer=(lost,))

    return make


def test_rollback_and_promotion_by_hand_are_instant_and_noted(rehearsal):
    rehearsal.live()
    with rehearsal.store() as store:
        (stock, _), (tuned, _) = store.policies.all()
        assert "champion already" in rehearsal.loopd("model", "promote", tuned.id[:10], code=1)
        rehearsal.loopd("gate", "pause")
        rehearsal.loopd("model", "rollback", stock.id[:10], "--reason", "a test")
        assert store.policies.champion() == stock
        assert "loopd gate resume all" in rehearsal.loopd("model", "promote", tuned.id[:10], code=1)
        rehearsal.loopd("gate", "resume")
        rehearsal.loopd("model", "promote", tuned.id[:10], "--reason", "it was fine")
        assert store.policies.champion() == tuned
        kinds = [event.kind for event in store.events.read()]
    assert [kind for kind in kinds if "model" in kind] == ["command.model.rollback", "command.model.promote"]


def test_nobody_is_promoted_by_hand_whose_gates_do_not_hold(rehearsal):
    rehearsal.live()
    rehearsal.live()
    with rehearsal.store() as store:
        rejected = store.policies.candidate(store.rounds.get(2))
        assert store.policies.standing(rejected.id) is Standing.REJECTED
        held = {result.verdict for result in store.gates.results(store.rounds.get(2))} == {GateVerdict.HOLDS}
        if held:
            rehearsal.loopd("model", "promote", rejected.id)
            assert store.policies.champion() == rejected
        else:
            assert "did not hold" in rehearsal.loopd("model", "promote", rejected.id, code=1)


def test_a_diff_names_what_differs_and_compares_what_both_played(rehearsal):
    rehearsal.live()
    with rehearsal.store() as store:
        (stock, _), (tuned, _) = store.policies.all()
    told = rehearsal.json("model", "diff", tuned.id[:10], stock.id[:10])
    assert {field["what"] for field in told["fields"]} == {"adapter"}
    rows = {(row["suite"], row["what"]): row for row in told["rows"]}
    row = rows["rehearsal-breadth", "TravelAPI"]
    assert row["difference"] == pytest.approx(row[tuned.id[:12]] - row[stock.id[:12]], abs=1e-3)
    assert row["low"] <= row["difference"] <= row["high"]
    assert "rehearsal-depth" in rehearsal.loopd("model", "diff", tuned.id[:10], stock.id[:10])


def test_an_old_policys_id_does_not_change_with_precision_unnamed():
    policy = Policy(base="b", system="s", template="t")
    assert policy.id == "da28e6801fce2a1e97d08adddf8308811da7bb7d47f4b6c7bd8b1ed1867b57e8"
    assert policy.model_copy(update={"precision": Precision.FOUR}).id != policy.id
    assert policy.model_copy(update={"precision": Precision.BASE}).id == policy.id


def test_a_proposed_prompt_is_judged_by_the_same_gates_without_training(rehearsal):
    with rehearsal.store() as store:
        pass
    rehearsal.live(training={"min_rows": 1000})
    told = rehearsal.loopd("model", "propose", "--prompt", "plan-then-act")
    assert told.startswith("Round 2 judges ")
    assert rehearsal.loopd("model", "propose", "--prompt", "plan-then-act") == told
    rehearsal.live(rounds=0)
    with rehearsal.store() as store:
        rnd, champion = store.rounds.get(2), store.policies.champion()
        assert (rnd.state, store.datasets.of(rnd)) == (RoundState.DONE, None)
        assert champion.system == f"You act with tools.\n{PLAN_THEN_ACT}"
        assert (champion.adapter, store.plays.progress(rnd, Purpose.TRAIN)) == (None, (0, 0))
        assert {result.gate for result in store.gates.results(rnd)} == {"depth", "breadth"}
        assert (rehearsal.places.policies / champion.id / "data_card.md").is_file()


def test_the_champions_own_prompt_is_played_trained_and_kept(rehearsal):
    rehearsal.live(training={"min_rows": 1000})
    rehearsal.loopd("model", "propose", "--prompt", "plan-then-act")
    rehearsal.live(rounds=0)

    class Watched(FakeGpu):
        def training(self, job):
            rows = job.rows.read_text().splitlines()
            assert all(PLAN_THEN_ACT in json.loads(row)["messages"][0]["content"] for row in rows)
            return super().training(job)

    rehearsal.live(gpu=Watched())
    with rehearsal.store() as store:
        assert PLAN_THEN_ACT in store.policies.candidate(store.rounds.get(3)).system
        shown = store.trajectories.get(
            next(iter(store.trajectories.accepted([("outcome", Outcome().version)], since=3))).id
        )
        assert PLAN_THEN_ACT in shown.trajectory.messages[0].content


def test_a_precision_is_served_and_named(rehearsal):
    rehearsal.live()
    rehearsal.loopd("model", "propose", "--precision", "4bit")
    served = []

    class Watched(FakeGpu):
        def serving(self, base, *, adapter=None, **more):
            served.append(more["precision"])
            return super().serving(base, adapter=adapter, **more)

    rehearsal.live(gpu=Watched(), rounds=0)
    assert Precision.FOUR in served
    with rehearsal.store() as store:
        candidate = store.policies.candidate(store.rounds.get(2))
        assert (candidate.precision, candidate.adapter) == (Precision.FOUR, store.policies.champion().adapter)
    rows = rehearsal.json("sql", "select precision, routed_only from v_policies order by added")["rows"]
    assert [row["precision"] for row in rows] == ["base", "base", "4bit"]


def test_configured_free_wins_become_candidates_once(rehearsal):
    rehearsal.also('proposals = [{ prompt = "plan-then-act" }, { precision = "base" }]\n')
    chosen = tomllib.loads((rehearsal.home / "loopd.toml").read_text())
    rehearsal.live(rounds=1)
    with rehearsal.store() as store:
        assert chosen["proposals"][0]["prompt"] == "plan-then-act"
        first, second = store.policies.candidate(store.rounds.get(1)), store.policies.candidate(store.rounds.get(2))
        assert first.system.endswith(PLAN_THEN_ACT)
        assert second is None or second.id != first.id
        assert len(list(store.events.read(kind="proposal"))) == 1


def test_a_proposed_candidates_round_does_not_count(rehearsal):
    few = {"training": {"min_rows": 1000}}
    rehearsal.live(**few)
    rehearsal.loopd("model", "propose", "--prompt", "plan-then-act")
    rehearsal.live(rounds=2, **few)
    with rehearsal.store() as store:
        assert [store.rounds.proposed(rnd) for rnd in store.rounds.all()] == [False, True, False, False]


def test_no_rounds_at_all_judge_what_waits_and_begin_nothing(rehearsal):
    rehearsal.live(rounds=0)
    rehearsal.loopd("model", "propose", "--prompt", "plan-then-act")
    rehearsal.loopd("gate", "pause")
    rehearsal.live(rounds=0)
    with rehearsal.store() as store:
        assert [rnd.id for rnd in store.promotions.queued()] == [1]
        rehearsal.loopd("gate", "resume")
        rehearsal.live(rounds=0)
        assert store.promotions.decided(store.rounds.get(1)).promoted
        assert len(store.rounds.all()) == 1


def test_data_that_were_moved_go_on_with_their_champion(rehearsal, tmp_path, monkeypatch):
    rehearsal.live()
    with rehearsal.store() as store:
        champion = store.policies.champion()
    (tmp_path / "elsewhere").mkdir()
    for name in ("data", "logs"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "elsewhere"))
    moved, served = type(rehearsal)(tmp_path / "elsewhere"), []

    class Watched(FakeGpu):
        def serving(self, base, *, adapter=None, **more):
            served.append(adapter)
            return super().serving(base, adapter=adapter, **more)

    moved.live(gpu=Watched())
    assert tmp_path / "elsewhere" / "data" / "models" / champion.adapter in served
    assert all(adapter is None or adapter.is_dir() for adapter in served)
    assert "as published" in moved.loopd("model", "verify", champion.id[:10])
    assert champion.adapter in moved.loopd("model", "card", champion.id[:10])
    assert json.loads((moved.places.policies / champion.id / "train_config.json").read_text())["dataset"]


def test_a_policy_is_served_and_merged_on_its_own_base_model_only(rehearsal, tmp_path, monkeypatch):
    rehearsal.live()
    other = tmp_path / "other"
    shutil.copytree(rehearsal.places.models / "tiny-llama-0", other)
    (other / "note.txt").write_text("another model")
    monkeypatch.setenv("LOOPD_STUDENT__SOURCE", str(other))
    for words in (("export", str(tmp_path / "out")), ("chat",)):
        assert "Name that one again" in rehearsal.loopd("model", *words, code=1)
    assert not (tmp_path / "out").exists()


def test_what_changes_nothing_or_is_unknown_is_refused(rehearsal, tmp_path):
    rehearsal.live(training={"min_rows": 1000})
    assert "Nothing of" in rehearsal.loopd("model", "propose", "--precision", "base", code=1)
    assert "champion already" in rehearsal.loopd("model", "propose", code=1)
    assert "'plan-then-act'" in rehearsal.loopd("model", "propose", "--prompt", "plan-then-atc", code=1)
    assert "cannot be read" in rehearsal.loopd("model", "propose", "--system", str(tmp_path / "none"), code=1)
    (tmp_path / "prompt.txt").write_text("Be careful.\n")
    rehearsal.loopd("model", "propose", "--system", str(tmp_path / "prompt.txt"))
    with rehearsal.store() as store:
        assert store.policies.candidate(store.rounds.get(2)).system == "Be careful."


def test_a_proposal_changes_what_it_names_only():
    policy = Policy(base="b", adapter="a", system="s", template="t")
    changed = Proposal(precision=Precision.EIGHT).applied(policy)
    assert changed == policy.model_copy(update={"precision": Precision.EIGHT, "parent": policy.id})


def test_evidence_of_training_names_no_place(tmp_path):
    assert {"rows", "out", "scratch"} <= training.cards.PLACES
