"""The private home of a Codex client: configuration, pruned catalogue, credential link, bare environment.

The user's own home (AGENTS.md, skills, MCP servers, hooks) must not reach a prompt, and the client's flags alone do
not keep it out; a home of its own does. It is made once per client version and settings and shared by every process.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from loop import paths
from loop.canonical import digest
from loop.errors import FailureKind, ProviderError
from loop.types import Record
from teachers._codex_config import Provider, config_toml, listed_models, pruned_catalog

OLDEST: Final = (0, 150, 0)
"""The oldest client that has what is needed."""
STRICT: Final = (0, 163, 0)
"""From this version on every key of ours is known, so an unknown one is an error."""
INHERITED: Final = ("HTTPS_PROXY", "NO_PROXY", "CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")
"""What the client may need of the operator's environment to reach its provider, and no secret."""
SETUP_S: Final = 30


class Home(Record):
    """A prepared client."""

    binary: Path
    version: tuple[int, int, int]
    root: Path
    """CODEX_HOME."""
    empty: Path
    """Its working and home directory; nothing lies in it."""
    env: dict[str, str]
    secrets: tuple[str, ...] = ()
    """What must not stand in evidence."""

    def __repr__(self) -> str:
        """Name it without its environment, which holds a key."""
        return f"Home({self.root}, codex-cli {'.'.join(map(str, self.version))})"

    def schema_file(self, schema: str) -> Path:
        """Keep an output schema under its digest; it is the same for a whole play."""
        path = self.root / "schemas" / f"{digest(schema)[:24]}.json"
        return path if path.exists() else write_once(path, schema)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the credential: processes that refresh one token at the same time invalidate each other's."""
        with (self.root / "auth.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def prepare(  # noqa: PLR0913 - one set-up, every part by name
    *,
    binary: str,
    model: str,
    effort: str,
    provider: Provider,
    auth_file: str,
    environ: Mapping[str, str],
    base: Path | None = None,
) -> Home:
    """Make the private home, or find it made; of `environ` only the key and the way to the network are used.

    Raises:
        ProviderError: FATAL or AUTH; the message says what to install, set or log in to.
    """
    program = find_binary(binary)
    root = (base or paths.find().data / "codex") / _key(program, model, effort, provider, auth_file)
    empty = root / "empty"
    for directory in (root, empty, root / "schemas"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    version = _describe(program, environment(root, empty, environ), model)
    write_once(root / "config.toml", config_toml(model, effort, root / "catalog.json", provider))
    key = _credential(provider, root, Path(auth_file).expanduser(), environ)
    env = environment(root, empty, environ) | ({provider.key_env: key} if provider.key_env else {})
    return Home(binary=program, version=version, root=root, empty=empty, env=env, secrets=(key,) if key else ())


def _key(program: Path, model: str, effort: str, provider: Provider, auth_file: str) -> str:
    stat = program.stat()
    client: list[JsonValue] = [str(program), stat.st_size, stat.st_mtime_ns]
    return digest([*client, model, effort, auth_file, provider.model_dump(mode="json")])[:16]


def find_binary(name: str) -> Path:
    """Find the client's program.

    Raises:
        ProviderError: FATAL, it is not installed.
    """
    found = shutil.which(Path(name).expanduser())
    if found is None:
        raise ProviderError(
            FailureKind.FATAL,
            f"There is no Codex client '{name}'. Install it, or set the teacher's 'binary' to its path.",
        )
    return Path(found).resolve()


def environment(root: Path, empty: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Compose the client's whole environment. TZ is fixed because its texts give local times."""
    fixed = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(empty),
        "CODEX_HOME": str(root),
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }
    return fixed | {name: environ[name] for name in INHERITED if environ.get(name)}


def _describe(program: Path, env: dict[str, str], model: str) -> tuple[int, int, int]:
    root, empty = Path(env["CODEX_HOME"]), Path(env["HOME"])
    note = root / "version"
    if not note.exists() or not (root / "catalog.json").exists():
        version = _run(program, "--version", env=env, cwd=empty)
        catalog = pruned_catalog(_models(program, env, empty), model)
        write_once(root / "catalog.json", catalog)
        write_once(note, version)
    return read_version(note.read_text())


def _models(program: Path, env: dict[str, str], cwd: Path) -> list[Mapping[str, JsonValue]]:
    try:
        return listed_models(_run(program, "debug", "models", env=env, cwd=cwd))
    except ValueError as error:
        raise ProviderError(FailureKind.FATAL, f"{program} lists no models: {error}") from error


def _run(program: Path, *arguments: str, env: dict[str, str], cwd: Path) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], env=env, cwd=cwd, capture_output=True, timeout=SETUP_S, stdin=subprocess.DEVNULL,
            check=True, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise ProviderError(FailureKind.FATAL, f"{program} {' '.join(arguments)}: {error}") from error
    return done.stdout.decode(errors="replace")


def read_version(text: str) -> tuple[int, int, int]:
    """Read `codex-cli 0.163.0`.

    Raises:
        ProviderError: FATAL, it is no version, or an older one than is supported.
    """
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    if found is None:
        raise ProviderError(FailureKind.FATAL, f"'{text[:80].strip()}' names no version of the Codex client.")
    version = (int(found[1]), int(found[2]), int(found[3]))
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ProviderError(FailureKind.FATAL, f"The Codex client is {found[0]}; {oldest} is the oldest supported.")
    return version


def _credential(provider: Provider, root: Path, auth_file: Path, environ: Mapping[str, str]) -> str:
    if provider.key_env:
        if key := environ.get(provider.key_env, ""):
            return key
        raise ProviderError(FailureKind.AUTH, f"Set {provider.key_env} to the API key, or use a subscription.")
    if not (root / "auth.json").exists():
        if not auth_file.exists():
            raise ProviderError(FailureKind.AUTH, f"There is no {auth_file}. Type `codex login`.")
        _link(root / "auth.json", auth_file)
    return ""


def _link(link: Path, target: Path) -> None:
    """Link, never copy: a refreshed copy invalidates the original. The client writes through the link."""
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(target.resolve())
    except FileExistsError:
        return  # another process made it


def write_once(path: Path, text: str) -> Path:
    """Write a file whole, mode 0600; processes that do the same at once do not meet."""
    if path.exists() and path.read_text() == text:
        return path
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).replace(path)
    return path
