"""Where rows come from: files, directories and URLs, of JSON lines, JSON or Parquet, read a row at a time.

Everything here is bounded: a row, a document, a download. What cannot be read is told with its place, and the rest is
read all the same. A URL is fetched only because the user named it; nothing that a row says is ever fetched.
"""

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import httpx2
from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.errors import ConfigError, NotFound
from loop.traces.trace import RowLocation, SourceRow, UnreadableRow

MAX_ROW: Final = 32_000_000
"""Bytes of one row."""
CHUNK: Final = 1_000_000
"""Bytes that are read at once from a document that is no file of lines."""
MAX_DOWNLOAD: Final = 8_000_000_000
"""Bytes of one download."""
WAIT: Final = 60.0
"""Seconds that a server may be silent."""
SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz", ".parquet")
"""Files of a directory that are read."""
WRAPPERS: Final = ("data", "rows", "traces", "observations", "spans", "items")
"""Names under which an API's answer keeps its list."""
ENDS: Final = frozenset(']}"')
"""Signs behind which a value cannot go on."""


def expanded(names: Iterable[str]) -> Iterator[str]:
    """Name every file behind what the user named: a directory's files in order, links and hidden ones left out.

    Raises:
        NotFound: there is no such file or directory.
    """
    for name in names:
        path = Path(name)
        if is_url(name):
            yield name
        elif path.is_dir():
            yield from sorted(str(file) for file in path.rglob("*") if _counts(file, path))
        elif path.is_file():
            yield name
        else:
            raise NotFound(f"There is no file or directory '{name}'.")


def is_url(name: str) -> bool:
    """Whether it names something on the network."""
    return name.startswith(("http://", "https://"))


def _counts(path: Path, top: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(top).parts)
    return path.name.endswith(SUFFIXES) and not hidden and not path.is_symlink() and path.is_file()


def rows_of(name: str) -> Iterator[SourceRow | UnreadableRow]:
    """Read one file's or URL's rows, in order."""
    if is_url(name):
        with _downloaded(name) as file:
            yield from _rows(file, name)
        return
    try:
        with Path(name).open("rb") as file:
            yield from _rows(file, name)
    except OSError as error:
        yield UnreadableRow(RowLocation(name, 0), f"cannot be read: {error.strerror or error}")


@contextmanager
def _downloaded(url: str) -> Iterator[IO[bytes]]:
    """Fetch a URL into a temporary file.

    Raises:
        ConfigError: the server does not give it, or it is too long.
    """
    with tempfile.TemporaryFile() as file:
        try:
            with httpx2.stream("GET", url, timeout=WAIT, follow_redirects=True) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    if file.write(chunk) and file.tell() > MAX_DOWNLOAD:
                        raise ConfigError(f"{url} is longer than {MAX_DOWNLOAD} bytes. Download it, and name the file.")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ConfigError(f"{url} cannot be fetched: {error}") from error
        file.seek(0)
        yield file


def _rows(file: IO[bytes], name: str) -> Iterator[SourceRow | UnreadableRow]:
    begins = file.read(4)
    file.seek(0)
    if begins == b"PAR1":
        yield from _parquet(file, name)
        return
    opened: IO[bytes] = gzip.GzipFile(fileobj=file) if begins[:2] == b"\x1f\x8b" else file  # type: ignore[assignment]  # it is one in all that is used
    try:
        yield from _json(opened, name)
    except (OSError, EOFError) as error:
        yield UnreadableRow(RowLocation(name, 0), f"cannot be unpacked: {error}")


def _json(file: IO[bytes], name: str) -> Iterator[SourceRow | UnreadableRow]:
    """Read JSON lines, or whole documents where the first line is the beginning of one."""
    first = file.readline(MAX_ROW + 1).removeprefix(b"\xef\xbb\xbf")
    yield from (_documents if _begins_a_document(first) else _lines)(first, file, name)


def _begins_a_document(line: bytes) -> bool:
    """Whether a first line opens what it does not close, or a list that is a row's worth of rows."""
    begins = line.strip()
    return (
        begins in (b"", b"{", b"[")
        or begins.startswith(b"[")
        or (begins.startswith(b"{") and not begins.endswith(b"}"))
    )


