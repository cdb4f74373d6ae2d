"""What every test may want: mlx-lm as it came, and a rehearsed loop, with the command line beside it."""

import json
import signal
from pathlib import Path

import pytest
from hypothesis import settings
from mlx_lm.models import llama, qwen3
from typer.testing import CliRunner

from loop import config, daemon, parts
from loop.cli import main
from loop.control import progress
from loop.runtime import paths
from loop.runtime.signals import StopRequest
from loop.store import Store
from loop.testing import FakeGpu

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

REPLACED = ("swiglu", "scaled_dot_product_attention")
REHEARSAL = (Path(__file__).parent / "rehearsal.toml").read_text()


def pytest_configure() -> None:
    """Have SIGINT as a terminal has it: a shell's background jobs ignore it, and every child would as well."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
        with parts.build(chosen, self.places, shown, StopRequest(), store=store, gpu=gpu or FakeGpu()) as loop:
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


@pytest.fixture(scope="session")
def rehearse():
    return Rehearsal


@pytest.fixture
def rehearsal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    return Rehearsal(tmp_path)


@pytest.fixture(autouse=True)
def mlx_lm_as_it_came():
    """The engine replaces functions of mlx-lm's model modules for good: right in the server's process, not here."""
    before = [(module, name, getattr(module, name)) for module in (llama, qwen3) for name in REPLACED]
    yield
    for module, name, function in before:
        setattr(module, name, function)
        module.__dict__.pop("_before_loopd", None)
