"""Have the system start loopd at login and again after a crash: launchd on macOS, systemd on Linux.

    python ops/service.py install [--profile mac-studio] [--set NAME=VALUE ...]
    python ops/service.py uninstall
    python ops/service.py print

Run it with the Python of loopd's environment. `--set` gives the service an environment variable. Name key files there
(`DS_KEY_FILE=/path`), never keys: a service file is no safe place, and a key is refused.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from xml.sax.saxutils import escape

from loop.runtime import paths

HERE = Path(__file__).resolve().parent
LABEL = "loopd.daemon"
UNIT = "loopd.service"
SEARCH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
SECRET = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")


class Launchd:
    """A launchd agent of this user."""

    file = Path.home() / "Library/LaunchAgents" / f"{LABEL}.plist"

    def text(self, facts: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """Fill the template in."""
        pairs = (f"<key>{escape(name)}</key><string>{escape(value)}</string>" for name, value in environment.items())
        escaped = {name: escape(value) for name, value in facts.items()}
        return Template((HERE / "loopd.plist").read_text()).substitute(escaped, environment="\n        ".join(pairs))

    def load(self) -> None:
        """Start it; a Mac where nobody sits at the screen has only the user's domain."""
        self.unload()
        if not _succeeds("launchctl", "bootstrap", f"gui/{os.getuid()}", str(self.file)):
            _run("launchctl", "bootstrap", f"user/{os.getuid()}", str(self.file))

    def unload(self) -> None:
        """End it."""
        for domain in ("gui", "user"):
            _succeeds("launchctl", "bootout", f"{domain}/{os.getuid()}/{LABEL}")


class Systemd:
    """A systemd unit of this user."""

    file = Path.home() / ".config/systemd/user" / UNIT

    def text(self, facts: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """Fill the template in."""
        pairs = (f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items())
        quoted = {name: _quoted(value) for name, value in facts.items()}
        return Template((HERE / UNIT).read_text()).substitute(quoted, environment="\n".join(pairs))

    def load(self) -> None:
        """Start it, now and at every login."""
        _run("systemctl", "--user", "daemon-reload")
        _run("systemctl", "--user", "enable", "--now", UNIT)

    def unload(self) -> None:
        """End it."""
        _succeeds("systemctl", "--user", "disable", "--now", UNIT)


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    service = Launchd() if options.system == "darwin" else Systemd()
    if options.verb == "uninstall":
        service.unload()
        service.file.unlink(missing_ok=True)
        return
    text = service.text(_facts(options.profile), _environment(options.set))
    if options.verb == "print":
        sys.stdout.write(text)
        return
    paths.find().create()
    service.file.parent.mkdir(parents=True, exist_ok=True)
    service.file.write_text(text)
    service.load()
    sys.stdout.write(f"{service.file} is installed and runs. See `loopd status`; end it with `loopd stop`.\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["install", "uninstall", "print"])
    parser.add_argument("--profile", default="mac-studio")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--system", choices=["darwin", "linux"], default=sys.platform, help=argparse.SUPPRESS)
    return parser


def _facts(profile: str) -> dict[str, str]:
    loopd = Path(sys.executable).with_name("loopd")
    if not loopd.exists():
        raise SystemExit(f"{loopd} is not there. Run this with the Python of loopd's environment: .venv/bin/python")
    return {"loopd": str(loopd), "profile": profile, "home": str(Path.home()), "logs": str(paths.find().logs)}


def _environment(pairs: Sequence[str]) -> dict[str, str]:
    given = dict(pair.partition("=")[::2] for pair in pairs)
    secrets = [name for name in given if name.upper().endswith(SECRET)]
    if secrets:
        raise SystemExit(f"{', '.join(secrets)}: write the key to a file (mode 600) and set DS_KEY_FILE to its path.")
    home = {"LOOPD_HOME": os.environ["LOOPD_HOME"]} if "LOOPD_HOME" in os.environ else {}
    return {"PATH": SEARCH, **home, **given}


def _quoted(text: str) -> str:
    """Quote a word as systemd reads it: C escapes in double quotes, doubled percent signs."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _run(*command: str) -> None:
    if not _succeeds(*command):
        raise SystemExit(f"`{' '.join(command)}` failed; its message is above.")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    main(sys.argv[1:])
