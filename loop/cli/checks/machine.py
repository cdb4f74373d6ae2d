"""Checks of this machine: what the system gives, and what else runs on it."""

import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from loop.cli.checks.found import Check, CheckResult, judged
from loop.runtime import gpu
from loop.runtime.child import scrubbed

PYTHONS: Final = ((3, 11), (3, 14))
OLDEST_MACOS: Final = 14
"""Before it, MLX has no wheels."""
FILES: Final = 8192
"""Descriptors that Ray asks for."""
PROCESSES: Final = 512
MEMORY: Final = 15 * 2**30
SHARED: Final = 2**30
"""Bytes of /dev/shm that Ray's object store may take on Linux."""
SCRATCH: Final = 2**30
BUSY: Final = 2.0
"""Processes that want a core, per core, from which on plays time out."""
BORN: Final = 1_764_000_000
"""Seconds since the epoch: no clock that is right says less (November 2025)."""
PROBE: Final = """
import time, mlx.core as mx
a = mx.random.normal((1024, 1024)); mx.eval(a @ a)
t = time.perf_counter(); mx.eval(a @ a); s = time.perf_counter() - t
print(mx.default_device(), round(2 * 1024**3 / s / 1e9), mx.__version__)
"""


def python() -> Iterator[CheckResult]:
    """A Python of this machine's kind, and one that the locked packages are built for."""
    native = not (sys.platform == "darwin" and platform.machine() != "arm64")
    known = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fix = "Install Python 3.12 and delete .venv." if native else "It runs under Rosetta: install an arm64 one."
    yield judged("python", native and known, detail, fix, otherwise="fail")


def system() -> Iterator[CheckResult]:
    """A system that MLX has wheels for."""
    version = platform.mac_ver()[0]
    right = not version or int(version.partition(".")[0]) >= OLDEST_MACOS
    detail = f"macOS {version}" if version else platform.platform(terse=True)
    yield judged("system", right, detail, f"Update to macOS {OLDEST_MACOS} or newer: MLX needs it.", otherwise="fail")


def memory() -> Iterator[CheckResult]:
    """Memory for a 4B model."""
    total = psutil.virtual_memory().total
    fix = "Keep to the quickstart profile, or a model of 1B parameters at most: [student] source."
    yield judged("memory", total >= MEMORY, f"{total / 2**30:.0f} GiB", fix)


def swap() -> Iterator[CheckResult]:
    """A machine that swaps trains a hundred times slower."""
    used, total = psutil.swap_memory().used, psutil.virtual_memory().total
    fix = "End what takes memory (Activity Monitor, top), or lower training.batch_tokens and student.max_rows."
    yield judged("swap", used < total / 4, f"{used / 2**30:.1f} GiB in use", fix)


def descriptors() -> Iterator[CheckResult]:
    """Descriptors that a process may open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    right = hard == resource.RLIM_INFINITY or hard >= FILES
    detail = "no limit" if hard == resource.RLIM_INFINITY else f"{hard} at most"
    yield judged("open files", right, detail, f"Type: ulimit -Hn {FILES}; or set nofile in /etc/security/limits.conf.")


def processes() -> Iterator[CheckResult]:
    """Processes that a user may have: threads count on Linux."""
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    right = most == resource.RLIM_INFINITY or most >= PROCESSES
    detail = "no limit" if most == resource.RLIM_INFINITY else f"{most} at most"
    yield judged("processes", right, detail, f"Type: ulimit -u {PROCESSES}; or set nproc in limits.conf.")


def cores() -> Iterator[CheckResult]:
    """Cores, and who wants them."""
    count, load = os.cpu_count() or 1, os.getloadavg()[1]
    fix = "Something else keeps the machine busy; plays will be slow and may time out. See: top"
    yield judged("cores", load < BUSY * count, f"{count}, load {load:.1f}", fix)


def clock() -> Iterator[CheckResult]:
    """A clock that is right: budgets, leases and quota windows go by it."""
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    yield judged("clock", time.time() > BORN, now, "Set the clock; let the system keep it (NTP).", otherwise="fail")


def temporary() -> Iterator[CheckResult]:
    """A directory for temporary files, with room."""
    where = Path(tempfile.gettempdir())
    free = shutil.disk_usage(where).free
    fix = "Free some space there, or set TMPDIR to another directory."
    yield judged("temporary files", free > SCRATCH, f"{free / 2**30:.0f} GiB free in {where}", fix)


def shared_memory() -> Iterator[CheckResult]:
    """Linux: shared memory for Ray."""
    place = Path("/dev/shm")  # noqa: S108 - it is looked at, nothing is made there
    if place.is_dir():
        free = shutil.disk_usage(place).free
        fix = "In a container: --shm-size=2g. Or run plays in threads: loopd start --no-ray"
        yield judged("shared memory", free >= SHARED, f"{free / 2**30:.1f} GiB free in {place}", fix)
    else:
        yield CheckResult(check="shared memory", state="ok", detail="not used here")


def loopback() -> Iterator[CheckResult]:
    """The loopback address, on which everything of ours listens."""
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", 0))
            detail, right = "127.0.0.1 can be listened on", True
        except OSError as error:
            detail, right = f"127.0.0.1: {error}", False
    fix = "Bring the loopback interface up (ip link set lo up), or allow loopd in the firewall."
    yield judged("loopback", right, detail, fix, otherwise="fail")


def proxies() -> Iterator[CheckResult]:
    """A proxy must not be asked for what is on this machine."""
    named = [name for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(name)]
    spared = os.environ.get("NO_PROXY", os.environ.get("no_proxy", ""))
    right = not named or "*" in spared or "127.0.0.1" in spared or "localhost" in spared
    yield judged("proxies", right, ", ".join(named) or "none", "Type: export NO_PROXY=localhost,127.0.0.1")


def sleep() -> Iterator[CheckResult]:
    """A laptop on its battery sleeps, and computes slowly."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    plugged = battery is None or bool(battery.power_plugged)
    detail = "mains" if plugged else f"battery, {battery.percent:.0f} %" if battery else ""
    yield judged("power", plugged, detail, "Plug it in: training on a battery is slow, and sleep interrupts it.")


def mlx() -> Iterator[CheckResult]:
    """MLX computes, and how fast."""
    began, settings = time.monotonic(), scrubbed(gpu.preload())
    try:
        probe = subprocess.run(
            [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=True, env=settings
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        yield CheckResult(
            check="mlx", state="fail", detail=last[:200], fix="Install anew: delete .venv, then `make start`."
        )
        return
    device, speed, version = probe.stdout.rsplit(" ", 2)
    detail = f"{version.strip()} on {device}, {speed} GFLOP/s just now, loaded in {time.monotonic() - began:.1f} s"
    yield CheckResult(check="mlx", state="ok", detail=detail)


def blas() -> Iterator[CheckResult]:
    """Linux: a BLAS that is fast."""
    library = gpu.find_openblas() if sys.platform == "linux" else None
    right = sys.platform != "linux" or library is not None
    detail = str(library or ("Accelerate" if right else "the slow one of MLX's wheel"))
    yield judged("blas", right, detail, "Install it (Debian: apt-get install libopenblas0-pthread), or LOOPD_OPENBLAS.")


CHECKS: Final[tuple[Check, ...]] = (
    python, system, memory, swap, cores, descriptors, processes, clock, temporary, shared_memory, loopback, proxies,
    sleep, mlx, blas,
)  # fmt: skip
