"""Rule 6: killed before or after any commit and started again, the database ends the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.fault
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
