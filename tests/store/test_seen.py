"""Pages, API and probes on a real server, on both databases: nothing without the key, nothing unescaped or lost."""

import json
import re
import socket
import threading
import time
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import quote

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loop.control.commands import carry_out
from loop.errors import CannotCreate
from loop.runtime.paths import Paths
from loop.store import Store
from loop.types import Call, Message
from loop.ui import app, sessions
from loop.ui.dashboard import DRAWN
from loop.ui.door import SECONDS, code
from loop.ui.pages import Pages
from loop.ui.rows import LISTS
from loop.ui.sessions import LASTS
from loop.ui.site import Site

KEY = "sk-loopd-0123456789abcdef"
PAGES = ("/", "/plays", "/curriculum", "/policies")
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[2J"


def places(root):
    return Paths(data=root / "data", logs=root / "logs", config=root / "config").create()


@pytest.fixture
def site(tmp_path, url, store, lived):
    def change(verb, arguments):
        with Store.open(url) as other:
            return carry_out(other, verb, arguments)

    return Site(places(tmp_path), url, change, lambda: store)


@pytest.fixture
def client(site):
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with app.opened(site, KEY, listener), httpx2.Client(base_url=base, trust_env=False, timeout=20) as made:
        made.headers["authorization"] = f"Bearer {KEY}"
        yield made


def paths(site):
    offered = [*app.programs(site), *Pages(site, KEY).routes()]
    return [route.path.replace("{id}", "a").replace("{name}", "rates") for route in offered]


# --- who is let in ---------------------------------------------------------------------------------------------------


def test_no_route_answers_without_the_key(site, client):
    cookies = f"loopd_session={KEY}; loopd_key={KEY}"
    for path in [*paths(site), "/nothing"]:
        for method, headers in (
            ("GET", {"authorization": ""}),
            ("POST", {"authorization": "Bearer wrong"}),
            ("GET", {"authorization": "", "cookie": cookies}),
            ("POST", {"authorization": "", "cookie": "loopd_session=x"}),
        ):
            assert client.request(method, path, headers=headers).status_code == 401, (method, path)


def test_other_names_and_other_pages_are_refused(client):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get(f"/open?code={code(KEY)}", headers={"host": "evil.example:80"}).status_code == 400


def test_a_link_works_once(client):
    link = f"/open?code={code(KEY)}"
    first = client.get(link, headers={"authorization": ""}, follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert KEY not in cookie
    assert {"httponly", "samesite=strict", f"max-age={LASTS}"} <= set(cookie.lower().split("; "))
    assert client.get("/", headers={"authorization": "", "cookie": cookie.partition(";")[0]}).status_code == 200
    assert client.get(link, headers={"authorization": ""}).status_code == 403


@pytest.fixture
def browser(client):
    """A client that has what a browser has: a cookie and no key."""
    client.cookies.clear()
    del client.headers["authorization"]
    assert client.get(f"/open?code={code(KEY)}", follow_redirects=False).status_code == 303
    return client


def test_a_session_opens_the_pages_and_nothing_else(site, browser):
    for page in ("/", "/plays", "/curriculum", "/policies", "/status", "/charts/rates.svg", "/static/app.js"):
        assert browser.get(page).status_code == 200, page
    for route in app.programs(site):
        assert browser.get(route.path).status_code == 401, route.path
    token = browser.cookies["loopd_session"]
    for headers in ({"authorization": f"Bearer {token}"}, {"authorization": "Bearer x"}):
        assert browser.get("/", headers=headers).status_code == 401
    assert browser.get("/", headers={"origin": "http://127.0.0.1:1"}).status_code == 403


def test_a_session_ends_after_a_day(browser, monkeypatch):
    later = time.monotonic() + LASTS + 1
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: later))
    assert browser.get("/").status_code == 401


def test_only_so_many_sessions_are_kept():
    kept = sessions.Sessions()
    first, *others = [kept.begin() for _ in range(sessions.MOST + 1)]
    assert not kept.know(f"{sessions.COOKIE}={first}")
    assert all(kept.know(f"a=b; {sessions.COOKIE}={token}") for token in others)
    assert not kept.know('loopd_session="')


def test_links_that_are_old_forged_or_of_the_future_are_refused(client):
    now = time.time_ns() // 1000
    old, future = now - (SECONDS + 1) * 1_000_000, now + 60_000_000
    forged = (code("another key"), f"{now}-", f"{now}", "", "x-y", code(KEY, old), code(KEY, future), "9" * 400 + "-a")
    for each in forged:
        assert client.get("/open", params={"code": each}, headers={"authorization": ""}).status_code == 403, each


# --- the API ---------------------------------------------------------------------------------------------------------


def test_pages_of_every_list_join(client):
    for name in LISTS:
        join(client, name)


