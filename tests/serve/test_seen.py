"""The endpoint shows pages and API as well, behind the same key, and its buttons go to the same store."""

import os
import re
import signal
import subprocess
import sys

import httpx2
import pytest

from loop.ui.door import code


@pytest.fixture
def site(server):
    base = server.url.removesuffix("/v1")
    with httpx2.Client(base_url=base, headers=server.headers, trust_env=False, timeout=20) as found:
        yield found


def test_pages_and_api_stand_beside_the_models(site, server):
    assert "overview" in site.get("/").text
    assert site.get("/v1/status").json()["running"] in {True, False}
    assert site.get("/v1/policies").json()["schema"] == "loopd/v1"
    assert site.get("/v1/models").json()["object"] == "list"
    assert "loopd_build_info" in site.get("/metrics").text
    assert site.get("/v1/rounds", headers={"authorization": "Bearer nobody"}).status_code == 401
    let_in = site.get(f"/open?code={code(server.key)}", headers={"authorization": ""}, follow_redirects=False)
    assert let_in.status_code == 303


def test_a_button_of_the_endpoint_changes_its_store(site, server):
    asked = site.post("/do", data={"verb": "gate.pause", "gate": "depth"})
    proof = re.search(r'name="proof" value="(\w+)"', asked.text)[1]
    site.post("/do", data={"verb": "gate.pause", "gate": "depth", "proof": proof, "sure": "1"})
    assert list(server.store.gates.paused()) == ["depth"]
    server.store.gates.resume("depth")


def test_loopd_ui_leads_to_the_endpoint_that_runs(server):
    """No second server: the link is the running one's, and the command ends."""
    home = {**os.environ, "LOOPD_HOME": str(server.paths.data.parent)}
    command = [sys.executable, "-m", "loop.cli", "ui", "--no-open"]
    done = subprocess.run(command, env=home, capture_output=True, text=True, timeout=60, check=True)
    assert server.url.removesuffix("/v1") + "/open?code=" in done.stdout


def test_loopd_ui_shows_a_home_by_itself_and_ends_with_ctrl_c(tmp_path):
    home = {**os.environ, "LOOPD_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "loop.cli", "ui", "--no-open", "--port", "0"]
    with subprocess.Popen(command, env=home, stdout=subprocess.PIPE, text=True) as shown:
        link = next(line.strip() for line in shown.stdout if line.startswith("http"))
        with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
            assert "Nothing has happened yet" in browser.get(link).text
            assert browser.get(link).status_code == 403
        shown.send_signal(signal.SIGINT)
        assert shown.wait(30) in {0, 130}
    assert not (tmp_path / "data" / "loopd.db").exists()
