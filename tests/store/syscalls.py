"""Work in a process of its own whose system calls fail, or kill it, as strace makes them."""

import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Final

import pytest

RAISED: Final = 70
"""How the process ends where the work raised something."""


def injected(work: Callable[[], None], *rules: str) -> int:
    """Do work under rules of `strace -e inject=`; the exit code of its process, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            work()
        except BaseException:  # noqa: BLE001 - the process must end here, whatever happened
            traceback.print_exc(file=sys.stderr)
            os._exit(RAISED)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    options = [part for rule in rules for part in ("-e", f"inject={rule}")]
    command = ["strace", "-f", "-o", "/dev/null", *options, "-p", str(child)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        said = tracer.stderr.readline()
        os.kill(child, signal.SIGCONT)
        _, status = os.waitpid(child, 0)
        tracer.wait(10)
    if "attached" not in said:
        unavailable(f"strace cannot attach: {said}")
    return os.waitstatus_to_exitcode(status)


def unavailable(why: str) -> None:
    if "strace" in os.environ.get("LOOPD_REQUIRE", "").split(","):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def strace() -> None:
    if shutil.which("strace") is None:
        unavailable("there is no strace on this machine")
