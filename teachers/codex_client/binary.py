"""Finds the operator's Codex client, asks its version and models, and composes what it may see of the environment."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from loop.errors import FailureKind, ProviderError
from teachers.codex_client.config import listed_models

OLDEST: Final = (0, 150, 0)
"""The oldest client that has what is needed."""
STRICT: Final = (0, 163, 0)
"""From this version on every key of ours is known, so an unknown one is an error."""
INHERITED: Final = ("HTTPS_PROXY", "NO_PROXY", "CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")
"""What the client may need of the operator's environment to reach its provider, and no secret."""
SETUP_S: Final = 30
NATIVE: Final = ("codex-*/vendor/*/bin/codex", "codex-*/vendor/*/codex/codex")
"""Where the Node package keeps the program that its script starts."""


def find_binary(name: str) -> Path:
    """Find the client's program; the native one where a Node script stands for it, which starts faster.

    Raises:
        ProviderError: FATAL, it is not installed.
    """
    program = shutil.which(Path(name).expanduser())
    if program is None:
        raise ProviderError(
            FailureKind.FATAL,
            f"There is no Codex client '{name}'. Install it, or set the teacher's 'binary' to its path.",
        )
    path = Path(program).resolve()
    return native_of(path) if is_script(path) else path


def is_script(path: Path) -> bool:
    """Say whether a program needs an interpreter."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def native_of(script: Path) -> Path:
    """Find the program behind `…/@openai/codex/bin/codex.js`; the script itself where there is none."""
    package = script.parent.parent
    places = (package / "node_modules/@openai", package.parent)
    paths = [path for index in places for pattern in NATIVE for path in index.glob(pattern) if path.is_file()]
    return paths[0].resolve() if paths else script


def environment(program: Path, root: Path, empty: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Compose the client's whole environment.

    TZ is fixed because its texts give local times. A native client needs no program of ours, so it finds none.
    """
    fixed = {"HOME": str(empty), "CODEX_HOME": str(root), "TZ": "UTC", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    path = _script_path() if is_script(program) else str(empty)
    return fixed | {"PATH": path} | {name: environ[name] for name in INHERITED if environ.get(name)}


def _script_path() -> str:
    node = shutil.which("node")
    return ":".join([*([str(Path(node).parent)] if node else []), "/usr/bin", "/bin"])


def ask_version(program: Path, env: Mapping[str, str]) -> str:
    """Ask `codex --version`.

    Raises:
        ProviderError: FATAL, it does not answer.
    """
    return _run(program, "--version", env=env)


def ask_models(program: Path, env: Mapping[str, str]) -> list[Mapping[str, JsonValue]]:
    """Ask which models the client knows; it reaches no network for that.

    Raises:
        ProviderError: FATAL, it does not answer.
    """
    try:
        return listed_models(_run(program, "debug", "models", env=env))
    except ValueError as error:
        raise ProviderError(FailureKind.FATAL, f"{program} lists no models: {error}") from error


def _run(program: Path, *arguments: str, env: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], env=dict(env), cwd=env["HOME"], capture_output=True, timeout=SETUP_S,
            stdin=subprocess.DEVNULL, check=True, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise ProviderError(FailureKind.FATAL, f"{program} {' '.join(arguments)}: {error}") from error
    return done.stdout.decode(errors="replace")


def read_version(text: str) -> tuple[int, int, int]:
    """Read `codex-cli 0.163.0`.

    Raises:
        ProviderError: FATAL, it is no version, or an older one than is supported.
    """
    triple = r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})"
    match = re.search(rf"codex\S* v?{triple}", text) or re.search(triple, text)  # a wrapper may print a line before
    if match is None:
        raise ProviderError(FailureKind.FATAL, f"'{text[:80].strip()}' names no version of the Codex client.")
    version = (int(match[1]), int(match[2]), int(match[3]))
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ProviderError(FailureKind.FATAL, f"The Codex client is {match[0]}; {oldest} is the oldest supported.")
    return version
