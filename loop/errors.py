"""What can go wrong, in three kinds.

1. The operator can mend it (`LoopdError`): one line that names the place and what to type next, and an exit code.
2. A provider failed (`ProviderError`): a model server, a teacher, a child process. It is recorded on the play as a
   `Failure` and never counts against the player (rule 8).
3. Anything else is a bug: it is not caught, the daemon stops, the service manager starts it again.

A bad play is none of these: it is data, a trajectory that no checker accepts.
"""

from difflib import get_close_matches
from enum import StrEnum


class LoopdError(Exception):
    """loopd cannot go on."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class UsageError(LoopdError):
    """The command line cannot be read."""

    exit_code = 2


class NotFound(LoopdError):
    """There is no such thing."""

    exit_code = 4


class CheckNegative(LoopdError):
    """The check found a problem."""

    exit_code = 3


class Damaged(LoopdError):
    """The store holds what loopd never wrote: a row that was changed by hand, or that a disk spoiled."""

    exit_code = 65

    def __init__(self, message: str) -> None:
        """Say what is damaged, in one line."""
        super().__init__(f"{' '.join(message.split())}. See whatever else is wrong: loopd fsck")


class NotRunning(LoopdError):
    """No daemon is running on this data. Type `loopd start` to start one."""

    exit_code = 69


class NoAnswer(LoopdError):
    """A daemon is running on this data and does not answer."""

    exit_code = 75


class CannotCreate(LoopdError):
    """A file or directory cannot be written."""

    exit_code = 73


class AlreadyRunning(LoopdError):
    """Another loopd holds this data."""

    exit_code = 75


class Sealed(LoopdError):
    """Only a promotion opens a sealed suite."""

    exit_code = 77


class ConfigError(LoopdError):
    """The configuration cannot be used."""

    exit_code = 78


class Unsafe(LoopdError):
    """A file from outside was refused."""


class FailureKind(StrEnum):
    """Why a provider gave no answer. None of these is the player's fault, and none counts as a play."""

    RETRYABLE = "retryable"
    """It may work when asked again: a broken stream, a 5xx, a time-out."""
    QUOTA = "quota"
    """The provider asks us to wait, or the budget is spent."""
    AUTH = "auth"
    """The credential was refused."""
    FATAL = "fatal"
    """It will not work until somebody changes something."""
    BAD_INPUT = "bad_input"
    """The provider refuses what we sent: too long, malformed."""
    BAD_OUTPUT = "bad_output"
    """The provider answered something that is no answer."""
    UNSAFE = "unsafe"
    """The provider tried what it was not offered."""
    LOST = "lost"
    """The worker or the model child went away."""


class ProviderError(LoopdError):
    """A provider gave no answer."""

    def __init__(self, kind: FailureKind, message: str, retry_at: float | None = None) -> None:
        """Say what failed and, where the provider told, when to come back (seconds since the epoch)."""
        super().__init__(message)
        self.kind = kind
        self.retry_at = retry_at


class OutOfMemory(ProviderError):
    """A child ended because memory ran out, or a step kept the GPU too long: it may work with less at once."""


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """End an error about an unknown word: the nearest known one, then all of them."""
    close = get_close_matches(word, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{hint} Known: {', '.join(sorted(known))}."
