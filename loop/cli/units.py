"""What launchd and systemd are told about loopd: a file of this user's, and how it is loaded.

Nothing secret stands in it: a service file is read by every program of the user, copied into backups and sent around.
"""

import os
import plistlib
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from loop.errors import AlreadyRunning, CannotCreate, ConfigError, Damaged
from loop.runtime.durable import replace_text

LABEL: Final = "loopd.daemon"
UNIT: Final = "loopd.service"
GRACE: Final = 30
"""Seconds from SIGTERM to SIGKILL: longer than the children's own."""
FILES: Final = 8192
"""Descriptors that Ray asks for; launchd gives 256."""
FINAL: Final = tuple(each.exit_code for each in (Damaged, CannotCreate, AlreadyRunning, ConfigError))
"""Exit codes after which trying again changes nothing."""
GIVE_UP: Final = "--give-up"
"""Has `loopd start` end with 0 where it would end with one of them: launchd tries again after any other code."""


class System(ABC):
    """What starts programs at login, and again after a crash."""

    @property
    @abstractmethod
    def file(self) -> Path:
        """Where it looks for the file."""

    @abstractmethod
    def text(self, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> str:
        """Spell the file.

        Raises:
            ConfigError: a path cannot stand in it.
        """

    @abstractmethod
    def load(self) -> None:
        """Start it, now and at every login.

        Raises:
            CannotCreate: the system refuses it.
        """

    @abstractmethod
    def unload(self) -> None:
        """End it, and start it no more."""

    @abstractmethod
    def runs(self) -> bool:
        """Whether the system has it running."""

    def install(self, text: str) -> None:
        """Write the file, for this user's eyes, and load it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self.file, text)
        self.file.chmod(0o600)
        self.load()


class Launchd(System):
    """A launchd agent of this user."""

    @property
    def file(self) -> Path:
        """Where launchd looks for agents."""
        return Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist"

    def text(self, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> str:
        """Spell a property list. Each key has its reason in launchd.plist(5)."""
        agent = {
            "Label": LABEL,
            "ProgramArguments": [*command, GIVE_UP],
            "RunAtLoad": True,
            # Again after a crash, not after exit code 0: `loopd stop`, or where trying again changes nothing.
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": GRACE,
            # Without it launchd throttles processor and disk as for background work, several times slower.
            "ProcessType": "Interactive",
            # Background too: a Mac without a screen has no Aqua session.
            "LimitLoadToSessionType": ["Aqua", "Background"],
            "SoftResourceLimits": {"NumberOfFiles": FILES},
            "Umask": 0o077,
            "WorkingDirectory": str(Path.home()),
            "EnvironmentVariables": dict(environment),
            # launchd rotates nothing. The daemon's own log rotates; only what it cannot log itself comes here.
            "StandardOutPath": "/dev/null",
            "StandardErrorPath": str(logs / "service.err"),
        }
        try:
            return plistlib.dumps(agent, sort_keys=False).decode()
        except ValueError as error:
            raise ConfigError(f"launchd cannot represent a path or value: {error}") from error

    def load(self) -> None:
        """Start it; a Mac where nobody sits at the screen has only the user's domain."""
        self.unload()
        if not _succeeds("launchctl", "bootstrap", f"gui/{os.getuid()}", str(self.file)):
            _run("launchctl", "bootstrap", f"user/{os.getuid()}", str(self.file))

    def unload(self) -> None:
        """End it."""
        for domain in ("gui", "user"):
            _succeeds("launchctl", "bootout", f"{domain}/{os.getuid()}/{LABEL}")

    def runs(self) -> bool:
        """Ask launchd for its process."""
        answers = [_said("launchctl", "print", f"{domain}/{os.getuid()}/{LABEL}") for domain in ("gui", "user")]
        return any("state = running" in answer for answer in answers)


class Systemd(System):
    """A systemd unit of this user."""

    @property
    def file(self) -> Path:
        """Where systemd looks for a user's units."""
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd/user" / UNIT

    def text(self, command: Sequence[str], environment: Mapping[str, str], logs: Path) -> str:
        """Spell a unit. Each key has its reason in systemd.service(5) and systemd.exec(5)."""
        del logs  # the journal keeps what it says
        words = " ".join(_quoted(word).replace("$", "$$") for word in command)
        pairs = "\n".join(f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items())
        return f"""[Unit]
Description=loopd, which makes a small tool-calling model better

[Service]
Type=exec
ExecStart={words}
WorkingDirectory=~
{pairs}
UMask=0077
LimitNOFILE={FILES}
NoNewPrivileges=yes
# Again after a crash, not after `loopd stop`, which ends it with exit code 0, nor where trying again changes nothing.
Restart=on-failure
RestartSec=10
RestartPreventExitStatus={" ".join(map(str, FINAL))}
# SIGTERM to the daemon, which ends its children; SIGKILL to whatever is left of them.
KillMode=mixed
TimeoutStopSec={GRACE}
# A model child that runs out of memory is the daemon's to handle.
OOMPolicy=continue
StandardOutput=null
StandardError=journal

[Install]
WantedBy=default.target
"""

    def load(self) -> None:
        """Start it, now and at every login."""
        _run("systemctl", "--user", "daemon-reload")
        _run("systemctl", "--user", "enable", "--now", UNIT)

    def unload(self) -> None:
        """End it."""
        _succeeds("systemctl", "--user", "disable", "--now", UNIT)

    def runs(self) -> bool:
        """Ask systemd for its state."""
        return _said("systemctl", "--user", "is-active", UNIT).strip() == "active"


def here(platform: str = sys.platform) -> System:
    """Give the one that this machine has."""
    return Launchd() if platform == "darwin" else Systemd()


def _quoted(text: str) -> str:
    """Quote a word as systemd reads it: C escapes in double quotes, doubled percent signs."""
    spelt = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + "".join(letter if letter >= " " else f"\\x{ord(letter):02x}" for letter in spelt) + '"'


def _run(*command: str) -> None:
    done = _done(command)
    if done is None or done.returncode:
        why = done.stderr.strip() if done else f"there is no {command[0]}"
        raise CannotCreate(f"`{' '.join(command)}` failed: {why[:300]}")


def _succeeds(*command: str) -> bool:
    done = _done(command)
    return done is not None and done.returncode == 0


def _said(*command: str) -> str:
    done = _done(command)
    return done.stdout if done else ""


def _done(command: Sequence[str]) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