def _lines(line: bytes, file: IO[bytes], name: str) -> Iterator[SourceRow | UnreadableRow]:
    number = 1
    while line:
        if len(line) > MAX_ROW:
            yield UnreadableRow(RowLocation(name, number), f"the line is longer than {MAX_ROW} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(CHUNK)
        elif line.strip():
            yield from _line(line, RowLocation(name, number))
        line, number = file.readline(MAX_ROW + 1), number + 1


def _line(line: bytes, location: RowLocation) -> Iterator[SourceRow | UnreadableRow]:
    try:
        yield from unwrapped(SourceRow(location, parse(line, MAX_ROW)))
    except NotJson as error:
        yield UnreadableRow(location, f"no JSON: {error}")


def unwrapped(row: SourceRow) -> Iterator[SourceRow]:
    """Take an API's answer apart: its list, an item a row."""
    value = row.value
    if isinstance(value, dict):
        for name in WRAPPERS:
            inner = value.get(name)
            wraps = isinstance(inner, list) and all(isinstance(value, dict) for value in inner)
            if (
                wraps
                and isinstance(inner, list)
                and not value.keys() & {"id", "resourceSpans", "messages", "steps", "turns"}
            ):
                yield from (SourceRow(row.place, _inner(value)) for value in inner)
                return
    yield row


def _inner(value: JsonValue) -> JsonValue:
    """Take a row of the hub's viewer out of `{"row_idx", "row"}`."""
    if isinstance(value, dict) and "row_idx" in value and isinstance(value.get("row"), dict):
        return value["row"]
    return value


def _documents(begun: bytes, file: IO[bytes], name: str) -> Iterator[SourceRow | UnreadableRow]:
    """Read a list's items, or one document after another, without ever holding the whole file."""
    text = _Text(begun, file)
    listed = text.begins_with("[")
    number = 1
    try:
        while text.has_more(listed=listed):
            yield from unwrapped(SourceRow(RowLocation(name, number), text.value()))
            number += 1
    except (NotJson, UnicodeDecodeError) as error:
        yield UnreadableRow(RowLocation(name, number), f"no JSON: {error}")


class _Text:
    """A file's text, of which as much is held as one value needs."""

    def __init__(self, begun: bytes, file: IO[bytes]) -> None:
        self._file = file
        self._decode = _Decoder()
        self._left = self._decode(begun)
        self._decoder = json.JSONDecoder()

    def begins_with(self, sign: str) -> bool:
        """Take a sign off the beginning, where it stands there."""
        self._left = self._left.lstrip()
        begins = self._left.startswith(sign)
        self._left = self._left[len(sign) :] if begins else self._left
        return begins

    def has_more(self, *, listed: bool) -> bool:
        """Whether a value follows.

        Raises:
            NotJson: a list was begun, and does not end.
        """
        while True:
            self._left = self._left.lstrip(" \t\r\n,")
            if self._left:
                return not (listed and self._left.startswith("]"))
            if not self._more():
                if listed:
                    raise NotJson("the list does not end")
                return False

    def value(self) -> JsonValue:
        """Take the next value off.

        Raises:
            NotJson: what stands there is none, or is too long.
        """
        while True:
            try:
                _, end = self._decoder.raw_decode(self._left)
            except (ValueError, RecursionError) as error:
                if not self._more(double=True):
                    raise NotJson(str(error)[:200]) from error
                continue
            if end == len(self._left) and self._left[-1] not in ENDS and self._more():
                continue
            parsed, self._left = parse(self._left[:end], MAX_ROW), self._left[end:]
            return parsed

    def _more(self, *, double: bool = False) -> bool:
        """Read on; false at the end of the file, and where a value has become too long."""
        if len(self._left) > MAX_ROW:
            return False
        chunk = self._file.read(max(CHUNK, len(self._left) if double else 0))
        self._left += self._decode(chunk, final=not chunk)
        return bool(chunk)


class _Decoder:
    """UTF-8 in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def __call__(self, chunk: bytes, *, final: bool = False) -> str:
        data = self._rest + chunk
        try:
            text, self._rest = data.decode(), b""
        except UnicodeDecodeError as error:
            if final or error.end < len(data) or len(data) - error.start > 3:  # noqa: PLR2004 - a cut character's bytes
                raise
            text, self._rest = data[: error.start].decode(), data[error.start :]
        return text


def _parquet(file: IO[bytes], name: str) -> Iterator[SourceRow | UnreadableRow]:
    """Read Parquet's rows, some at a time.

    Raises:
        ConfigError: the library for it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"{name} is Parquet. Install what reads it: pip install 'loopd-rest[parquet]'") from error
    number = 0
    try:
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=64):
            for value in batch.to_pylist():
                number += 1
                yield from _line(json.dumps(value, default=str).encode(), RowLocation(name, number))
    except (pa.ArrowException, OSError, ValueError) as error:
        yield UnreadableRow(RowLocation(name, number), f"no Parquet: {str(error)[:200]}")
