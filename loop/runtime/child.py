"""Every child process of the daemon: how it starts, talks, and ends with us, however we end.

A child leads its own session, so that Ctrl-C in the terminal reaches the daemon alone. Its stdin is a pipe that only
the daemon holds: end of file there means that the daemon is gone, and the child must exit (`exit_with_parent`). What
was stopped or stuck when the daemon was killed is ended by the next one (`reap`).
"""

import contextlib
import itertools
import os
import re
import selectors
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NoReturn, Self

import psutil
from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.errors import CannotCreate, FailureKind, OutOfMemory, ProviderError
from loop.types import Record

KEPT: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
    *("https_proxy", "http_proxy", "no_proxy"),
)
"""What a child inherits of our environment. Credentials are given by name to the children that need them."""

MAX_LINE: Final = 32 * 1024 * 1024
"""Longest line that a child may print, bytes: a whole trajectory with its token ids fits."""
MAX_LOG: Final = 20 * 1024 * 1024
NO_MEMORY: Final = re.compile(
    r"insufficient memory|outofmemory|out of memory|attempting to allocate|unable to allocate"
    r"|bad_alloc|memoryerror|cannot allocate memory"
    r"|impacting ?interactivity|gpu timeout|callbackerrortimeout|gpu hang|callbackerrorhang|resource limit",
    re.IGNORECASE,
)
"""What Metal, MLX's allocators, C++, Python and the kernel say when there is no more, and what Metal's watchdog says of
a step that kept the GPU too long: the same step would meet the same watchdog, a smaller one does not."""
KERNEL: Final = Path("/proc/vmstat")
"""Where Linux counts what it killed for want of memory; elsewhere there is none."""
CHUNK: Final = 64 * 1024
TAIL: Final = 2000
CLOCK: Final = 1.0
"""How far two readings of one process's start may lie apart, seconds."""
LAST: Final = 5.0
"""Seconds to wait for the killed: one in a system call that cannot be interrupted may outlast them."""
REBOOT: Final = 60.0
"""How far two readings of the machine's start may lie apart, seconds: more is another start."""


class ChildRecord(Record):
    """What is left on disk of a running child. A pid alone names nothing: it is given out again."""

    name: str
    pid: int
    created: float
    """When the process began, seconds since the epoch."""
    booted: float
    """When the machine began, seconds since the epoch: session ids mean nothing after a restart."""


