"""Checks of the service: whether it starts what is here, and finds what teachers need."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loop.cli import access, service, units
from loop.cli.checks.found import Check, CheckResult, judged


def installed() -> Iterator[CheckResult]:
    """The service starts the loopd that is here."""
    file = units.here().file
    if not file.exists():
        yield CheckResult(check="service", state="ok", detail="not installed; to start at login: loopd service install")
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    program = shutil.which("loopd") or ""
    right = any(path in text for path in {program, str(Path(program).resolve())} if path)
    yield judged("service", right, str(file), "It starts another loopd. Type: loopd service install")


def programs() -> Iterator[CheckResult]:
    """What teachers start is found by the service too, which has another PATH than a terminal."""
    wanted = {"codex"} if any(teacher.use == "codex" for teacher in access.settings().teachers) else set()
    located = service.programs(service.path())
    missing = sorted(name for name in wanted if located[name] == "not found")
    detail = f"not found: {', '.join(missing)}" if missing else "the service finds what its teachers start"
    fix = "Install it, or name its full path: [[teachers]] use = 'codex', settings = { binary = PATH }"
    yield judged("programs", not missing, detail, fix)


CHECKS: Final[tuple[Check, ...]] = (installed, programs)
