"""Rule 6: killed before or after any commit and started again, the database ends the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.fault
@pytest.mark.reliability(id="F1")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("trials", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments_the_store_ends_the_same(url, template, trials, record_property):
    command = [sys.executable, Path(__file__).with_name("life.py"), url, template, str(trials), "random"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for name in ("kills", "ready"):
        record_property(name, report[name])
    assert report["kills"] > report["trials"] // 3
    assert report["different"] == []
    assert report["ready"] < 5


@pytest.mark.fault
@pytest.mark.reliability(id="F2")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "every"])
def test_killed_at_any_commit_the_store_ends_the_same(url, template, stride):
    command = [sys.executable, Path(__file__).with_name("life.py"), url, template, str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["commits"] > 40
    assert report["kills"] == report["trials"] == 2 * len(range(0, report["commits"], stride))
    assert report["different"] == []
