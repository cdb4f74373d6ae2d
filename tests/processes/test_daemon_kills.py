"""Every process of a real round is killed by kill -9; started again, the round ends, and nothing is lost or doubled."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loop.runtime.child import ChildRecord

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.reliability(id="F1"), pytest.mark.timeout(1000)]

REHEARSAL = Path(__file__).parents[1] / "rehearsal.toml"
COMMAND = (sys.executable, "-m", "loop.cli", "start", "--foreground", "--profile", "quickstart", "--rounds", "1")
VICTIMS = ("student", "ray", "daemon", "trainer", "daemon", "student", "daemon")
PATIENCE = 900.0


@pytest.fixture
def home(tmp_path):
    """A round with a tiny random model, its own server and trainer, and Ray."""
    text = REHEARSAL.read_text().replace('player = "loop.testing:Apprentice"', "")
    text = text.replace('pool = "local"', 'pool = "ray"').replace("in_flight = 1", "in_flight = 8\nworkers = 1")
    (tmp_path / "loopd.toml").write_text(text)
    return tmp_path


def start(home):
    environment = {**os.environ, "LOOPD_HOME": str(home)}
    with (home / "output").open("ab") as output:
        return subprocess.Popen(COMMAND, cwd=home, env=environment, stdout=output, stderr=output)


def children(home):
    """The daemon's living children by name."""
    traces = [ChildRecord.model_validate_json(path.read_bytes()) for path in (home / "data/run").glob("*.child.json")]
    return {trace.name: trace.pid for trace in traces if psutil.pid_exists(trace.pid)}


def sessions(pids):
    """Living processes of these sessions."""
    return [pid for pid in psutil.pids() if session(pid) in pids]


def session(pid):
    try:
        return os.getsid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    except (OSError, psutil.Error):
        return None


def kill(daemon, victim, home):
    """Kill one process as soon as it is there. True when it was done."""
    found = children(home)
    if victim == "daemon" and found:
        daemon.kill()
        daemon.wait()
        deadline = time.monotonic() + 10
        while sessions(found.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not sessions(found.values()), "a child outlived its daemon"
        return True
    if victim not in found:
        return False
    time.sleep(1.0)
    os.kill(found[victim], 9)
    return True


def test_a_round_ends_whatever_is_killed_on_its_way(home):
    daemon, victims, deadline = start(home), list(VICTIMS), time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline and daemon.poll() != 0:
            if victims and kill(daemon, victims[0], home):
                victims.pop(0)
                time.sleep(2.0)
            daemon = daemon if daemon.poll() is None else start(home)
            time.sleep(0.1)
    finally:
        daemon.kill()
        daemon.wait()
    assert (victims, daemon.returncode) == ([], 0), (home / "output").read_text()
    assert not children(home)
    with sqlite3.connect(home / "data/loopd.db") as store:
        assert store.execute("select state, count(*) from round where id > 0 group by 1").fetchall() == [("done", 1)]
        assert store.execute("select distinct state from play").fetchall() == [("done",)]
        assert store.execute("select count(*) from promotion where round = 1").fetchall() == [(1,)]
        plays, kept = (store.execute(f"select count(*) from {table}").fetchone() for table in ("play", "trajectory"))
        assert plays == kept
        assert store.execute("pragma integrity_check").fetchall() == [("ok",)]
