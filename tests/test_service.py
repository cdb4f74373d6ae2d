"""What the system is told about loopd is well-formed, whatever the paths, and holds no key."""

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loop.cli import service, start, units
from loop.cli.main import app
from loop.errors import AlreadyRunning, CannotCreate, ConfigError, Damaged, LoopdError
from loop.runtime import lock, paths

LOOPD = str(Path(sys.executable).with_name("loopd"))
CANARY = "sk-" + "a8Fq2Zk1Lw9Xv3Rt7Yp5Nb6Mc4Hd0JgS"


@pytest.fixture
def printed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(system, home, *options):
        monkeypatch.setenv("LOOPD_HOME", str(home))
        done = CliRunner().invoke(app, ["service", "print", "--system", system, *options])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    return run


def test_launchd_gets_a_plist_that_restarts_crashes_only(tmp_path, printed):
    home = tmp_path / "a & <b>"
    agent = plistlib.loads(printed("darwin", home, "--profile", "quickstart").encode())
    assert agent["ProgramArguments"] == [LOOPD, "start", "--foreground", "--profile", "quickstart", units.GIVE_UP]
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["ProcessType"] == "Interactive"
    assert agent["ExitTimeOut"] == 30
    assert agent["EnvironmentVariables"]["LOOPD_HOME"] == str(home)
    assert agent["StandardErrorPath"] == str(home / "logs/service.err")
    assert agent["Umask"] == 0o077


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("x"), 0), (AlreadyRunning("x"), 0), (CannotCreate("x"), 0), (Damaged("x"), 0), (LoopdError("x"), 1)],
)
def test_launchd_is_given_no_reason_to_try_again_in_vain(rehearsal, monkeypatch, error, code):
    def fails(*_):
        raise error

    monkeypatch.setattr(start, "run", fails)
    done = CliRunner().invoke(app, ["start", "--foreground", units.GIVE_UP])
    assert (done.exit_code, isinstance(done.exception, LoopdError)) == (code, bool(code))
    assert code or done.stderr.startswith("loopd: x")
    assert code or "The service is not started again by itself." in done.stderr
    assert isinstance(CliRunner().invoke(app, ["start", "--foreground"]).exception, type(error))


def test_systemd_gets_a_unit_that_it_understands(tmp_path, printed):
    key = tmp_path / "a b"
    key.touch(mode=0o600)
    unit = printed("linux", tmp_path / "50% $HOME\nx", "--set", f"DS_KEY_FILE={key}")
    assert f'Environment="LOOPD_HOME={tmp_path}/50%% $HOME\\x0ax"' in unit
    assert f'Environment="DS_KEY_FILE={key}"' in unit
    assert "RestartPreventExitStatus=65 73 75 78" in unit
    assert systemd_says(unit, tmp_path) == ""


def systemd_says(unit, tmp_path):
    """Complaints of systemd about a unit; none where there is no systemd."""
    if not shutil.which("systemd-analyze"):
        return ""
    file = tmp_path / "loopd.service"
    file.write_text(unit)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = ["systemd-analyze", "verify", "--user", "--man=no", str(file)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr
    return "".join(line for line in said.splitlines() if "loopd.service" in line)


@pytest.mark.parametrize("system", ["darwin", "linux"])
@pytest.mark.parametrize(
    "pair",
    [
        f"DEEPSEEK_API_KEY={CANARY}",
        f"DEEPSEEK={CANARY}",
        "MY_LITTLE_HELPER=hunter2-canary",
        f"LOOPD_STUDENT__SYSTEM={CANARY}",
        "LOOPD_DATABASE=postgresql://me:canary@host/x",
        "HTTPS_PROXY=http://me:canary@proxy:1",
        f"DS_KEY_FILE={CANARY}",
        "DS_KEY_FILE=/nowhere/canary",
        "canary",
    ],
)
def test_a_key_reaches_no_file_under_whatever_name(tmp_path, printed, system, pair):
    with pytest.raises(ConfigError) as refused:
        printed(system, tmp_path, "--set", pair)
    assert CANARY not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_key_file_that_others_read_is_refused(tmp_path, printed):
    key = tmp_path / "key"
    key.touch(mode=0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        printed("linux", tmp_path, "--set", f"DS_KEY_FILE={key}")


@pytest.mark.parametrize("system", ["darwin", "linux"])
def test_the_service_finds_programs_where_people_have_them(tmp_path, monkeypatch, printed, system):
    places = [".local/bin", ".npm-global/bin", ".nvm/versions/node/v24.1.0/bin", "somewhere/else/bin"]
    for place in places:
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "everybody").mkdir()
    (tmp_path / "everybody").chmod(0o777)
    codex = tmp_path / "somewhere/else/bin/codex"
    codex.write_text("#!/bin/sh\n")
    codex.chmod(0o755)
    monkeypatch.setenv("PATH", f"{codex.parent}:relative:{tmp_path / 'everybody'}:/usr/bin")
    told = printed(system, tmp_path / "home")
    for place in [
        *(str(tmp_path / place) for place in places),
        "/opt/local/bin",
        "/opt/homebrew/bin",
        "/usr/local/bin",
    ]:
        assert place in told
    assert "relative" not in told
    assert "everybody" not in told
    assert service.programs(service.path())["codex"] == str(codex)


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A `systemctl` that notes what it was told, as a home without systemd has none."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("systemctl", "launchctl"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/told\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "told"


def run(*words):
    done = CliRunner().invoke(app, ["service", *words])
    if isinstance(done.exception, LoopdError):
        raise done.exception
    return done


@pytest.mark.parametrize("system", [units.Launchd(), units.Systemd()])
def test_it_is_installed_for_its_owner_alone_and_taken_away(pretended, monkeypatch, system):
    monkeypatch.setattr(units, "here", lambda: system)
    assert "is installed" in run("install", "--profile", "quickstart").output
    assert system.file.stat().st_mode & 0o777 == 0o600
    assert f"file: {system.file}\ninstalled: yes\n" in run("status").output
    with lock.hold(paths.find().data), pytest.raises(AlreadyRunning, match="loopd stop"):
        run("install", "--profile", "quickstart")
    assert "The service is removed" in run("uninstall").output
    assert not system.file.exists()
    assert ("enable --now" in pretended.read_text()) or ("bootstrap" in pretended.read_text())
    with pytest.raises(LoopdError, match="nothing was installed"):
        run("uninstall")
