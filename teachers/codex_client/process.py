"""One child process that is not trusted: own process group, bare environment, hard wall clock, bounded output.

Works on POSIX alike (Linux, macOS). Whatever happens, leaving the `with` block leaves no process of the group behind.
"""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

from loop.errors import FailureKind, ProviderError
from teachers.provider.retry import AttemptFailed

CHUNK: Final = 65536
GRACE: Final = 2.0
"""Seconds between the polite signal and SIGKILL."""
TAIL: Final = 40
"""Lines of the error stream that are kept as evidence."""

Stream = Literal["out", "err"]


class Line(NamedTuple):
    """One line that the child wrote."""

    stream: Stream
    text: str


class ClientProcess:
    """A running program with three pipes, used from one thread."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, *, cap: int = 8_000_000) -> None:
        """Start it.

        Args:
            argv: the program and its arguments; no shell.
            env: its whole environment.
            cwd: an empty directory.
            cap: bytes that it may write altogether.

        Raises:
            ProviderError: FATAL, the program cannot be started.
        """
        try:
            self.process = subprocess.Popen(
                list(argv), env=dict(env), cwd=cwd, start_new_session=True, bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise ProviderError(FailureKind.FATAL, f"{argv[0]} cannot be started: {error.strerror}") from error
        self._left = cap
        self._lines: deque[Line] = deque()
        self._partial: dict[Stream, bytearray] = {"out": bytearray(), "err": bytearray()}
        self.errors: deque[str] = deque(maxlen=TAIL)
        self._unsent = bytearray()
        self._ending = False
        self._selector = selectors.DefaultSelector()
        self._watch()

    def _watch(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        os.set_blocking(self.process.stdin.fileno(), False)
        self._selector.register(self.process.stdout, selectors.EVENT_READ, "out")
        self._selector.register(self.process.stderr, selectors.EVENT_READ, "err")

    def __enter__(self) -> Self:
        """Use it in a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing of its group running."""
        self.kill()

    def send(self, text: str, *, last: bool = False) -> None:
        """Queue text for its standard input; it goes out while lines are awaited. `last` closes the input after it."""
        assert self.process.stdin
        if not self._unsent and not self._ending:
            with suppress(KeyError):
                self._selector.unregister(self.process.stdin)
            self._selector.register(self.process.stdin, selectors.EVENT_WRITE, "in")
        self._unsent += text.encode()
        self._ending = self._ending or last

    def line(self, deadline: float) -> Line | None:
        """Wait for its next line; None at the end of its output.

        Args:
            deadline: in `time.monotonic()` seconds.

        Raises:
            AttemptFailed: RETRYABLE when the time is up, BAD_OUTPUT when it writes too much.
        """
        while not self._lines:
            if not self._reading():
                return None
            self._pump(deadline)
        return self._lines.popleft()

    def _reading(self) -> bool:
        return any(key.data != "in" for key in self._selector.get_map().values())

    def _pump(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise AttemptFailed(FailureKind.RETRYABLE, "no answer within the time given to one step")
        for key, _ in self._selector.select(left):
            if key.data == "in":
                self._write()
            else:
                self._read(key.data)

    def _write(self) -> None:
        assert self.process.stdin
        with suppress(BlockingIOError):
            try:
                sent = os.write(self.process.stdin.fileno(), self._unsent[:CHUNK])
            except BrokenPipeError:
                sent, self._ending = len(self._unsent), True
            del self._unsent[:sent]
        if not self._unsent:
            self._selector.unregister(self.process.stdin)
            if self._ending:
                self.process.stdin.close()

    def _read(self, stream: Stream) -> None:
        pipe = self.process.stdout if stream == "out" else self.process.stderr
        assert pipe
        data = os.read(pipe.fileno(), CHUNK)
        self._left -= len(data)
        if self._left < 0:
            raise AttemptFailed(FailureKind.BAD_OUTPUT, "it wrote more than a teacher may")
        held = self._partial[stream]
        held += data
        if data and b"\n" not in data:
            return
        *whole, rest = held.split(b"\n")
        if not data:
            self._selector.unregister(pipe)
            whole, rest = [*whole, rest], bytearray()
        self._partial[stream] = rest
        self._keep(stream, [line for line in whole if line.strip()])

    def _keep(self, stream: Stream, lines: list[bytearray]) -> None:
        kept = [Line(stream, line.decode(errors="replace")) for line in lines]
        self._lines.extend(kept)
        if stream == "err":
            self.errors.extend(line.text for line in kept)

    def wait(self, seconds: float = GRACE) -> int | None:
        """Wait for its end; None when it has not ended by then."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the whole group: politely, then not. Harmless when it has ended."""
        if self.process.poll() is None:
            self._signal(signal.SIGINT)
            self.wait()
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        # The group outlives its leader while a grandchild runs, so it is signalled even when the leader is gone.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
