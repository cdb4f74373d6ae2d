"""A release: what lies in its directory, which state it may claim, and what it refuses."""

import hashlib
import json

import pytest
import yaml
from huggingface_hub import ModelCard

from loop.release import competitors
from loop.release.categories import categories, gain, in_order, sentence
from loop.release.competitors import Competitor, Label, Setup
from loop.release.performance import MEASURED
from loop.release.provenance import base_model, sources
from loop.release.states import GROUNDS, State, StateReason, state_on
from loop.store.evidence import RowOrigin
from loop.types import Score, Standing, Tier

FILES = {
    "README.md", "release.json", "lock.json", "CITATION.cff", "data_card.md", "train_config.json", "SHA256SUMS",
    "evidence/gate_report.json", "evidence/suites.json", "evidence/categories.json", "evidence/competitors.json",
    "evidence/performance.json", "evidence/commands.md",
}  # fmt: skip
HEADINGS = (
    "Blockers and caveats",
    "Intended use",
    "Out of scope",
    "Limitations",
    "Other systems",
    "Latency, memory, tokens a second",
    "Training data",
    "Declared knobs",
    "Reproduction",
    "Citation and licence",
)
DECLARED = """
author = "A. Person"
url = "https://example.org/model"
licence = "Apache-2.0"
"""


