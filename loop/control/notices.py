"""Notices to people: a promotion, three refusals in a row, a paused gate, a provider that makes us wait, a full disk.

A thread of the daemon looks every few seconds, and tells the desktop and a webhook. A notice is a sentence of our own,
without secrets. Whoever does not take it in time misses it, and the loop goes on.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import structlog
from pydantic import ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from loop.config import Notify
from loop.errors import ConfigError, LoopdError
from loop.redaction import learn, redacted, shown
from loop.runtime import query
from loop.runtime.query import Query
from loop.types import Record

log = structlog.get_logger()

EVERY: Final = 5.0
"""Seconds between two looks."""
IN_A_ROW: Final = 3
"""Refusals in a row that are worth a notice; as many again are worth the next."""
LOW: Final = 4 * 2**30
"""Bytes free below which the disk is worth a notice."""
PATIENCE: Final = 5.0
"""Seconds that one delivery may take."""
TRIES: Final = 3
LONGEST: Final = 500
"""Characters of a text."""
BUSY: Final = 429
"""HTTP's "too many requests"; with what is from 500 on, it may go better later."""
FAULT: Final = 500
ELSEWHERE: Final = 300
"""From here on nothing was taken. A redirect is not followed: it may lead anywhere."""


class Notice(Record):
    """Something that a person may want to know at once."""

    kind: str
    """promotion, refusals, pause, quota, disk or move."""
    title: str
    text: str


Lasting = dict[tuple[str, str], Notice]
"""What goes on for a while, by its kind and name."""


class NoticeWatch:
    """Notes what is new between two looks. What was there at the first look is not new."""

    def __init__(self, data: Path, *, moves: bool = False) -> None:
        """Watch a home.

        Args:
            data: the directory whose disk may fill up.
            moves: whether a round's moves are worth a notice.
        """
        self._data, self._moves, self._moved = data, moves, 0
        self._decided: int | None = None
        self._seen = 0
        self._told: frozenset[tuple[str, str]] = frozenset()

    def look(self, ask: Query) -> list[Notice]:
        """Say what is new."""
        first = self._decided is None
        decisions, self._decided = _decisions(ask, self._decided or 0)
        stopped, self._seen = _stopped(ask, self._seen)
        lasting = {**_paused(ask), **_waiting(ask), **_disk(self._data)}
        fresh = [notice for key, notice in lasting.items() if key not in self._told]
        self._told = frozenset(lasting)
        moves, self._moved = _moves(ask, self._moved) if self._moves else ([], 0)
        return [] if first else [*moves, *decisions, *stopped, *fresh]


def _decisions(ask: Query, last: int) -> tuple[list[Notice], int]:
    decisions = ask("select id, candidate, decision, reason from promotion where id > ? order by id", [last]).rows
    notices = []
    for number, candidate, decision, reason in decisions:
        if decision == "promoted":
            notices.append(_notice("promotion", f"{candidate[:8]} was promoted", reason))
        if decision == "rejected" and (row := _refusals(ask, number)) % IN_A_ROW == 0:
            notices.append(_notice("refusals", f"{row} candidates in a row were refused", f"The last: {reason}"))
    return notices, decisions[-1][0] if decisions else last


def _moves(ask: Query, last: int) -> tuple[list[Notice], int]:
    rows = ask("select id, fields from event where kind = 'round.moved' and id > ? order by id", [last]).rows
    notices = [notice for _, fields in rows if (notice := _move(fields)) is not None]
    return notices, rows[-1][0] if rows else last


def _move(fields: str) -> Notice | None:
    """Spell one; None for a damaged row, which `loopd fsck` names."""
    try:
        move = json.loads(fields)
        return _notice("move", f"Round {move['round']}: {move['from']} to {move['to']}", str(move["reason"] or ""))
    except (ValueError, KeyError, TypeError):
        return None


def _refusals(ask: Query, number: int) -> int:
    """Count the refusals up to a decision, since the last that was none."""
    statement = """select count(*) from promotion where decision = 'rejected' and id <= ?
     and id > coalesce((select max(id) from promotion where decision <> 'rejected' and id < ?), 0)"""
    return int(ask(statement, [number, number]).rows[0][0])


def _paused(ask: Query) -> Lasting:
    rows = ask("select gate, reason from gate_pause").rows
    return {
        ("pause", gate): _notice("pause", f"Gate {gate} is paused", f"Nobody is promoted meanwhile. {reason}".strip())
        for gate, reason in rows
    }


def _waiting(ask: Query) -> Lasting:
    rows = ask("select credential, until, reason from quota where until > ?", [time.time()]).rows
    return {
        ("quota", credential): _notice(
            "quota", f"{credential} makes us wait", f"Until {time.strftime('%H:%M', time.localtime(until))}: {reason}"
        )
        for credential, until, reason in rows
    }


