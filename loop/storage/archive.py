"""A backup: one file with the database as it was at one moment, and the weights that its policies refer to.

It is a tar file of plain files under names of our own. `MANIFEST.json` comes last and has the sha256 of each, so that a
file that was cut short is known; nothing in it is believed before.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Literal

from pydantic import ValidationError

from loop.canonical import NotJson, canonical, parse
from loop.errors import CannotCreate, CheckNegative, Damaged, NotFound
from loop.runtime import database_url
from loop.runtime.durable import draft_in, sha256, sync
from loop.runtime.paths import Paths
from loop.store import Store, copies
from loop.types import Record
from loop.weights import adapters

MANIFEST: Final = "MANIFEST.json"
LONGEST: Final = 2**24
"""Bytes of a manifest, at most."""
NAME: Final = re.compile(r"loopd\.db|loopd\.dump|models/[0-9a-f]{64}/[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
"""What a file in a backup may be called."""


class BackupManifest(Record):
    """What a backup holds."""

    format: Literal[1] = 1
    files: Mapping[str, str]
    """Sha256 by name."""


def write(target: Path, url: str, paths: Paths) -> BackupManifest:
    """Write a backup of a store that may be written to meanwhile: it is there whole or not at all.

    The database is copied first: weights are published before a policy names them, and never change.

    Raises:
        CannotCreate: it cannot be written, or is there already.
        NotFound: PostgreSQL's programs are not there.
    """
    if target.exists():
        raise CannotCreate(f"{target} is there already. Name another file.")
    with draft_in(target.parent, f".{target.name}-") as scratch:
        copy = copies.save(url, scratch)
        files = {copy.name: copy, **_weights(url, copy, paths)}
        whole = scratch / "backup.tar"
        manifest = BackupManifest(files={name: sha256(path) for name, path in sorted(files.items())})
        text = scratch / MANIFEST
        text.write_text(canonical(manifest.model_dump(mode="json")), encoding="utf-8")
        with tarfile.open(whole, "w") as tar:
            for name, path in [*sorted(files.items()), (MANIFEST, text)]:
                tar.add(path, name, recursive=False, filter=_plain)
        whole.chmod(0o600)
        sync(whole)
        whole.rename(target)
        sync(target.parent)
    return manifest


def restore(source: Path, url: str, paths: Paths) -> BackupManifest:
    """Put a backup's database and weights in their places; what does not hold together changes nothing.

    Raises:
        NotFound: there is no such file.
        CheckNegative: it is no whole backup, or of another kind of database.
        Damaged: its database is damaged.
        Unsafe: its weights are not what they are named by.
    """
    if not source.is_file():
        raise NotFound(f"There is no backup {source}.")
    with draft_in(paths.data, ".loopd.db-") as scratch:
        manifest = _unpacked(source, scratch)
        copy = next((scratch / name for name in (copies.SQLITE, copies.POSTGRESQL) if name in manifest.files), None)
        if copy is None:
            raise CheckNegative(f"{source} holds no database.")
        if copy.name == copies.SQLITE:
            _inspect(database_url.of_file(copy))
        for path in _directories(scratch / "models"):
            adapters.verify(path)
        for path in _directories(scratch / "models"):
            if not (paths.models / path.name).exists():
                path.rename(paths.models / path.name)
        copies.load(copy, url)
    return manifest


def _weights(url: str, copy: Path, paths: Paths) -> Mapping[str, Path]:
    """List the files of every adapter that a policy names and that is there: those of rejected ones may be gone."""
    with Store.open(database_url.of_file(copy) if copy.name == copies.SQLITE else url) as store:
        directories = {paths.adapter(policy) for policy, _ in store.policies.all()}
    return {
        f"models/{path.name}/{file.name}": file
        for path in directories
        if path is not None and path.is_dir()
        for file in path.iterdir()
    }


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out whose file it was, and whatever is no plain file."""
    return member.replace(uid=0, gid=0, uname="", gname="", deep=False) if member.isreg() else None


def _unpacked(source: Path, scratch: Path) -> BackupManifest:
    digests: dict[str, str] = {}
    manifest = None
    try:
        with tarfile.open(source, "r:") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None or manifest is not None:
                    raise CheckNegative(f"{source} is no backup: '{member.name:.80}' has no place in it.")
                if member.name == MANIFEST:
                    manifest = BackupManifest.model_validate(parse(stream.read(LONGEST)))
                elif NAME.fullmatch(member.name) and member.name not in digests:
                    digests[member.name] = _extract(stream, scratch / member.name)
                else:
                    raise CheckNegative(f"{source} is no backup: '{member.name:.80}' has no place in it.")
    except (tarfile.TarError, NotJson, ValidationError, EOFError) as error:
        raise CheckNegative(f"{source} is no backup: {str(error).splitlines()[0]}") from error
    if manifest is None or manifest.files != digests:
        raise CheckNegative(f"{source} is incomplete: its files are not the ones that it lists.")
    return manifest


def _extract(stream: IO[bytes], path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := stream.read(2**20):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _inspect(url: str) -> None:
    with Store.open(url) as store:
        first = next(store.inspection.findings(), None)
    if first is not None:
        raise Damaged(f"The backup's database is damaged: {first.where} {first.key}: {first.fault}")


def _directories(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
