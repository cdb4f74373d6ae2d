"""`loopd init`: what is answered is what is in force, nothing is overwritten, and no key is written down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loop import config, plugins
from loop.cli import init, setup
from loop.cli.main import app
from loop.errors import CannotCreate, ConfigError, LoopdError, UsageError
from loop.runtime import paths


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    key = tmp_path / "key"
    key.write_text("sk-canary")
    key.chmod(0o600)

    def run(*options, typed=None):
        if typed is not None:
            monkeypatch.setattr(init, "_at_a_terminal", lambda: True)
        done = CliRunner().invoke(app, ["init", *options], input=typed)
        if isinstance(done.exception, LoopdError):
            raise done.exception
        assert done.exception is None, done.output
        return done

    return run


def settings():
    return config.load(paths.find(), None, {}, {})


def file():
    return paths.find().config / "loopd.toml"


def test_without_a_terminal_what_is_usual_is_written(asked):
    asked()
    found = settings()
    assert (found.profile, found.plays.workers, found.student.prefix_mib) == ("quickstart", 4, 4096)
    assert [teacher.use for teacher in found.teachers] == ["scripted"]
    assert file().read_text().count("# ") >= 3


def test_answers_are_what_is_in_force(asked, tmp_path):
    teachers = f"codex, deepseek, openai\n{tmp_path}/key\n\nhttp://127.0.0.1:8080/v1\nqwen"
    asked(typed=f"4b\n{teachers}\nSQL, MathAPI\nmon-fri 22:00-7:00; sat,sun 0:00-24:00\n7\n")
    found = settings()
    assert (found.profile, found.student.prefix_mib) == ("mac-studio", 7168)
    assert found.windows.hours == ("mon-fri 22:00-7:00", "sat,sun 0:00-24:00")
    assert found.sampling.backends == ("SQL", "MathAPI")
    codex, deepseek, openai = found.teachers
    assert codex.use == "codex"
    assert deepseek.settings == {"key_file": str(tmp_path / "key")}
    assert plugins.load("teachers", deepseek).secrets() == ("sk-canary",)
    assert [finding.ok for finding in plugins.load("teachers", deepseek).check()] == [True]
    assert openai.settings == {"base_url": "http://127.0.0.1:8080/v1", "model": "qwen"}
    assert "canary" not in file().read_text()


def test_options_answer_in_advance(asked, tmp_path):
    options = ["--teachers", "deepseek", "--key-file", "deepseek=key", "--backends", "TravelAPI", "--workers", "1"]
    asked(*options, "--out", "own.toml")
    (tmp_path / "own.toml").rename(tmp_path / "loopd.toml")
    config.examine(settings())
    assert settings().plays.workers == 1
    asked("--teachers", "", "--out", "none.toml")
    assert "teachers = []" in (tmp_path / "none.toml").read_text()


def test_nothing_is_overwritten(asked):
    asked()
    before = file().read_text()
    with pytest.raises(CannotCreate, match="already"):
        asked("--workers", "9")
    assert file().read_text() == before


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (["--teachers", "deepsek"], ConfigError, "Did you mean 'deepseek'"),
        (["--backends", "SQLite"], ConfigError, "Did you mean 'SQL'"),
        (["--model", "no/such"], ConfigError, "no pinned revision"),
        (["--teachers", "deepseek", "--key-file", "deepseek=nowhere"], ConfigError, "there is no file"),
        (["--teachers", "deepseek", "--key-file", "deepseek=open"], ConfigError, "chmod 600"),
        (["--key-file", "canary"], UsageError, "TEACHER=FILE"),
        (["--hours", "at night"], ConfigError, "are no hours; write 22:00-07:00"),
        (["--teachers", "openai", "--url", "file:///etc/passwd", "--served", "x"], ConfigError, "teachers.0"),
        (["--out", "key/x.toml"], CannotCreate, "cannot be written"),
    ],
)
def test_a_wrong_answer_writes_nothing(asked, tmp_path, options, error, said):
    (tmp_path / "open").touch(mode=0o644)
    with pytest.raises(error, match=said):
        asked(*options)
    assert not file().exists()


def test_verbs_are_completed():
    loopd = str(Path(sys.executable).with_name("loopd"))
    environment = {**os.environ, "_LOOPD_COMPLETE": "complete_bash", "COMP_WORDS": "loopd st", "COMP_CWORD": "1"}
    done = subprocess.run([loopd], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["start", "status", "stop"]


def test_what_is_installed_already_stays_and_what_cannot_be_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = CliRunner().invoke(app, ["setup"])
    assert "are installed" in done.output, done.exception
    lock = tmp_path / "data.txt"
    lock.write_text(f"loopd-nothing==1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(setup, "_lock", lambda: lock)
    failed = CliRunner().invoke(app, ["setup"]).exception
    assert isinstance(failed, LoopdError)
    assert "loopd-nothing" in str(failed)
    assert "\n" not in str(failed)
    monkeypatch.setattr(setup, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "uv" in str(CliRunner().invoke(app, ["setup"]).exception)