def _disk(data: Path) -> Lasting:
    free = shutil.disk_usage(data).free
    if free >= LOW:
        return {}
    return {("disk", ""): _notice("disk", "The disk is nearly full", f"{free / 2**30:.1f} GiB are free at {data}.")}


def _stopped(ask: Query, last: int) -> tuple[list[Notice], int]:
    """Say where the daemon waits for room: by what is free, or by what `storage.max_gib` allows."""
    found = ask("select id, fields from event where kind = 'disk.low' and id > ? order by id", [last]).rows
    notices = [_notice("disk", "loopd waits for room", str(json.loads(fields).get("why", ""))) for _, fields in found]
    return notices[-1:], found[-1][0] if found else last


def _notice(kind: str, title: str, text: str) -> Notice:
    return Notice(kind=kind, title=shown(redacted(title))[:LONGEST], text=shown(redacted(text))[:LONGEST])


# --- telling ---------------------------------------------------------------------------------------------------------

Way = Callable[[Notice], None]
"""Tells somebody; whatever it raises is logged."""


@contextmanager
def watching(settings: Notify, url: str, data: Path) -> Iterator[None]:
    """Look and tell for as long as the block lasts.

    Args:
        settings: who is told.
        url: the store's.
        data: the data directory.

    Raises:
        ConfigError: the file with the webhook's address cannot be read, or holds none.
    """
    ways, ended = _ways(settings), threading.Event()
    thread = threading.Thread(
        target=_watch, args=(url, NoticeWatch(data, moves=settings.moves), ways, ended), name="notices", daemon=True
    )
    if ways:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if ways:
            thread.join(PATIENCE)


def _watch(url: str, watch: NoticeWatch, ways: Sequence[Way], ended: threading.Event) -> None:
    """Look until the end, and once more then: the last round's decision is news too."""
    last = False
    while True:
        for notice in _looked(url, watch):
            for way in ways:
                _tell(way, notice)
        if last:
            return
        last = ended.wait(EVERY)


def _looked(url: str, watch: NoticeWatch) -> list[Notice]:
    try:
        with query.read_only(url) as ask:
            return watch.look(ask)
    except (LoopdError, OSError) as error:
        log.warning("notices_not_looked_for", message=str(error))
        return []


def _tell(way: Way, notice: Notice) -> None:
    try:
        way(notice)
    except Exception as error:  # noqa: BLE001 - whoever cannot be told must not stop the loop
        log.warning("notice_not_taken", kind=notice.kind, message=f"{type(error).__name__}: {error}")


def _ways(settings: Notify) -> list[Way]:
    address = settings.webhook or (_address(settings.webhook_file) if settings.webhook_file else "")
    ways: list[Way] = [_to_desktop] if settings.desktop else []
    return [*ways, lambda notice: _to_webhook(address, notice)] if address else ways


def _address(file: Path) -> str:
    try:
        address = file.expanduser().read_text(encoding="utf-8").strip()
        return Notify(webhook=address).webhook
    except ValidationError as error:
        raise ConfigError(f"notify.webhook_file: {file} holds no https address.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"notify.webhook_file: {file} cannot be read: {error}") from error


APPLE: Final = """on run argv
display notification (item 2 of argv) with title "loopd" subtitle (item 1 of argv)
end run"""


def _to_desktop(notice: Notice) -> None:
    """Show it where this user is logged in. Both texts are arguments: nothing in them is run."""
    if sys.platform == "darwin":
        command = ["osascript", "-e", APPLE, "--", notice.title, notice.text]
    else:
        command = ["notify-send", "--app-name=loopd", "--", notice.title, notice.text]
    subprocess.run(command, check=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, capture_output=True)


class _NotNow(Exception):
    """The receiver may take it later."""


def _to_webhook(address: str, notice: Notice) -> None:
    """Post it as JSON; where the receiver is busy or away, again."""
    learn([address])
    again = retry_if_exception_type((_NotNow, httpx2.TransportError))
    for attempt in Retrying(retry=again, stop=stop_after_attempt(TRIES), wait=wait_exponential(max=10), reraise=True):
        with attempt:
            _post(address, notice)


def _post(address: str, notice: Notice) -> None:
    """Send it once; of the answer only its status is read."""
    body = {"schema": "loopd/v1", **notice.model_dump(), "at": time.time()}
    with (
        httpx2.Client(trust_env=False, follow_redirects=False, timeout=PATIENCE) as client,
        client.stream("POST", address, json=body) as answer,
    ):
        status = answer.status_code
    if status == BUSY or status >= FAULT:
        raise _NotNow(f"HTTP {status}")
    if status >= ELSEWHERE:
        raise LoopdError(f"HTTP {status}")
