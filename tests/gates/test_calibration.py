"""The gates' promises, by simulation on the shape of the full suites; docs/lab/gate-calibration.md has a larger run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    target = tmp_path_factory.mktemp("calibration") / "gates.json"
    program = [sys.executable, "benchmarks/gates.py", "--runs", "60", "--suites", "full", "--only", "single", "chains"]
    subprocess.run([*program, "--json", str(target)], cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)}, timeout=900)
    return json.loads(target.read_text())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_gates_keep_their_promises(found):
    single, chains = found["single full"], found["chains full"]
    assert single["depth +10"]["low"] >= 0.7
    for never in ("one backend -10, spread", "one backend -10, concentrated"):
        assert single[never]["low"] <= 0.05
    for name in chains:
        assert chains[name]["low"] <= 0.05
    assert single["depth +10"]["plays_median"] < 0.6 * (72 + 212) * 32
