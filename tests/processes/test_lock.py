"""One daemon for one data directory."""

import os
import signal
import subprocess
import sys

import pytest

from loop.errors import AlreadyRunning, CannotCreate
from loop.runtime.lock import hold, holder

HOLD = """
import sys
from pathlib import Path
from loop.errors import LoopdError
from loop.runtime.lock import hold
try:
    with hold(Path(sys.argv[1])):
        {}
except LoopdError as error:
    sys.exit(error.exit_code)
"""
TELL = "print('held', flush=True); sys.stdin.read()"


def start(data, body=TELL):
    arguments = [sys.executable, "-c", HOLD.format(body), str(data)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.reliability(id="F12")
def test_the_second_one_is_told_who_the_first_is_and_exits_75(tmp_path):
    with start(tmp_path) as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=rf"pid {first.pid}, since .*`loopd stop`") as caught, hold(tmp_path):
            pass
        assert caught.value.exit_code == 75
        assert holder(tmp_path) == first.pid
        first.communicate()


@pytest.mark.reliability(id="F12")
def test_of_eight_that_start_at_once_one_wins(tmp_path):
    contenders = [start(tmp_path) for _ in range(8)]
    said = [each.stdout.readline() for each in contenders]
    assert sorted(said) == [b""] * 7 + [b"held\n"]
    assert sorted(end(each) for each in contenders) == [0] + [75] * 7


def end(process):
    with process:
        process.communicate()
    return process.returncode


@pytest.mark.reliability(id="F12")
def test_kill_9_of_the_holder_frees_it_although_its_child_lives(tmp_path):
    body = "import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); sys.stdin.read()"
    with start(tmp_path, body) as first:
        grandchild = int(first.stdout.readline())
        first.kill()
        first.wait()
        try:
            with hold(tmp_path):
                assert holder(tmp_path) == os.getpid()
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_nobody_holds_what_was_released_or_never_held(tmp_path):
    assert holder(tmp_path) is None
    with hold(tmp_path / "new"):
        pass
    assert holder(tmp_path / "new") is None
    with hold(tmp_path / "new"):
        pass


def test_a_holder_that_has_not_signed_yet_is_a_holder(tmp_path):
    with hold(tmp_path):
        (tmp_path / "loopd.lock").write_text("")
        with pytest.raises(AlreadyRunning, match="just begun"), hold(tmp_path):
            pass


def test_a_data_directory_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreate, match="file"), hold(tmp_path / "file"):
        pass


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "loopd.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotCreate), hold(tmp_path):
        pass
