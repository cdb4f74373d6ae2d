"""Notices: each thing that is new is told once, on both databases, and whoever is told can do no harm."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import ValidationError

from loop.config import Notify
from loop.control import notices
from loop.control.notices import Notice, NoticeWatch
from loop.errors import ConfigError, LoopdError
from loop.runtime import query
from loop.types import GateVerdict, Policy, Promotion, RoundState, Standing

NOTICE = Notice(kind="pause", title="-e true", text="$(touch /tmp/x) & <b>\n")


@pytest.fixture
def look(url, store, make, tmp_path):
    store.policies.add(make.policy, Standing.CHAMPION)
    watch = NoticeWatch(tmp_path)

    def looked():
        with query.read_only(url) as ask:
            return [(notice.kind, notice.title) for notice in watch.look(ask)]

    assert looked() == []
    return looked


def decide(store, make, name, *, promoted=False):
    rnd = store.rounds.open("config", 0)
    champion = store.policies.champion()
    policy = Policy(**make.policy.model_dump() | {"adapter": name}, parent=champion.id)
    store.policies.add(policy, Standing.CANDIDATE, rnd)
    verdict = GateVerdict.HOLDS if promoted else GateVerdict.FAILS
    store.gates.save(rnd, make.gate("depth", verdict, candidate=policy.id, champion=champion.id))
    store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=promoted, reason="measured"))
    store.rounds.advance(store.rounds.open("config", 0), RoundState.FAILED)
    return policy.id[:8]


def test_every_third_refusal_in_a_row_is_told(store, make, look):
    told = []
    for n in range(7):
        decide(store, make, f"a{n}")
        told.append(look())
    third, sixth = [("refusals", f"{n} candidates in a row were refused") for n in (3, 6)]
    assert told == [[], [], [third], [], [], [sixth], []]


def test_a_promotion_is_told_and_begins_the_row_anew(store, make, look):
    decide(store, make, "a")
    decide(store, make, "b")
    name = decide(store, make, "c", promoted=True)
    assert look() == [("promotion", f"{name} was promoted")]
    decide(store, make, "d")
    assert look() == []


def test_moves_are_told_where_somebody_wants_them(url, store, make, tmp_path, look):
    watch = NoticeWatch(tmp_path, moves=True)
    rnd = store.rounds.advance(store.rounds.open("config", 0), RoundState.COLLECT)
    with query.read_only(url) as ask:
        assert watch.look(ask) == []
    store.rounds.advance(rnd, RoundState.FAILED, "it broke")
    with query.read_only(url) as ask:
        (told,) = watch.look(ask)
        assert watch.look(ask) == []
    assert (told.kind, told.title, told.text) == ("move", "Round 1: collect to failed", "it broke")
    assert look() == []


def test_what_lasts_is_told_when_it_begins(store, look, monkeypatch):
    store.gates.pause("depth", "a look")
    assert look() == [("pause", "Gate depth is paused")]
    assert look() == []
    store.gates.resume("depth")
    assert look() == []
    store.gates.pause("depth")
    assert look() == [("pause", "Gate depth is paused")]
    monkeypatch.setattr(notices, "LOW", 2**70)
    assert look() == [("disk", "The disk is nearly full")]
    assert look() == []


def test_work_that_waits_for_room_is_told_each_time(store, look):
    for n in range(2):
        store.events.record("disk.low", why=f"{n} GiB are free")
        assert look() == [("disk", "loopd waits for room")]
        store.events.record("disk.enough", why="There is room on the disk again")
        assert look() == []


def test_what_was_there_before_is_no_news(url, store, make, tmp_path):
    store.gates.pause("depth")
    store.events.record("disk.low", why="nothing is free")
    with query.read_only(url) as ask:
        assert NoticeWatch(tmp_path).look(ask) == []


# --- telling: no database is needed ----------------------------------------------------------------------------------


@contextmanager
def receiver(*statuses):
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(statuses[min(len(got), len(statuses)) - 1])
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


def test_a_webhook_that_is_busy_is_asked_again():
    with receiver(503, 200) as (address, got):
        notices._to_webhook(address, NOTICE)
    assert len(got) == 2
    assert {name: got[1][name] for name in ("schema", "kind", "title", "text")} == {
        "schema": "loopd/v1", "kind": "pause", "title": "-e true", "text": NOTICE.text,
    }  # fmt: skip


@pytest.mark.parametrize("status", [302, 404])
def test_a_webhook_that_refuses_is_not_asked_again_and_never_followed(status):
    with receiver(status) as (address, got), pytest.raises(LoopdError, match=str(status)):
        notices._to_webhook(address, NOTICE)
    assert len(got) == 1


def test_the_desktop_gets_texts_and_no_commands(tmp_path, monkeypatch):
    for name in ("notify-send", "osascript"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {tmp_path}/said\n')
        program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    notices._to_desktop(NOTICE)
    said = (tmp_path / "said").read_text().split("\0")
    assert said[-4:] == ["--", NOTICE.title, NOTICE.text, ""]


def test_secrets_are_no_part_of_a_notice():
    told = notices._notice("pause", "Gate x", "because of sk-abcdefghij0123456789abcdef \x1b[2J")
    assert "sk-abc" not in told.text
    assert "\x1b" not in told.text


@pytest.mark.parametrize(
    "address",
    ["http://example.org/x", "ftp://127.0.0.1/x", "https://a:b@example.org/x", "file:///etc/passwd", "https://", "x"],
)
def test_an_unsafe_address_is_refused(address, tmp_path):
    with pytest.raises(ValidationError, match="address"):
        Notify(webhook=address)
    file = tmp_path / "address"
    file.write_text(address)
    with pytest.raises(ConfigError, match="webhook_file"):
        notices._ways(Notify(webhook_file=file))


def test_an_address_may_stand_in_a_file_of_its_own(tmp_path):
    file = tmp_path / "address"
    with pytest.raises(ConfigError, match="cannot be read"):
        notices._ways(Notify(webhook_file=file))
    file.write_text("https://hooks.example.org/T0/B0/x\n")
    assert len(notices._ways(Notify(webhook_file=file, desktop=True))) == 2