def join(client, name):
    whole, joined, after = client.get(f"/v1/{name}").json(), [], None
    assert whole["schema"] == "loopd/v1"
    for _ in range(20):
        query = {"limit": 1} | ({"after": after} if after else {})
        page = client.get(f"/v1/{name}", params=query).json()
        joined += page["rows"]
        if (after := page["next"]) is None:
            break
    assert joined == whole["rows"]
    assert joined or name == "transfer"


def test_plays_are_found_and_read(client):
    found = client.get("/v1/trajectories", params={"verdict": "refused", "backend": "Files"}).json()
    assert [row["failed"] for row in found["rows"]] == [["outcome"]]
    play = client.get(f"/v1/trajectories/{found['rows'][0]['trajectory']}").json()
    assert [message["role"] for message in play["trajectory"]["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert {verdict["checker"]: verdict["passed"] for verdict in play["verdicts"]} == {"outcome": False, "stop": True}


PROBLEMS = (
    ("/v1/trajectories?tier=nix", 400),
    ("/v1/trajectories?colour=red", 400),
    ("/v1/trajectories?limit=0", 400),
    ("/v1/trajectories?limit=100000", 400),
    ("/v1/trajectories?after=nix", 400),
    ("/v1/trajectories?round=" + "9" * 400, 400),
    ("/v1/trajectories?words=" + "w" * 201, 400),
    ("/v1/rounds?after=nix", 400),
    ("/v1/rounds?after=W10", 400),
    ("/v1/rounds?after=" + "W" * 1999, 400),
    ("/v1/rounds?after=WzExMTExMTExMTExMTExMTExMTExMTExXQ", 400),
    ("/v1/rounds?limit=x", 400),
    ("/v1/events?since=x", 400),
    ("/v1/trajectories/zzz", 404),
    ("/v1/trajectories/%25", 404),
    ("/v1/nothing", 404),
)


def test_what_cannot_be_answered_is_a_problem_that_says_why(client):
    for path, status in PROBLEMS:
        answer = client.get(path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert told["status"] == status
        assert told["detail"]


def test_everything_that_is_described_answers_and_nothing_else_is_described(site, client):
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    offered = {route.path for route in app.programs(site) if route.path.startswith("/v1/")}
    assert set(described["paths"]) == offered
    play = client.get("/v1/trajectories").json()["rows"][0]["trajectory"]
    for path in offered - {"/v1/events"}:
        assert client.get(path.replace("{id}", play)).status_code == 200, path
    references = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described))
    assert set(references) <= set(described["components"]["schemas"])


def test_events_are_told_as_they_happen_and_a_reader_goes_on_where_it_was(client, store):
    store.events.record("first", a="1\n2")
    with client.stream("GET", "/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        first = next(line for line in lines if line.startswith("data:") and '"first"' in line)
        store.events.record("second", b=HOSTILE)
        second = next(line for line in lines if line.startswith("data:"))
    number = json.loads(first[5:])["id"]
    assert json.loads(second[5:])["kind"] == "second"
    with client.stream("GET", "/v1/events", headers={"last-event-id": str(number)}) as stream:
        again = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert again == second


def test_a_decision_is_an_event(store, lived):
    (event,) = store.events.read(kind="promotion.decided")
    assert (event.fields["round"], event.fields["promoted"], event.fields["reason"]) == (
        lived.id,
        False,
        "inconclusive",
    )


def test_metrics_are_prometheus_and_count_what_happened(client):
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert samples["loopd_up",] == 0
    assert samples["loopd_store_up",] == 1
    assert samples["loopd_trajectories_total", "accepted", "easy", "student"] == 2
    assert samples["loopd_trajectories_total", "easy", "refused", "student"] == 1
    assert samples["loopd_promotions_total", "rejected"] == 1
    assert samples["loopd_gate_paused", "depth"] == 1
    assert samples["loopd_gate_score_ratio", "candidate", "depth"] == 0.75
    assert samples["loopd_teacher_cost_usd_total", "deepseek"] == 1.25
    assert samples["loopd_train_loss",] == 2.0
    assert all(family.name.startswith("loopd_") for family in families.values())


def test_a_scrape_of_a_store_that_does_not_answer_has_the_last_figures_and_their_age(site, client, monkeypatch):
    before = client.get("/metrics").text
    locked, ended = threading.Event(), threading.Event()

    @contextmanager
    def waiting(_):
        locked.set()
        ended.wait(20)
        raise CannotCreate("The database is locked")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Site, "ask", waiting)
        for n in range(3):
            begun = time.monotonic()
            found = {sample.name: sample.value for sample in scraped(client)}
            assert time.monotonic() - begun < 2
            assert locked.is_set()
            assert (found["loopd_store_up"], found["loopd_train_loss"]) == (0, 2.0), n
            assert found["loopd_store_age_seconds"] > 0
        ended.set()
    deadline = time.monotonic() + 10
    while (found := {sample.name: sample.value for sample in scraped(client)})["loopd_store_up"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["loopd_store_age_seconds"] < 5
    assert {line.partition(" ")[0] for line in before.splitlines()} == {
        line.partition(" ")[0] for line in client.get("/metrics").text.splitlines()
    }


def scraped(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return [sample for family in families for sample in family.samples]


def test_probes(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"store": "ok", "daemon": "not running"}


# --- the pages -------------------------------------------------------------------------------------------------------


def test_every_page_is_there_and_may_load_nothing_from_elsewhere(client):
    first, second = (row["trajectory"] for row in client.get("/v1/trajectories?limit=2").json()["rows"])
    for path in (*PAGES, f"/plays/{first}", f"/compare?left={first}&right={second}", "/plays?part=1&verdict=accepted"):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r'(?:src|href|action)="(?!/|#)', answer.text), path
        assert not re.search(r"\son\w+=|\sstyle=", answer.text), path


def test_nothing_that_was_read_is_markup(client, store, make):
    rnd = store.rounds.open("config", 0)
    play = make.play(rnd, make.task(77), policy=make.policy)
    store.plays.owe(rnd, [play.task], [play])
    call = Call(name=HOSTILE, arguments={HOSTILE: HOSTILE})
    said = (
        Message(role="user", content=HOSTILE),
        Message(role="assistant", content=HOSTILE, calls=(call,), fault=HOSTILE, reasoning=HOSTILE),
        Message(role="tool", name=HOSTILE, content=HOSTILE, ok=False),
    )
    store.plays.finish(play, make.trajectory(play, messages=said))
    store.verdicts.record(play.id, [make.verdict("outcome", passed=False).model_copy(update={"reason": HOSTILE})])
    store.gates.pause("breadth", HOSTILE)
    store.rounds.advance(store.rounds.open("config", 0), "failed", HOSTILE)
    assert "<script>alert" not in client.get(f"/plays?words={quote(HOSTILE)}").text
    for path in (*PAGES, f"/plays/{play.id}", f"/compare?left={play.id}&right={play.id}"):
        text = client.get(path).text
        assert "<script>alert" not in text, path
        assert "\u202e" not in text, path
        assert "\x1b" not in text, path
    assert "&lt;script&gt;alert(1)" in client.get(f"/plays/{play.id}").text


def test_charts_are_files_of_their_own(client):
    for name in DRAWN:
        answer = client.get(f"/charts/{name}.svg")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert ET.fromstring(answer.text).tag.endswith("svg")
        assert "<style>" in answer.text


def test_what_is_not_there_is_a_page_that_says_so(client):
    for path, status in (
        ("/plays/zzz", 404),
        ("/plays?tier=nix", 400),
        ("/charts/nix.svg", 404),
        ("/static/nix", 404),
        ("/compare", 400),
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert "<h1>" in answer.text


# --- the buttons -----------------------------------------------------------------------------------------------------


def proof(client):
    return re.search(r'name="proof" value="(\w+)"', client.get("/policies").text + client.get("/").text)[1]


def press(client, **fields):
    return client.post("/do", data=fields, follow_redirects=False)


def test_a_button_asks_once_more_and_is_an_event(client, store):
    asked = press(client, verb="gate.pause", gate="breadth", proof=proof(client), back="/")
    assert "Pause breadth?" in asked.text
    assert "loopd gate pause breadth" in asked.text
    assert list(store.gates.paused()) == ["depth"]
    done = press(client, verb="gate.pause", gate="breadth", reason="a look", proof=proof(client), back="/", sure="1")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert client.get("/v1/status").json()["paused"] == {"breadth": "a look", "depth": ""}
    assert [event.kind for event in store.events.read()][-1] == "command.gate.pause"


def test_arms_are_frozen_and_thawed(client, store):
    for verb, frozen in (("curriculum.freeze", 1), ("curriculum.thaw", 0)):
        press(client, verb=verb, arm="Files/looking/easy", proof=proof(client), back="/curriculum", sure="1")
        assert [row["frozen"] for row in client.get("/v1/arms").json()["rows"]] == [frozen]


FOREIGN = (
    {"verb": "gate.pause", "gate": "breadth", "sure": "1"},
    {"verb": "gate.pause", "gate": "breadth", "sure": "1", "proof": "0" * 64},
    {"verb": "model.promote", "policy": "x", "sure": "1"},
    {"verb": "gate.pause", "gate": "breadth", "back": "//evil.example"},
    {"verb": "gate.pause", "gate": "breadth", "back": "https://evil.example"},
    {"verb": "gate.pause", "gate": "g" * 5000},
    {},
)


def test_a_form_that_is_not_ours_does_nothing(client, store):
    before = [event.id for event in store.events.read()]
    for fields in FOREIGN:
        assert press(client, **fields).status_code == 400, fields
    assert [event.id for event in store.events.read()] == before


def test_what_the_command_refuses_is_told(client):
    answer = press(client, verb="model.rollback", policy="zzz", proof=proof(client), back="/policies", sure="1")
    assert answer.status_code in {404, 409}
    assert "<h1>" in answer.text
