"""The command line as a user meets it: real processes, exit codes, one line of trouble, no traceback."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from loop.cli import main
from loop.store import Store
from loop.types import Policy, Standing

LOOPD = str(Path(sys.executable).parent / "loopd")


@pytest.fixture
def loopd(tmp_path):
    (tmp_path / "work").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOOPD_")}
    environment = {**kept, "LOOPD_HOME": str(tmp_path / "home"), "COLUMNS": "100"}

    def run(*arguments, **more):
        return subprocess.run(
            [LOOPD, *arguments], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
            cwd=tmp_path / "work", env={**environment, **more},
        )  # fmt: skip

    return run


def trouble(done, code, *words):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_help_names_the_verbs(loopd):
    done = loopd("--help")
    assert done.returncode == 0
    for verb in ("start", "stop", "status", "sql", "doctor", "trajectory", "gate", "model", "curriculum", "dataset"):
        assert verb in done.stdout


@pytest.mark.parametrize("foreground", [[], ["--foreground"]])
def test_an_unknown_profile_is_one_line_and_78(loopd, foreground):
    trouble(loopd("start", "--profile", "quikstart", *foreground), 78, "quikstart", "Did you mean 'quickstart'?")


def test_an_unknown_key_is_one_line_and_78(loopd, tmp_path):
    (tmp_path / "work" / "loopd.toml").write_text("[student]\ntemprature = 1.0\n")
    trouble(loopd("start", "--foreground"), 78, "loopd.toml", "student.temprature", "'temperature'")


def test_a_broken_toml_is_one_line_and_78(loopd, tmp_path):
    (tmp_path / "work" / "loopd.toml").write_text("seed = \n")
    trouble(loopd("start", "--foreground"), 78, "loopd.toml", "line 1")


def test_an_unknown_part_is_one_line_and_78(loopd, tmp_path):
    (tmp_path / "work" / "loopd.toml").write_text('[[checkers]]\nuse = "outcom"\n')
    done = loopd("start", "--foreground", "--no-ray")
    trouble(done, 78, "'outcom'", "Did you mean 'outcome'?")


def test_a_backend_that_nobody_knows_is_one_line_and_78(loopd):
    done = loopd("start", "--foreground", "--no-ray", LOOPD_SAMPLING__BACKENDS='["GorillaFileSystm"]')
    trouble(done, 78, "GorillaFileSystm", "GorillaFileSystem")


def test_a_home_that_cannot_be_made_is_one_line_and_73(loopd, tmp_path):
    (tmp_path / "file").write_text("")
    trouble(loopd("start", "--foreground", LOOPD_HOME=str(tmp_path / "file" / "home")), 73, "LOOPD_HOME")


def test_without_a_daemon_stop_says_so(loopd):
    trouble(loopd("stop"), 69, "loopd start")


def test_without_a_store_questions_say_so(loopd):
    trouble(loopd("sql", "select 1"), 4, "loopd start")
    assert "not running" in loopd("status").stdout
    assert json.loads(loopd("status", "--json").stdout)["running"] is False


@pytest.mark.fault
@pytest.mark.reliability(id="F11")
def test_a_daemon_in_the_background_is_watched_asked_and_stopped(loopd, tmp_path):
    (tmp_path / "work" / "loopd.toml").write_text((Path(__file__).parent / "rehearsal.toml").read_text())
    started = loopd("start", "--no-ray")
    assert started.returncode == 0, started.stderr
    assert "loopd stop" in started.stdout
    trouble(loopd("start", "--foreground", "--no-ray"), 75, "pid", "loopd stop")
    asked = ask_until(loopd, "select round, state from v_rounds", lambda rows: rows)
    assert asked[0]["round"] == 1
    told = json.loads(loopd("status", "--json").stdout)
    assert told["running"] is True
    assert (tmp_path / "home" / "data" / "profile").read_text() == "quickstart\n"
    assert "Paused" in loopd("gate", "pause", "depth", "--reason", "a test").stdout
    assert ask_until(loopd, "select trajectory from v_trajectories limit 1", lambda rows: rows)
    stopped = loopd("stop")
    assert stopped.returncode == 0
    assert loopd("status").stdout.startswith("loopd is not running. Round")
    assert "Still paused: none" in loopd("gate", "resume", "all").stdout.replace("[]", "none")


def test_fsck_names_what_is_damaged_and_so_do_the_verbs_that_read_it(loopd, tmp_path):
    home = tmp_path / "home" / "data"
    home.mkdir(parents=True)
    with Store.open(f"sqlite:///{home}/loopd.db") as store:
        store.policies.add(Policy(base="b", system="s", template="t"), Standing.CANDIDATE)
    whole = loopd("fsck")
    assert (whole.returncode, whole.stdout) == (0, "Everything is as it should be.\n"), whole.stderr
    with sqlite3.connect(home / "loopd.db") as connection:
        connection.execute("update policy set base = 'other'")
    found = loopd("fsck", "--json")
    trouble(found, 65, "1 finding")
    assert [row["where"] for row in json.loads(found.stdout)["rows"]] == ["policy"]
    trouble(loopd("model", "export", "champion", str(tmp_path / "out")), 65, "table policy is damaged", "loopd fsck")
    (home / "loopd.db").write_bytes(b"spoiled" * 5000)
    trouble(loopd("sql", "select * from policy"), 65, "The database is damaged")


def test_garbage_is_listed_and_deleted_and_a_backup_comes_back(loopd, tmp_path):
    data, saved = tmp_path / "home" / "data", str(tmp_path / "saved.tar")
    (data / "models" / ".base-abcdefgh").mkdir(parents=True)
    os.utime(data / "models" / ".base-abcdefgh", (0, 0))
    with Store.open(f"sqlite:///{data}/loopd.db") as store:
        store.policies.add(Policy(base="b", system="s", template="t"), Standing.CANDIDATE)
    listed = loopd("gc")
    assert "leftover" in listed.stdout
    assert "Nothing was deleted. Delete it: loopd gc --yes" in listed.stdout
    assert (data / "models" / ".base-abcdefgh").exists()
    assert "deleted." in loopd("gc", "--yes", "--kind", "leftover").stdout
    assert list((data / "models").iterdir()) == []
    assert f"loopd restore {saved}" in loopd("backup", saved).stdout
    trouble(loopd("backup", saved), 73, "is there already")
    trouble(loopd("restore", saved), 3, "--replace")
    (data / "loopd.db").unlink()
    assert "loopd start" in loopd("restore", saved).stdout
    with Store.open(f"sqlite:///{data}/loopd.db") as store:
        assert [policy.base for policy, _ in store.policies.all()] == ["b"]


def ask_until(loopd, query, right, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        done = loopd("sql", "--json", query)
        rows = json.loads(done.stdout)["rows"] if done.returncode == 0 else []
        if right(rows) or time.monotonic() > deadline:
            return rows
        time.sleep(0.5)


HEAVY = {"alembic", "mlx", "numpy", "openai", "ray", "scipy", "sqlalchemy", "starlette", "uvicorn"}


def imported(*words):
    """Which heavy packages a command line imports."""
    told = "import sys, atexit; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
    program = f"{told}sys.argv = ['loopd', *{list(words)!r}]\nfrom loop.cli.main import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    return {name.partition(".")[0] for name in done.stderr.split()} & HEAVY


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["frobnicate"], [], ["status"], ["sql", "select 1"], ["stop"]]
)
def test_what_is_asked_often_waits_for_no_library(words):
    assert imported(*words) == set()


def test_the_version_is_the_distributions(loopd):
    assert loopd("--version").stdout == f"loopd {metadata.version('loopd-rest')}\n"


@pytest.mark.parametrize("words", ["--config own.toml start", "start --config own.toml", "start --config=own.toml"])
def test_a_settings_file_may_be_named_before_or_after_a_verb(loopd, tmp_path, words):
    (tmp_path / "work/own.toml").write_text("bogus = 1\n")
    trouble(loopd(*words.split()), 78, "bogus", "own.toml")


def test_a_settings_file_that_is_not_there_is_one_line(loopd):
    trouble(loopd("--config", "nowhere.toml", "start"), 78, "nowhere.toml")
    trouble(loopd("start", "--config"), 2, "--config needs a file")


def test_toml_that_no_parser_can_follow_is_one_line(loopd, tmp_path):
    (tmp_path / "work/loopd.toml").write_text("a = " + "[" * 100_000)
    trouble(loopd("start"), 78, "loopd.toml")
    (tmp_path / "work/loopd.toml").write_text("seed = " + "9" * 5000)
    trouble(loopd("start"), 78, "loopd.toml")


def test_what_nobody_foresaw_is_one_line_and_its_traceback_is_kept(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["loopd", "status"])
    monkeypatch.setattr("loop.cli.main.app", lambda *_, **__: 1 / 0)
    with pytest.raises(SystemExit, match="70"):
        main.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError" in line
    assert "Traceback" in (tmp_path / "logs/cli.log").read_text()


def test_a_command_line_that_is_misread_is_one_line_and_2(loopd):
    trouble(loopd("frobnicate"), 2, "frobnicate", "loopd --help")
    trouble(loopd("start", "--bogus"), 2, "--bogus", "loopd start --help")
    trouble(loopd("start", "--rounds", "9" * 5000), 2, "--rounds")
    trouble(loopd(b"\xff"), 2, "not valid UTF-8")
    trouble(loopd("config", "check", LOOPD_STUDENT__SYSTEM=b"\xff"), 78, "LOOPD_STUDENT__SYSTEM", "not valid UTF-8")


def shell(tmp_path, words):
    """Run a line of the shell, with `loopd` on its path."""
    environment = {
        **os.environ,
        "LOOPD_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(LOOPD).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["bash", "-c", words], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path, env=environment
    )


def test_a_full_disk_behind_stdout_is_one_line_and_73(tmp_path):
    trouble(shell(tmp_path, "loopd --help > /dev/full"), 73, "No space left")
    trouble(shell(tmp_path, "loopd config show > /dev/full"), 73, "No space left")


@pytest.mark.parametrize(
    ("words", "code"), [("status >&-", 0), ("status 2>&-", 0), ("frob <&- >&- 2>&-", 2), ("config schema | head -1", 0)]
)
def test_a_stream_that_is_closed_changes_nothing(tmp_path, words, code):
    done = shell(tmp_path, f"loopd {words}")
    assert done.returncode == code
    assert done.stderr == ""


def test_a_terminal_that_knows_ascii_only_is_told_in_ascii(loopd):
    assert loopd("--help", PYTHONIOENCODING="ascii").returncode == 0


@pytest.mark.parametrize("after", [0.3, 0.6, 1.0])
@pytest.mark.reliability(id="F11")
def test_ctrl_c_before_anything_is_set_up_is_one_line_and_130(tmp_path, after):
    environment = {**os.environ, "LOOPD_HOME": str(tmp_path)}
    command = [sys.executable, "-X", "importtime", LOOPD, "doctor"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        for line in child.stderr:  # its own file is there: from here on it is ours
            if "__main__" in line or "loop.cli" in line:
                break
        time.sleep(after)
        child.send_signal(signal.SIGINT)
        said = [line for line in child.communicate(timeout=60)[1].splitlines() if not line.startswith("import time:")]
    assert child.returncode == 130
    assert said == ["loopd: interrupted"]


HOLDER = """
import signal, sys, time
from pathlib import Path
from loop.runtime import lock
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.fault
@pytest.mark.reliability(id="F11")
def test_stop_says_what_it_waits_for_and_ends_at_once_when_told_to(loopd, tmp_path):
    data = tmp_path / "home/data"
    (data / "run").mkdir(parents=True)
    command = [sys.executable, "-c", HOLDER, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout.readline() == "held\n"
        trouble(loopd("stop", "--wait", "0.5"), 1, str(daemon.pid), "loopd stop --now")
        trouble(loopd("stop", "--wait", "0.5"), 1, "loopd stop --now")
        daemon.send_signal(signal.SIGKILL)
        assert daemon.stdout.read() == "asked\n"  # the second one asked nobody a second time
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout.readline() == "held\n"
        assert loopd("stop", "--now").returncode == 0
        assert daemon.wait() == -signal.SIGKILL
