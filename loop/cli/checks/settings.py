"""Checks of the settings and of what they name: parts, data sets, suites, teachers, programs."""

import importlib.metadata
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loop import config, plugins
from loop.cli import access
from loop.cli.checks.found import Check, CheckResult, State, judged
from loop.errors import LoopdError
from loop.redaction import redacted
from loop.runtime import paths
from task_generators.backends import backend, bfcl
from task_generators.backends.bfcl_backend import BfclBackend
from task_generators.backends.installed import INSTALL, VERSION
from task_generators.suites import suite
from teachers.base.teacher import Teacher

ENTRIES: Final = 200
"""Of each multi-turn category of BFCL."""
NAME: Final = re.compile(r"[\w.-]+")
"""Of a distribution, at the beginning of a requirement."""


def files() -> Iterator[CheckResult]:
    """The files of settings: read by their owner alone, and without keys in them."""
    existing = [path for path in (paths.find().config / "loopd.toml", Path("loopd.toml")) if path.is_file()]
    yield CheckResult(check="settings", state="ok", detail=", ".join(map(str, existing)) or "the profile's alone")
    for path in existing:
        text = path.read_text(encoding="utf-8", errors="replace")
        clean = redacted(text) == text
        fix = f"Write the key to a file of mode 600 and name that: key_file = ... Then change the key: {path} was read."
        yield judged("keys in settings", clean, "none" if clean else f"{path} holds what looks like a key", fix)
        open_to = stat.S_IMODE(path.stat().st_mode) & 0o022
        yield judged(
            "settings' mode", not open_to, str(path), f"Others may change it: chmod go-w '{path}'", otherwise="fail"
        )


def configuration() -> Iterator[CheckResult]:
    """The settings go together."""
    settings = access.settings()
    yield CheckResult(
        check="configuration", state="ok", detail=f"profile {settings.profile}, digest {settings.digest[:12]}"
    )


def parts() -> Iterator[CheckResult]:
    """Every part exists and takes its settings."""
    try:
        config.examine(access.settings())
    except LoopdError as error:
        yield CheckResult(
            check="parts", state="fail", detail=str(error), fix="Mend it in loopd.toml, then: loopd config check"
        )
    else:
        yield CheckResult(check="parts", state="ok", detail="every setting of every part can be used")


def packages() -> Iterator[CheckResult]:
    """What loopd needs is installed."""
    missing = []
    for wanted in importlib.metadata.requires("loopd-rest") or []:
        name = NAME.match(wanted)
        if ";" not in wanted and name and not _installed(name[0]):
            missing.append(name[0])
    fix = "Install anew: delete .venv, then `make start`."
    yield judged(
        "packages", not missing, f"missing: {', '.join(missing)}" if missing else "all there", fix, otherwise="fail"
    )


def worlds() -> Iterator[CheckResult]:
    """The worlds' package is whole: every backend has its tools, and its world opens."""
    for name, one in backend.backends().items():
        if not isinstance(one, BfclBackend):
            continue
        try:
            tools = len(one.tools)
            one.open({}, long_context=False)
        except Exception as error:  # noqa: BLE001 - a package that lacks files fails in any way
            yield CheckResult(
                check=f"world {name}", state="fail", detail=f"{type(error).__name__}: {error}"[:200], fix=INSTALL
            )
            continue
        yield judged(f"world {name}", tools > 0, f"{tools} tools", INSTALL, otherwise="fail")


def dataset() -> Iterator[CheckResult]:
    """BFCL's own entries are there, all of them, and of the release that the suites are frozen on."""
    version = importlib.metadata.version("bfcl-eval") if _installed("bfcl-eval") else "not installed"
    yield judged("bfcl", version == VERSION, version, INSTALL, otherwise="fail")
    for category in bfcl.CATEGORIES:
        try:
            count = sum(1 for _ in bfcl.entries(category))
        except LoopdError as error:
            yield CheckResult(check=f"bfcl {category}", state="fail", detail=str(error)[:200], fix=INSTALL)
            continue
        yield judged(f"bfcl {category}", count == ENTRIES, f"{count} entries", INSTALL, otherwise="fail")


def suites() -> Iterator[CheckResult]:
    """The gates' suites can be made."""
    for part in access.settings().gating.gates:
        name = plugins.load("loop.gates", part).suite
        count = len(suite(name).tasks)
        yield judged(f"suite {name}", count > 0, f"{count} tasks", INSTALL, otherwise="fail")


def database() -> Iterator[CheckResult]:
    """The driver of the database that the settings name."""
    url = access.settings().database
    needed = url.startswith("postgres")
    fix = "Type: pip install 'psycopg[binary]>=3.3'"
    yield judged(
        "driver", not needed or _installed("psycopg"), "psycopg" if needed else "SQLite", fix, otherwise="fail"
    )


def teachers() -> Iterator[CheckResult]:
    """Examine what is configured, and the operator's own Codex client wherever there is one."""
    configured = list(access.settings().teachers)
    if shutil.which("codex") and all(teacher.use != "codex" for teacher in configured):
        configured.append(config.Teaching(use="codex"))
    for item in configured:
        teacher: Teacher = plugins.load("teachers", item)
        yield CheckResult(check=f"teacher {teacher.name}", state="ok", detail=f"can be set up ({item.use})")
        for finding in teacher.check():
            state: State = "ok" if finding.ok else "fail" if finding.weight == "must" else "warn"
            fix = (
                ""
                if finding.ok
                else f"Mend that, or take it out of [[teachers]]; then: loopd teacher test {teacher.name}"
            )
            yield CheckResult(
                check=f"teacher {teacher.name}: {finding.name}", state=state, detail=finding.detail, fix=fix
            )


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


CHECKS: Final[tuple[Check, ...]] = (
    files, configuration, parts, packages, worlds, dataset, suites, database, teachers,
)  # fmt: skip
