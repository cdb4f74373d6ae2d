"""The daemon's control channel: a private socket, a token on every route, typed refusals, every change an event."""

import json
import os
import stat
from pathlib import Path

import httpx2
import pytest

from loop.control import channel, commands, progress
from loop.errors import ConfigError, LoopdError, NoAnswer, NotRunning
from loop.runtime import lock
from loop.store import Store
from loop.types import Arm

ARM = "TradingBot/buy/easy"


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'loopd.db'}") as opened:
        yield opened


@pytest.fixture
def run(tmp_path, store):
    with channel.serving(tmp_path, progress.Board(tmp_path, "quickstart"), store):
        yield tmp_path


def ask(run, method, path, *, token=None, **more):
    where = json.loads((run / channel.FILE).read_text())
    headers = {"Authorization": f"Bearer {where['token'] if token is None else token}"} | more.pop("headers", {})
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=where["socket"]), headers=headers) as http:
        return http.request(method, f"http://localhost{path}", **more)


def test_a_command_is_carried_out_and_noted(run, store):
    assert channel.call(run, "gate.pause", {"gate": "depth", "reason": "a test"}) == {"paused": ["depth"]}
    assert store.gates.paused() == ("depth",)
    assert channel.call(run, "gate.resume", {"gate": "all"})["paused"] == []
    assert [event.kind for event in store.events.read()] == ["command.gate.pause", "command.gate.resume"]


def test_the_curriculum_is_steered_by_name(run, store):
    channel.call(run, "curriculum.steer", {"arm": ARM, "frozen": True})
    channel.call(run, "curriculum.steer", {"arm": ARM, "weight": 2.5})
    (arm,) = store.arms.all()
    assert arm == Arm(key=commands.arm_key(ARM), frozen=True, weight=2.5)


@pytest.mark.parametrize(
    ("verb", "arguments", "code"),
    [
        ("gate.puase", {}, 78),
        ("gate.pause", {}, 78),
        ("curriculum.steer", {"arm": "nonsense"}, 78),
        ("curriculum.steer", {"arm": ARM, "weight": -1}, 78),
        ("model.rollback", {"policy": "abc"}, 4),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_daemons_own_words(run, store, verb, arguments, code):
    with pytest.raises(LoopdError) as caught:
        channel.call(run, verb, arguments)
    assert caught.value.exit_code == code
    assert not list(store.events.read())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/status", "/v1/commands"])
def test_without_the_token_no_route_answers(run, method, path):
    for token in ("x", "wrong" * 20):
        assert ask(run, method, path, token=token).status_code == 401


def test_other_hosts_and_web_pages_are_turned_away(run):
    assert ask(run, "GET", "/v1/status").status_code == 200
    assert ask(run, "GET", "/v1/status", headers={"Host": "evil.example"}).status_code == 400
    assert ask(run, "GET", "/v1/status", headers={"Origin": "http://127.0.0.1"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"verb": 1, "arguments": {}}', 400),
        (b"[" * 60_000, 400),
        (b'"' + b"x" * 70_000, 413),
    ],
)
def test_a_body_that_is_no_command_is_refused(run, body, status):
    assert ask(run, "POST", "/v1/commands", content=body).status_code == status


def test_only_this_user_can_read_where_and_how(run):
    assert stat.S_IMODE((run / channel.FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((run / channel.SOCKET).stat().st_mode) == 0o600


def test_a_home_with_a_long_path_has_its_socket_in_a_short_private_directory(tmp_path, store):
    run = tmp_path / ("x" * 120)
    run.mkdir()
    with channel.serving(run, progress.Board(run, "quickstart"), store):
        path = Path(json.loads((run / channel.FILE).read_text())["socket"])
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert channel.call(run, "gate.resume", {"gate": "all"})["paused"] == []
    assert not path.parent.exists()


def test_where_no_daemon_is_that_is_said(tmp_path):
    with pytest.raises(NotRunning, match="loopd start"):
        channel.call(tmp_path / "run", "gate.resume", {"gate": "all"})


def test_a_daemon_that_does_not_answer_is_not_called_absent(tmp_path):
    with lock.hold(tmp_path), pytest.raises(NoAnswer, match=rf"pid {os.getpid()}\) is running and does not answer"):
        channel.call(tmp_path / "run", "gate.resume", {"gate": "all"})


def test_an_arm_is_read_as_it_is_spelled():
    assert str(commands.arm_key("TradingBot+TravelAPI/weave/hard")) == "TradingBot+TravelAPI/weave/hard"
    with pytest.raises(ConfigError, match="v_curriculum"):
        commands.arm_key("TradingBot/buy/esay")
