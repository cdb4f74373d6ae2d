"""A rehearsed loop: the rounds of shipped fakes, lived in this process, and the command line beside them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loop import config, daemon, parts
from loop.cli import main
from loop.control import progress
from loop.runtime import paths
from loop.runtime.signals import Stop
from loop.store import Store
from loop.testing import FakeGpu

REHEARSAL = (Path(__file__).parents[1] / "rehearsal.toml").read_text()


class Rehearsal:
    """One LOOPD_HOME with the rehearsal's settings."""

    def __init__(self, home: Path) -> None:
        self.home, self.places = home, paths.find().create()
        self.also("")

    def also(self, toml: str) -> None:
        """Add settings to the rehearsal's."""
        (self.home / "loopd.toml").write_text(toml + REHEARSAL)

    def live(self, gpu=None, store=None, rounds=1, **flags):
        """Live until so many rounds have ended."""
        chosen = config.load(self.places, "quickstart", {"rounds": rounds, **flags}, {})
        shown = progress.Board(self.places.run, chosen.profile)
        with parts.build(chosen, self.places, shown, Stop(), store=store, gpu=gpu or FakeGpu()) as loop:
            daemon.run(loop)
        return shown.now

    def store(self):
        return Store.open(self.places.database)

    def loopd(self, *words, code=0):
        """Type a command; what it printed, or the trouble that it ended in."""
        done = CliRunner().invoke(main.app, list(words))
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.output if code == 0 else str(done.exception)

    def json(self, *words):
        return json.loads(self.loopd(*words, "--json"))


@pytest.fixture
def rehearsal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return Rehearsal(tmp_path)
