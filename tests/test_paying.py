"""A paid teacher in the daemon: asked by the loop, reserved and settled; when it must wait, the round goes on."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loop import config, daemon, parts
from loop.cli import main
from loop.control import progress
from loop.runtime import log, paths
from loop.runtime.signals import StopRequest
from loop.store import Store
from loop.testing import FakeGpu
from loop.types import Purpose, RoundState
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import closing, saying

ROUND = tomllib.loads((Path(__file__).parent / "rehearsal.toml").read_text())

PAID = {"model": "paid", "patience": {"first_wait": 0.01}}


@pytest.fixture
def api():
    with FakeDeepSeek(saying(closing())) as fake:
        fake.thinks = False
        yield fake


def live(tmp_path, monkeypatch, api, limits=None):
    """A round of three tasks whose only paid teacher is the fake; the scripted one teaches too."""
    monkeypatch.chdir(tmp_path)
    places = paths.Paths(data=tmp_path / "data", logs=tmp_path / "logs", config=tmp_path / "config").create()
    paid = {"use": "openai_compatible", "settings": PAID | {"base_url": api.url}, "limits": limits or {}}
    sampling = ROUND["sampling"] | {"tasks": 3, "teacher_tasks": 6}
    flags = {**ROUND, "sampling": sampling, "teachers": [paid, {"use": "scripted"}], "rounds": 1}
    chosen = config.load(places, "quickstart", flags, {})
    with parts.build(chosen, places, progress.Board(places.run, "x"), StopRequest(), gpu=FakeGpu()) as loop:
        daemon.run(loop)
    return Store.open(places.database)


def asked(api):
    return len(api.seen)


def test_its_plays_are_judged_like_any_other_and_every_request_is_in_the_books(tmp_path, monkeypatch, api):
    with live(tmp_path, monkeypatch, api) as store:
        (rnd,) = store.rounds.all()
        assert rnd.state is RoundState.DONE
        judged = [rate for rate in store.verdicts.rates(rnd) if rate.player == "paid"]
        assert sum(rate.plays for rate in judged) > 0
        assert sum(rate.wins for rate in judged) == 0
        assert store.spend.spent().requests >= asked(api) > 0


def test_a_quota_stop_parks_the_credential_and_the_round_ends_with_the_others_plays(tmp_path, monkeypatch, api):
    api.fail("http", times=10_000, status=402)
    with live(tmp_path, monkeypatch, api) as store:
        (rnd,) = store.rounds.all()
        assert rnd.state is RoundState.DONE
        assert store.spend.parked(f"{api.url}:") is not None
        assert asked(api) < 10
        assert not store.plays.owed(rnd, Purpose.TRAIN)
        assert {rate.player for rate in store.verdicts.rates(rnd)} == {"student", "scripted"}
        assert store.policies.candidate(rnd) is not None


def test_a_spent_budget_is_not_spent_twice(tmp_path, monkeypatch, api):
    with live(tmp_path, monkeypatch, api, limits={"round": {"requests": 0}}) as store:
        (rnd,) = store.rounds.all()
        assert rnd.state is RoundState.DONE
        assert asked(api) == 0
        assert store.spend.spent("paid").requests == 0


def test_what_nobody_knows_is_shown_by_the_probe(tmp_path, monkeypatch, api):
    api.fail("http", status=418, message="the \x1b[31mmoon\x1b[0m is full, key=sk-live-abcdefgh12345678")
    live(tmp_path, monkeypatch, api).close()
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    settings = {"use": "openai_compatible", "settings": PAID | {"base_url": api.url}}
    teacher = f'[[teachers]]\nuse = "{settings["use"]}"\n[teachers.settings]\nmodel = "paid"\nbase_url = "{api.url}"\n'
    (tmp_path / "loopd.toml").write_text(f'database = "sqlite:///{tmp_path}/data/loopd.db"\n{teacher}')
    api.fail()
    done = CliRunner().invoke(main.app, ["teacher", "probe", "paid", "--json"])
    told = [row for row in json.loads(done.output)["rows"] if row["name"] == "unknown failure"]
    assert told
    assert all("moon" in row["detail"] and "plays" in row["detail"] for row in told)
    assert "abcdefgh12345678" not in done.output
    assert "\x1b" not in done.output


def test_a_key_that_is_given_back_reaches_neither_store_nor_log(tmp_path, monkeypatch, api):
    key = "sk-fake-0123456789abcdef"
    (tmp_path / "key").write_text(key)
    monkeypatch.setenv("PAID_FILE", str(tmp_path / "key"))
    monkeypatch.setitem(PAID, "key_file_env", "PAID_FILE")
    api.fail("echo", where="call")
    log.set_up(tmp_path)
    live(tmp_path, monkeypatch, api).close()
    assert any(seen.headers["authorization"] == f"Bearer {key}" for seen in api.seen)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "key"]
    assert any(path.suffix == ".jsonl" for path in kept)
    assert any(path.suffix == ".db" for path in kept)
    assert not [path.name for path in kept if key.encode() in path.read_bytes()]
