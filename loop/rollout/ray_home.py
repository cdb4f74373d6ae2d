"""Ray's own files while it runs: sockets and logs in a private directory with a short path, and a token.

The path of a socket ends at 103 characters on macOS, so neither the data directory nor TMPDIR will do; and /tmp is
swept by the system, while a daemon runs for weeks. What a killed daemon left is found by a note and removed.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

PARENT: Final = Path("/var/tmp")  # noqa: S108 - a private directory is made in it
PREFIX: Final = "loopd-ray-"
INNER: Final = "r"
"""Ray's own directory within the home. Ray opens it to everybody, so that only the home around it keeps others out."""
NOTE: Final = "ray.directory"
KEY: Final = "ray.token"


def make(run: Path) -> tuple[Path, dict[str, str]]:
    """Make a home, noted in `run`. Returns it and the environment that Ray reads as it is imported.

    The environment means: loopback only, a private token for every connection, no report to Ray's makers, small logs.
    """
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory, token = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PARENT)), run / KEY
    (run / NOTE).write_text(str(directory))
    token.touch(mode=0o600, exist_ok=False)
    token.write_text(secrets.token_hex(32))
    return directory, {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ROTATION_MAX_BYTES": "10000000",
        "RAY_ROTATION_BACKUP_COUNT": "1",
    }


def remove(run: Path) -> None:
    """Remove the home that `run` notes, whoever made it; nothing where there is none."""
    with suppress(OSError):
        directory = Path((run / NOTE).read_text())
        if directory.parent == PARENT and directory.name.startswith(PREFIX) and directory.lstat().st_uid == os.getuid():
            shutil.rmtree(directory, ignore_errors=True)
    (run / NOTE).unlink(missing_ok=True)
    (run / KEY).unlink(missing_ok=True)


def occupy(directory: Path) -> None:
    """Keep systemd-tmpfiles away for as long as this process lives: it passes over what somebody has locked."""
    fcntl.flock(os.open(directory, os.O_RDONLY), fcntl.LOCK_SH)
