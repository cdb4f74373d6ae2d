"""The private home of a Codex client: configuration, pruned catalogue, credential link, bare environment.

The user's own home (AGENTS.md, skills, MCP servers, hooks) must not reach a prompt, and the client's flags alone do
not keep it out; a home of its own does. It is made once per client version and settings and shared by every process.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pydantic import JsonValue

from loop.canonical import NotJson, digest, parse
from loop.errors import FailureKind, ProviderError
from loop.runtime import paths
from loop.types import Record
from teachers.codex_client.binary import ask_models, ask_version, environment, find_binary, read_version
from teachers.codex_client.config import Provider, config_toml, pruned_catalog


class Home(Record):
    """A prepared client."""

    binary: Path
    version: tuple[int, int, int]
    root: Path
    """CODEX_HOME."""
    empty: Path
    """Its working and home directory and its search path; nothing lies in it."""
    lock: Path
    """Held while a credential may be refreshed; homes that share the credential share it."""
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
        with self.lock.open("w") as file:
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
    base = base or paths.find().data / "codex"
    root = base / _key(program, model, effort, provider, auth_file)
    empty = root / "empty"
    for directory in (root, empty, root / "schemas"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    env = environment(program, root, empty, environ)
    version = _describe(program, env, model)
    write_once(root / "config.toml", config_toml(model, effort, root / "catalog.json", provider))
    key = _credential(provider, root, Path(auth_file).expanduser(), environ)
    return Home(
        binary=program,
        version=version,
        root=root,
        empty=empty,
        lock=base / f"{digest(auth_file)[:16]}.lock",
        env=env | ({provider.key_env: key} if provider.key_env else {}),
        secrets=(key,) if key else (),
    )


def _key(program: Path, model: str, effort: str, provider: Provider, auth_file: str) -> str:
    stat = program.stat()
    client: list[JsonValue] = [str(program), stat.st_size, stat.st_mtime_ns]
    return digest([*client, model, effort, auth_file, provider.model_dump(mode="json")])[:16]


def _describe(program: Path, env: dict[str, str], model: str) -> tuple[int, int, int]:
    root = Path(env["CODEX_HOME"])
    note = root / "version"
    if not note.exists() or not (root / "catalog.json").exists():
        version = ask_version(program, env)
        read_version(version)
        write_once(root / "catalog.json", pruned_catalog(ask_models(program, env), model))
        write_once(note, version)
    return read_version(note.read_text())


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


def tokens_in(auth_file: Path) -> tuple[str, ...]:
    """Read the tokens of a subscription; none where the file is missing or of another form."""
    try:
        document = parse(auth_file.read_bytes())
    except (OSError, NotJson):
        return ()
    whole = document if isinstance(document, dict) else {}
    inner = whole.get("tokens")
    names = ("id_token", "access_token", "refresh_token", "OPENAI_API_KEY")
    values = [holder.get(name) for holder in (whole, inner if isinstance(inner, dict) else {}) for name in names]
    return tuple(value for value in values if isinstance(value, str) and value)


def _link(link: Path, target: Path) -> None:
    """Link, never copy: a refreshed copy invalidates the original. The client writes through the link."""
    fresh = link.with_name(f"auth-{uuid4().hex}")
    fresh.symlink_to(target.resolve())
    fresh.replace(link)  # in one move: another process may be reading it


def write_once(path: Path, text: str) -> Path:
    """Write a file whole, mode 0600; processes that do the same at once do not meet."""
    if path.exists() and path.read_text() == text:
        return path
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).replace(path)
    return path