class Child:
    """One child process: JSON lines in and out, stderr in a log file, ended as a group.

    Args:
        name: What it is, for the log's and the record's file names.
        arguments: Program and arguments; never a shell line.
        run: Directory for the record by which a later daemon finds it.
        logs: Directory for `<name>.log`.
        environment: What it gets beside `KEPT`.
        grace: Seconds between SIGTERM and SIGKILL.

    Raises:
        CannotCreate: the log or the record cannot be written.
        ProviderError: the program cannot be started (FATAL).
    """

    def __init__(  # noqa: PLR0913 - a process has a name, a program, two places and two settings
        self,
        name: str,
        arguments: Sequence[str],
        *,
        run: Path,
        logs: Path,
        environment: Mapping[str, str] | None = None,
        grace: float = 10.0,
    ) -> None:
        self.name, self.grace, self.log = name, grace, logs / f"{name}.log"
        self._oom_kills = _oom_kills()
        self._process, self._begin = _start(name, arguments, self.log, scrubbed(environment or {}))
        self.pid = self._process.pid
        self._buffer = bytearray()
        self._trace = _trace(name, self.pid)
        self._path = _store(run, self._trace)

    def __enter__(self) -> Self:
        """Run for as long as the block lasts."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.terminate()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def send(self, line: str) -> None:
        """Write one line to its stdin.

        Raises:
            ProviderError: it is gone (LOST).
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self.lost() from error

    def line(self, timeout: float | None = None) -> bytes | None:
        """Read the next line from its stdout, without the line end; None at the end of file.

        Raises:
            TimeoutError: no whole line came within `timeout` seconds.
            ProviderError: the line is longer than `MAX_LINE` (BAD_OUTPUT); the child is ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > MAX_LINE:
                self.terminate()
                raise ProviderError(FailureKind.BAD_OUTPUT, f"{self.name} printed a line beyond {MAX_LINE} bytes")
            if not self._fill(deadline):
                return None
        text = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return text

    def messages(self, timeout: float | None = None) -> Iterator[dict[str, JsonValue]]:
        """Read JSON objects from its stdout until the end of file, each within `timeout` seconds.

        Other lines, which a library may print, go to the log.

        Raises:
            TimeoutError, ProviderError: as `line` does.
        """
        while (line := self.line(timeout)) is not None:
            try:
                message = parse(line)
            except NotJson:
                message = None
            if isinstance(message, dict):
                yield message
            else:
                self._note(line)

    def drain(self) -> None:
        """Throw away what it prints from now on, so that a full pipe never stops it."""
        threading.Thread(target=self._discard, name=f"drain-{self.name}", daemon=True).start()

    def lost(self) -> ProviderError:
        """Say that it went away, how, and what it said last on stderr; `OutOfMemory` where it did too much at once."""
        code = self._wait(1.0)
        how = "still runs" if code is None else _ending(code)
        message = f"{self.name} (pid {self.pid}) {how}. {self.tail()}".rstrip()
        return (OutOfMemory if self.out_of_memory else ProviderError)(FailureKind.LOST, message)

    @property
    def out_of_memory(self) -> bool:
        """Whether it did too much at once: killed by the kernel, or with an allocator's or a watchdog's last words.

        Where the kernel keeps no count of those it killed, whoever was killed counts as one of them.
        """
        code = self._process.poll()
        if code == -signal.SIGKILL:
            return self._oom_kills is None or _oom_kills() != self._oom_kills
        return bool(code) and NO_MEMORY.search(self.tail()) is not None

    def tail(self) -> str:
        """Read the end of what it wrote to stderr."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._begin, size - TAIL))
            return file.read(TAIL).decode(errors="replace").strip()

    def terminate(self) -> None:
        """End it and all that it started: SIGTERM, `grace` seconds, SIGKILL to what is left of its session."""
        self._close(self._process.stdin)
        self._process.terminate()
        if self._wait(self.grace) is None:
            self._process.kill()
            self._wait(LAST)
        _kill(self._trace)
        self._close(self._process.stdout)
        self._path.unlink(missing_ok=True)

    def _fill(self, deadline: float | None) -> bool:
        """Read one chunk into the buffer. False at the end of file."""
        stdout = self._process.stdout
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(None if deadline is None else max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"{self.name} (pid {self.pid}) did not answer in time")
        chunk = os.read(stdout.fileno(), CHUNK)
        self._buffer += chunk
        return bool(chunk)

    def _discard(self) -> None:
        assert self._process.stdout is not None
        try:
            while os.read(self._process.stdout.fileno(), CHUNK):
                pass
        except (OSError, ValueError):
            return

    def _note(self, line: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(line[:TAIL] + b"\n")

    def _wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _close(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        with contextlib.suppress(OSError):
            pipe.close()


def scrubbed(given: Mapping[str, str]) -> dict[str, str]:
    """Build a child's environment: what is harmless of ours, then what is given."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = [*filter(None, given.get("PYTHONPATH", "").split(os.pathsep)), *search_path()]
    extra = {"PYTHONPATH": os.pathsep.join(path)} if path else {}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", **given, **extra}


def search_path() -> list[str]:
    """Say where this process finds modules before the standard library: what PYTHONPATH named, the working directory.

    Children look there as well, so that a plug-in which the daemon has found is found by all that works for it.
    """
    library = Path(os.__file__).parent
    before = itertools.takewhile(lambda directory: Path(directory) != library, sys.path)
    absolute = [str(Path(directory).absolute()) for directory in before if Path(directory).exists()]
    return [directory for directory in absolute if directory != sysconfig.get_path("scripts")]


def exit_with_parent() -> None:
    """Called in a child that reads nothing from stdin: exit at once when the daemon is gone."""
    threading.Thread(target=_follow, name="parent", daemon=True).start()


def _follow() -> None:
    while sys.stdin.buffer.read(CHUNK):
        pass
    os._exit(0)


def end_session() -> NoReturn:
    """Called in a child: kill all that it started, then itself."""
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if pid != os.getpid() and os.getsid(pid) == os.getpid():
                os.kill(pid, signal.SIGKILL)
    os._exit(1)


def reap(run: Path) -> list[str]:
    """End what a killed daemon left running, by the records in `run`; removes them and its tokens. Tells the names.

    A record whose process is another one by now (pid and start must both match) ends nothing.
    """
    ended = []
    for path in sorted(run.glob("*.child.json")):
        with contextlib.suppress(OSError, ValueError):
            trace = ChildRecord.model_validate_json(path.read_bytes())
            ended += [trace.name] if _kill(trace) else []
        path.unlink(missing_ok=True)
    for path in run.glob("*.token"):
        path.unlink(missing_ok=True)
    return ended


def _start(
    name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]
) -> tuple["subprocess.Popen[bytes]", int]:
    """Start the program; also tell where in the log its own lines begin."""
    with _open_log(log) as file:
        begin = file.tell()
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ProviderError(FailureKind.FATAL, f"{name} cannot be started: {arguments[0]}: {error}") from error
    return process, begin


def _open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; one that has grown too long becomes `.1` first."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_LOG:
            path.replace(path.with_name(f"{path.name}.1"))
        return path.open("ab")
    except OSError as error:
        raise CannotCreate(f"{path}: {error.strerror}. Set LOOPD_HOME to a directory that can be written.") from error


def _trace(name: str, pid: int) -> ChildRecord:
    try:
        created = psutil.Process(pid).create_time()
    except psutil.Error:  # it is over already
        created = time.time()
    return ChildRecord(name=name, pid=pid, created=created, booted=psutil.boot_time())


def _store(run: Path, trace: ChildRecord) -> Path:
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = run / f"{trace.name}-{trace.pid}.child.json"
    path.write_text(trace.model_dump_json())
    return path


def _kill(trace: ChildRecord) -> bool:
    """Kill whatever is left of a child's session. True where there was something."""
    members = processes = _members(trace)
    deadline = time.monotonic() + LAST
    while members and time.monotonic() < deadline:
        for member in members:
            with contextlib.suppress(psutil.Error):
                member.kill()
        time.sleep(0.01)
        members = _members(trace)
    return bool(processes)


def _members(trace: ChildRecord) -> list[psutil.Process]:
    """List the living processes of a child's session, the leader dead or alive; none where the leader is a stranger."""
    if abs(psutil.boot_time() - trace.booted) > REBOOT or _stranger(trace):
        return []
    members = (_member(pid, trace) for pid in psutil.pids())
    return [process for process in members if process is not None]


def _stranger(trace: ChildRecord) -> bool:
    try:
        return abs(psutil.Process(trace.pid).create_time() - trace.created) > CLOCK
    except psutil.Error:
        return False


def _member(pid: int, trace: ChildRecord) -> psutil.Process | None:
    try:
        if os.getsid(pid) != trace.pid:
            return None
        process = psutil.Process(pid)
        living = process.status() != psutil.STATUS_ZOMBIE and process.create_time() > trace.created - CLOCK
    except (OSError, psutil.Error):
        return None
    return process if living else None


def _oom_kills() -> int | None:
    """Count what the kernel has killed for want of memory; None where it does not say."""
    try:
        counts = dict(line.split() for line in KERNEL.read_text().splitlines())
    except OSError:
        return None
    return int(counts["oom_kill"]) if "oom_kill" in counts else None


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