def files(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def told(directory):
    return json.loads((directory / "release.json").read_text())


def measured(loop, policy):
    """Note what `loopd release measure` would."""
    fields = {
        "policy": policy, "device": "paper", "answers": 9, "p50_seconds": 0.5, "p95_seconds": 2.0,
        "tokens_per_second": 30.0, "peak_gb": 1.5, "seed": 0,
    }  # fmt: skip
    with loop.store() as store:
        store.events.record(MEASURED, **fields)


def test_every_ground_belongs_to_exactly_one_state():
    grounds = [ground for each in GROUNDS.values() for ground in each]
    assert sorted(grounds) == sorted(StateReason)
    assert set(GROUNDS) == set(State)
    assert state_on(StateReason.REFUSED) is State.REPORT_ONLY


def test_a_release_tells_everything_and_says_what_is_missing(loop, tmp_path):
    out = tmp_path / "released"
    printed = loop.loopd("release", "--out", str(out), "--metadata-only")
    assert "candidate-current-best" in printed
    assert "loopd release measure" in printed
    assert files(out) == FILES
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    card = (out / "README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["model-index"]
    assert "Published above the gate of +3 points: +100.0 points [" in card
    for heading in HEADINGS:
        assert f"## {heading}" in card
    assert "| tokens a second | not measured |" in card
    assert "| learning_rate | 0.0007 |" in card
    with loop.store() as store:
        champion, dataset = store.policies.champion(), store.datasets.of(store.rounds.get(1))
    lock = json.loads((out / "lock.json").read_text())
    assert (lock["policy"], lock["adapter"], lock["dataset"]) == (champion.id, champion.adapter, dataset.id)
    assert lock["suites"]["rehearsal-depth"]["digest"]
    rows = json.loads((out / "evidence" / "categories.json").read_text())["categories"]
    found = {each["name"] for each in rows}
    assert {"overall", "TradingBot", "easy", "known words", "new words", "unseen families", "tidy"} <= found
    bars = {each["what"] for each in told(out)["blockers"] if each["bars"]}
    assert {"The release has no licence", "No author and address for the citation"} <= bars
    assert str(tmp_path) not in "".join((out / name).read_text() for name in FILES)


def test_what_is_complete_is_ready_and_what_the_owner_parks_is_parked(loop, tmp_path, monkeypatch):
    with loop.store() as store:
        champion = store.policies.champion()
    monkeypatch.setattr("loop.release.provenance.KNOWN", {"tiny": base_model("owner/name@0123abc")})
    measured(loop, champion.id)
    (tmp_path / "declared.toml").write_text(DECLARED + '[licences]\nbase = "MIT"\n')
    out, declare = tmp_path / "out", str(tmp_path / "declared.toml")
    loop.loopd("release", "--out", str(out), "--metadata-only", "--declare", declare)
    assert told(out)["state"] == "release-ready-metadata", told(out)["blockers"]
    card = (out / "README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "apache-2.0"
    assert ModelCard(card).data.license == "apache-2.0"
    assert "| one answer, p50 / p95 | 0.5 s / 2 s | 9 answers, one at a time, paper |" in card
    citation = yaml.safe_load((out / "CITATION.cff").read_text())
    assert citation["authors"] == [{"name": "A. Person"}]
    (tmp_path / "declared.toml").write_text(DECLARED + 'parked = "superseded"')
    loop.loopd("release", "--out", str(out), "--metadata-only", "--declare", declare)
    assert told(out)["state"] == "parked"


def test_each_policy_of_a_loop_has_the_state_that_is_due_to_it(loop, tmp_path):
    with loop.store() as store:
        standings = {standing: policy for policy, standing in store.policies.all()}
    due = {
        Standing.RETIRED: "report-only",
        Standing.CHAMPION: "candidate-current-best",
        Standing.REJECTED: "report-only",
    }
    for standing, state in due.items():
        out = tmp_path / standing
        loop.loopd("release", standings[standing].id, "--out", str(out), "--metadata-only")
        assert told(out)["state"] == state
    assert "untrained base" in told(tmp_path / "retired")["ground"]
    why = loop.loopd("release", standings[Standing.REJECTED].id, "--out", str(tmp_path / "w"), code=1)
    assert "--metadata-only" in why
    assert not (tmp_path / "w").exists()


def test_an_adapter_that_was_changed_blocks_its_release(loop, tmp_path):
    with loop.store() as store:
        adapter = loop.places.adapter(store.policies.champion())
    weights = adapter / "adapters.safetensors"
    weights.chmod(0o600)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    loop.loopd("release", "--out", str(tmp_path / "out"), "--metadata-only")
    assert told(tmp_path / "out")["state"] == "blocked"
    assert str(tmp_path) not in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("broken", [b"\xff{", b"[1]", b'{"lora_parameters": NaN}', b""])
def test_broken_documents_beside_an_adapter_block_its_release_and_nothing_else(loop, tmp_path, broken):
    with loop.store() as store:
        adapter = loop.places.adapter(store.policies.champion())
    for name in ("adapter_config.json", "train_config.json", "data_card.md"):
        (adapter / name).chmod(0o600)
        (adapter / name).write_bytes(broken)
    loop.loopd("release", "--out", str(tmp_path / "out"), "--metadata-only")
    assert told(tmp_path / "out")["state"] == "blocked"
    loop.loopd("release", "index", "--out", str(tmp_path / "site"))
    assert "blocked" in (tmp_path / "site" / "index.html").read_text()


def test_only_a_directory_of_its_own_is_replaced(loop, tmp_path):
    foreign, empty, link = tmp_path / "mine", tmp_path / "empty", tmp_path / "link"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    assert "was not made by this command" in loop.loopd("release", "--out", str(foreign), "--metadata-only", code=1)
    assert files(foreign) == {"thesis.txt"}
    empty.mkdir()
    link.symlink_to(empty)
    loop.loopd("release", "--out", str(link), "--metadata-only", code=1)
    loop.loopd("release", "--out", str(empty), "--metadata-only")
    (empty / "left-over.txt").write_text("of an older version")
    loop.loopd("release", "--out", str(empty), "--metadata-only")
    assert files(empty) == FILES
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_direct_comparison_is_refused_unless_every_digest_is_the_same(loop, tmp_path):
    out, rows = tmp_path / "out", tmp_path / "others.json"
    row = {"system": "Other | <b>7B</b>", "metric": "pass rate", "score": "0.9", "label": "Direct"}
    rows.write_text(json.dumps({"competitors": [row]}))
    words = ("release", "--out", str(out), "--metadata-only", "--compare", str(rows))
    assert "Direct comparison" in loop.loopd(*words, code=1)
    assert not out.exists()
    rows.write_text(json.dumps({"competitors": [row | {"label": "Directional"}]}))
    loop.loopd(*words)
    assert "| Other \\| &lt;b>7B&lt;/b> |" in (out / "README.md").read_text()
    setup = json.loads((out / "evidence" / "suites.json").read_text())["suites"][0]["setup"]
    rows.write_text(json.dumps({"competitors": [row | {"setup": setup}]}))
    loop.loopd(*words)
    assert "Direct" in (out / "evidence" / "competitors.json").read_text()
    for name in setup:
        rows.write_text(json.dumps({"competitors": [row | {"setup": setup | {name: "0" * 64}}]}))
        assert name in loop.loopd(*words, code=1)


def test_nobody_is_direct_beside_what_was_never_measured():
    row = Competitor(system="x", metric="m", score="1", label=Label.DIRECT)
    for setups in ((), (("suite", Setup()),)):
        with pytest.raises(competitors.CheckNegative, match="Directional"):
            competitors.check([row], setups)


@pytest.mark.parametrize(
    "text",
    ["author = 3", "nonsense = 1", "= broken", 'url = "javascript:alert(1)"', "\ud800", "x" * 1_100_000, '{"author": '],
)
def test_a_file_of_declarations_that_cannot_be_used_is_refused_by_name(loop, tmp_path, text):
    file = tmp_path / "declared.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    out = tmp_path / "out"
    why = loop.loopd("release", "--out", str(out), "--metadata-only", "--declare", str(file), code=1)
    assert "declared.toml" in why
    assert not out.exists()


def test_no_secret_comes_into_a_release(loop, tmp_path, monkeypatch):
    secret = "sk-proj-4f9d8e7c6b5a40392817"
    monkeypatch.setenv("SOME_API_KEY", secret)
    (tmp_path / "d.toml").write_text(f'limitations = ["it knows {secret}"]')
    out = tmp_path / "out"
    loop.loopd("release", "--out", str(out), "--metadata-only", "--declare", str(tmp_path / "d.toml"))
    assert secret not in "".join((out / name).read_text() for name in FILES)


def score(task, sample, passed, backend="A"):
    return Score(task=task, backends=(backend,), family="f", tier=Tier.EASY, sample=sample, passed=passed)


def test_categories_are_paired_by_task_and_the_greatest_loss_comes_first():
    base = [score(str(n), 0, True, "A" if n < 10 else "B") for n in range(20)]
    tuned = [score(str(n), 0, n >= 10, "A" if n < 10 else "B") for n in range(20)]
    found = categories("s", base, tuned)
    assert [each.kind for each in found][:1] == ["overall"]
    assert (found[0].delta, found[0].tasks) == (-0.5, 20)
    assert (found[1].name, found[1].delta, found[1].lost) == ("A", -1.0, True)
    assert not next(each for each in found if each.name == "B").lost
    alone = categories("s", [], tuned)
    assert all(each.base is None and each.delta is None for each in alone)
    assert in_order([*found, *alone])[0].kind == "overall"


def test_the_sentence_says_above_below_or_that_nothing_was_measured():
    base = [score(str(n), 0, n % 2 == 0) for n in range(200)]
    better = [score(str(n), 0, n % 2 == 0 or n < 21) for n in range(200)]
    assert "above the gate of +3 points: +5.0 points" in sentence(gain({"s": (base, better)}))
    assert "reaches to both sides" in sentence(gain({"s": (base, better)}))
    assert "below the gate of +3 points: +0.0 points" in sentence(gain({"s": (base, base)}))
    assert "without a measurement" in sentence(gain({"s": ([], better)}))
    assert gain({"s": (base, better), "t": (base, better)}).tasks == 200


def test_a_source_is_named_with_its_licence_and_without_a_path_of_this_machine():
    origins = [
        RowOrigin(generator="files", player="student", student=True, rows=7),
        RowOrigin(generator="files", player="codex-x", student=False, rows=2),
        RowOrigin(generator="traces", player="trace", student=False, trace="/home/me/a.jsonl", licence="CC-BY",
               arm="direct", rows=1),
        RowOrigin(generator="mine", player="scripted", student=False, rows=1),
    ]  # fmt: skip
    found = {
        each.name: each for each in sources(base_model("/home/me/model"), origins, ["files"], {"codex-x": "terms read"})
    }
    assert {name: each.licence for name, each in found.items()} == {
        "base": "", "files": "Apache-2.0", "mine": "", "student": "Apache-2.0", "codex-x": "terms read",
        "scripted": "Apache-2.0", "a.jsonl": "CC-BY",
    }  # fmt: skip
    assert found["files"].rows == 9
    assert "/home" not in repr(found)
    assert base_model("owner/name@abc").revision == "abc"


def test_the_weights_lie_at_the_top_with_the_policys_own_words_and_every_digest(rehearsal, tmp_path):
    rehearsal.also('proposals = [{ prompt = "plan-then-act" }]\n')
    rehearsal.live(rounds=0)
    out = tmp_path / "out"
    assert "candidate-current-best" in rehearsal.loopd("release", "--out", str(out))
    with rehearsal.store() as store:
        champion = store.policies.champion()
    assert champion.adapter is None
    found = files(out)
    assert found > FILES
    assert {"model.safetensors", "config.json", "EXPORT.md", "loopd_export.json", "chat_template.jinja"} <= found
    assert "MANIFEST.json" not in found
    assert "Blockers and caveats" in (out / "README.md").read_text()
    assert "plan the whole sequence" in (out / "chat_template.jinja").read_text()
    sums = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    assert sums.keys() == found - {"SHA256SUMS"}
    assert sums["model.safetensors"] == hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    assert "The weights are not part of the release" not in {each["what"] for each in told(out)["blockers"]}
