"""What the system is told about loopd is well-formed, whatever the paths, and holds no key."""

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "ops" / "service.py"


def printed(system, home, *options):
    environment = {**os.environ, "LOOPD_HOME": str(home)}
    command = [sys.executable, str(SERVICE), "print", "--system", system, *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_launchd_gets_a_plist_that_restarts_crashes_only(tmp_path):
    home = tmp_path / "a & <b>"
    agent = plistlib.loads(printed("darwin", home, "--profile", "quickstart").stdout.encode())
    loopd = str(Path(sys.executable).with_name("loopd"))
    assert agent["ProgramArguments"] == [loopd, "start", "--foreground", "--profile", "quickstart"]
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["ProcessType"] == "Interactive"
    assert agent["ExitTimeOut"] == 30
    assert agent["EnvironmentVariables"]["LOOPD_HOME"] == str(home)
    assert agent["StandardErrorPath"] == str(home / "logs/service.err")
    assert agent["Umask"] == 0o077


def test_systemd_gets_a_unit_that_it_understands(tmp_path):
    unit = printed("linux", tmp_path / "50% $HOME", "--set", "DS_KEY_FILE=/a b").stdout
    assert f'Environment="LOOPD_HOME={tmp_path}/50%% $HOME"' in unit
    assert 'Environment="DS_KEY_FILE=/a b"' in unit
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
def test_a_key_is_refused(tmp_path, system):
    refused = printed(system, tmp_path, "--set", "DEEPSEEK_API_KEY=sk-canary")
    assert refused.returncode == 1
    assert "DS_KEY_FILE" in refused.stderr
    assert "canary" not in refused.stdout + refused.stderr
