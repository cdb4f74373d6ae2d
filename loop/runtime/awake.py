"""Holding off the machine's sleep while there is work: `caffeinate` on macOS, `systemd-inhibit` on Linux.

Either runs `cat` on a pipe that only this process holds: however this process ends, the pipe ends, and the machine may
sleep again. Nothing is done about sleep that somebody asks for, by the lid or the menu.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType, TracebackType
from typing import Final, Self

import structlog

log = structlog.get_logger()
COMMANDS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "darwin": ("caffeinate", "-i", "cat"),
        "linux": ("systemd-inhibit", "--what=sleep:idle", "--who=loopd", "--why=It works", "--mode=block", "cat"),
    }
)
MOMENT: Final = 0.5
"""Seconds within which it is refused."""
PATIENCE: Final = 5.0
"""Seconds that it may take to end."""


class Awake:
    """Holds off sleep for as long as its block lasts, except within `off`."""

    def __init__(self, command: Sequence[str] | None = COMMANDS.get(sys.platform)) -> None:
        """Prepare it.

        Args:
            command: what holds off sleep until its stdin ends; None holds off nothing.
        """
        self._command = command
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Hold off sleep; where the system refuses, work goes on all the same."""
        if self._command is not None and self._holder is None:
            quiet = subprocess.DEVNULL
            try:
                self._holder = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
            except OSError as error:
                log.info("sleep_not_held_off", why=str(error))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the machine sleep."""
        holder, self._holder = self._holder, None
        if holder is None:
            return
        assert holder.stdin is not None
        holder.stdin.close()
        try:
            holder.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()

    def settled(self) -> bool:
        """Whether sleep is held off, a moment after it was asked for: where it is refused, the program ends at once."""
        if self._holder is None:
            return False
        with suppress(subprocess.TimeoutExpired):
            self._holder.wait(MOMENT)
        return self._holder.poll() is None

    @contextmanager
    def off(self) -> Iterator[None]:
        """Let the machine sleep for as long as there is nothing to do."""
        before = self._holder is not None
        self.__exit__(None, None, None)
        try:
            yield
        finally:
            if before:
                self.__enter__()
