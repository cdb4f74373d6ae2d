"""A home in which nothing has happened yet: pages say how to begin, programs are told, nothing is made."""

import socket

import httpx2
import pytest

from loop.runtime.paths import Paths
from loop.ui import app
from loop.ui.site import Site

KEY = "sk-loopd-0123456789abcdef"


@pytest.fixture
def client(tmp_path):
    places = Paths(data=tmp_path / "data", logs=tmp_path / "logs", config=tmp_path / "config").create()

    def nothing():
        pytest.fail("an empty home has no store to open")

    site = Site(places, places.database, lambda verb, arguments: pytest.fail(f"{verb} {arguments}"), nothing)
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with app.opened(site, KEY, listener), httpx2.Client(base_url=base, trust_env=False) as made:
        made.headers["authorization"] = f"Bearer {KEY}"
        yield made
    assert not (tmp_path / "data" / "loopd.db").exists()


def test_pages_say_how_to_begin(client):
    for path in ("/", "/plays", "/plays?words=x"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "loopd start" in answer.text
    for path in ("/curriculum", "/policies"):
        assert client.get(path).status_code == 200
    assert client.get("/plays/abc").status_code == 404


def test_programs_are_told(client):
    for path in ("/v1/status", "/v1/rounds", "/v1/trajectories", "/v1/trajectories/a", "/v1/events"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "loopd start" in answer.json()["detail"]
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert "loopd_store_up 0.0" in client.get("/metrics").text
