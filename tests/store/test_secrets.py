"""No secret passes the store's door, wherever somebody says it; nothing else is changed there."""

import pytest
from pydantic import ValidationError
from sqlalchemy import inspect

from loop.errors import CannotCreate, ConfigError, FailureKind
from loop.redaction import GONE
from loop.runtime import query
from loop.store import db
from loop.types import Call, End, Failure, Message, Standing
from loop.types.record import first_fault

KEY = "sk-live-abcdefgh12345678"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setenv("SOME_TEACHERS_API_KEY", KEY)


@pytest.fixture
def everything(url):
    """Reads the whole database as text."""

    def read():
        engine = db.engine(url, write=False)
        with engine.connect() as connection:
            names = inspect(connection).get_table_names()
            rows = [connection.exec_driver_sql(f'select * from "{name}"').all() for name in names]
        engine.dispose()
        return repr(rows)

    return read


@pytest.fixture
def rnd(store, make):
    store.policies.add(make.policy, Standing.CHAMPION)
    return store.rounds.open("config", 0)


@pytest.fixture
def play(store, make, rnd):
    task = make.task()
    owed = make.play(rnd, task, policy=make.policy)
    store.plays.owe(rnd, [task], [owed])
    return owed


SAYINGS = {
    "an answer": Message(role="assistant", content=f"the key is {KEY}"),
    "a call's name": Message(role="assistant", content="", calls=(Call(name=KEY, arguments={}),)),
    "an argument": Message(role="assistant", content="", calls=(Call(name="look", arguments={"at": [{KEY: KEY}]}),)),
    "a thought": Message(role="assistant", content="x", reasoning=KEY),
    "a fault": Message(role="assistant", content="x", fault=f"not read: {KEY}"),
    "a result": Message(role="tool", name=KEY, content=KEY, ok=True),
}


@pytest.mark.parametrize("where", SAYINGS)
def test_what_is_said_loses_its_secret(store, make, play, everything, where):
    spoken = make.trajectory(play)
    assert (
        store.plays.finish(play, spoken.model_copy(update={"messages": (*spoken.messages, SAYINGS[where])})) == play.id
    )
    assert KEY not in everything()
    assert GONE in everything()
    assert store.trajectories.get(play.id).trajectory.messages[:-1] == spoken.messages


def test_what_failed_loses_its_secret(store, make, play, everything):
    failure = Failure(kind=FailureKind.FATAL, message=f"no tool '{KEY}', token=hf_abcdefghijklmnop12345")
    store.plays.finish(play, make.trajectory(play, end=End.FAILED, failure=failure))
    store.events.record("happened", told={"deep": [f"with {KEY}"]}, other="xoxb-0123456789-abcdefghij", number=3)
    store.plays.abandon([play], f"resting: {KEY}")
    assert KEY not in everything()
    assert "hf_abcdefghijklmnop12345" not in everything()
    assert "xoxb" not in everything()


def test_a_verdict_loses_a_known_secret_and_keeps_what_it_quotes(store, make, play, everything):
    store.plays.finish(play, make.trajectory(play))
    reason = "access_token=abc123456789 never came from a result"
    store.verdicts.record(play.id, [make.verdict().model_copy(update={"reason": f"{reason} {KEY}"})])
    assert KEY not in everything()
    assert reason in everything()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql//me:hunter22secret@host/db", "postgres:/me:hunter22secret@host/db", "me:hunter22secret@host",
        "mysql://me:hunter22secret@host/db", "sqlite://me:hunter22secret@host", "oracle://h/d?password=hunter22secret",
        "postgresql://me:hunter22secret@host:port/db",
    ],
)  # fmt: skip
@pytest.mark.parametrize("read", [db.locate, lambda url: query.read_only(url).__enter__()])
def test_a_database_url_that_is_none_is_told_without_its_password(url, read):
    with pytest.raises(ConfigError) as caught:
        read(url)
    assert "hunter22secret" not in str(caught.value)
    assert "postgresql://USER@HOST/NAME" in str(caught.value)


def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password():
    with pytest.raises(CannotCreate) as caught, query.read_only("postgresql://me:hunter22secret@127.0.0.1:9/db"):
        pass
    assert "hunter22secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_setting_that_does_not_fit_is_told_without_a_secret():
    with pytest.raises(ValidationError) as caught:
        Message(role="user", content=["sk-live-abcdefgh12345678"])
    assert "abcdefgh" not in first_fault(caught.value).given
