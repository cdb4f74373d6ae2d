"""Whatever a hand or a disk does to a row: one typed error that names it, or an answer; never a traceback."""

import shutil
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from damaging import cases, damage, unguarded

from loop.errors import AlreadyRunning, CheckNegative, Damaged, LoopdError, NotFound
from loop.store import Database, Store, db
from loop.store.corrections import Correction, CorrectionKind
from loop.store.soundness import Flaw, PlanReplay
from loop.store.spend import Parked
from loop.store.traces import Kept, Provenance
from loop.traces.importing import task_of, trajectory_of
from loop.traces.trace import Trace
from loop.types import Catalogue, Message, Policy, Round, Split, Suite

CATALOGUE = Catalogue(tools=())


@pytest.fixture
def full(store, make, live):
    """A store with something in every table that is read."""
    live(store)
    store.traces.keep([kept("t1"), kept("t2", origin="t1", arm="filtered")])
    suite = held(make)
    store.soundness.note(Flaw(task=suite.tasks[0].id, kind="remark", source="x", note="n"))
    store.soundness.save_replays([PlanReplay(task=suite.tasks[0].id, passed=True)])
    store.spend.park(Parked(credential="key", until=1.0, failures=1, reason="r"))
    store.leases.take("daemon", "me here")
    store.leases.release()
    store.events.record("something", a=1)
    told = Correction(
        kind=CorrectionKind.EDIT, trajectory="t1", message=Message(role="assistant", content="Yes."), said=5
    )
    store.corrections.score(
        store.corrections.add(told), make.policy.id, Message(role="assistant", content="No."), learned=False
    )
    store.verdicts.require(make.required)
    return store


def kept(name, **provenance):
    messages = (Message(role="user", content=f"Hello {name}"), Message(role="assistant", content="So."))
    task = task_of(messages, CATALOGUE, "trace/a", Split.TRAIN)
    trajectory = trajectory_of(task, Trace(messages=messages, happened=5), CATALOGUE)
    told = {"format": "f", "source": "x", "replaced": {"email": 1}, "changes": ({"place": 1},)}
    return Kept(id=name, task=task, trajectory=trajectory, provenance=Provenance(**told, **provenance))


def held(make):
    return Suite(name="files", tasks=tuple(make.task(seed, Split.HELDOUT) for seed in (50, 51)))


def reads(make, store) -> Iterator[Callable[[], object]]:  # noqa: PLR0915 - a statement a read
    """Everything that is read from a store, by the daemon and by the command line."""
    rnd, suite = Round(id=1, state="sample", seed=0, config="config"), held(make)
    stock, candidate = make.policy.id, Policy(**make.policy.model_dump() | {"adapter": "a"}).id
    mark = stock, suite.id, "mark"
    yield store.arms.all
    yield lambda: store.arms.change(lambda arms: arms.values())
    yield lambda: store.audits.owed(rnd, make.required, 9)
    yield lambda: list(store.corrections.all())
    yield lambda: store.corrections.learned(stock)
    yield lambda: store.datasets.of(rnd)
    yield store.datasets.ids
    yield lambda: store.datasets.get("d")
    yield lambda: list(store.datasets.rows("d"))
    yield lambda: list(store.datasets.rows("d", lambda *_: None))
    yield lambda: list(store.events.read())
    yield lambda: store.gates.results(rnd)
    yield store.gates.judged
    yield lambda: store.gates.last_round(candidate)
    yield store.gates.paused
    yield lambda: list(store.inspection.findings())
    yield lambda: store.openings.owed(["a"])
    yield lambda: store.plays.owed(rnd)
    yield lambda: store.plays.progress(rnd)
    yield store.policies.champion
    yield lambda: store.policies.candidate(rnd)
    yield lambda: store.policies.get(stock)
    yield lambda: store.policies.standing(stock)
    yield store.policies.all
    yield lambda: store.policies.transfer(candidate)
    yield lambda: store.promotions.decided(rnd)
    yield lambda: store.promotions.last(candidate)
    yield store.promotions.attempts
    yield store.promotions.queued
    yield store.rounds.unfinished
    yield lambda: store.rounds.get(1)
    yield store.rounds.all
    yield lambda: store.rounds.proposed(rnd)
    yield lambda: list(store.soundness.flaws())
    yield lambda: store.soundness.attempts(suite.id)
    yield lambda: store.soundness.unsound(suite.id)
    yield store.spend.spent
    yield lambda: store.spend.parked("key")
    yield lambda: store.suites.scores(*mark)
    yield lambda: store.suites.unmeasured(*mark, "kl")
    yield lambda: store.suites.measured(stock)
    yield lambda: store.suites.findings(*mark, ("outcome", 1))
    yield lambda: store.tasks.get(make.task(1).id)
    yield lambda: store.tasks.splits(["train-0", "trace/a"])
    yield lambda: list(store.traces.all())
    yield lambda: list(store.traces.unfiltered([("other", 1)]))
    yield lambda: list(store.traces.lessons("direct"))
    yield store.traces.counts
    yield lambda: store.trajectories.get("t1")
    yield lambda: store.trajectories.these(["t1"])
    yield lambda: list(store.trajectories.accepted(make.required))
    yield lambda: list(store.trajectories.accepted(make.required, left_out=lambda *_: None))
    yield lambda: list(store.trajectories.asked(stock))
    yield lambda: list(store.trajectories.unchecked(None, [("other", 1)]))
    yield lambda: store.verdicts.tallies(rnd)
    yield lambda: store.verdicts.rates(rnd)
    yield lambda: store.verdicts.barren(rnd)
    yield lambda: store.verdicts.require([("other", 1)])
    yield lambda: store.leases.take("daemon", "somebody else")


@pytest.fixture
def copies(full, url, request, tmp_path):
    """Makes copies of that store, to be damaged."""
    full.close()
    if url.startswith("sqlite"):
        return lambda name: f"sqlite:///{shutil.copy(tmp_path / 'loopd.db', tmp_path / f'{name}.db')}"
    cluster, prefix = request.getfixturevalue("cluster"), f"damaged_{uuid.uuid4().hex[:8]}"

    def copy(name):
        with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
            admin.execute(f"create database {prefix}_{name} template loopd_test strategy file_copy")
        return cluster.format(f"{prefix}_{name}")

    return copy


def told(make, url, case):
    """Damage one column, read everything, and give whatever was said."""
    engine = unguarded(url)
    changed = damage(engine, *case)
    engine.dispose()
    errors = []
    with Store(Database(db.engine(url), db.engine(url, write=False))) as store:
        for read in reads(make, store) if changed else ():
            try:
                read()
            except LoopdError as error:
                errors.append(error)
    return errors


def damages(share):
    """One in so many ways to damage a column in `make test`, all of them in `make proof`."""
    return [pytest.param(slice(n, None, share), marks=[pytest.mark.slow] if n else []) for n in range(share)]


@pytest.mark.parametrize("some", damages(151))
def test_whatever_column_is_damaged_it_is_one_line_or_an_answer(copies, make, url, some):
    for n, case in enumerate(cases(url.partition(":")[0])[some]):
        for error in told(make, copies(f"n{n}"), case):
            assert "\n" not in str(error), case
            assert isinstance(error, Damaged | NotFound | CheckNegative | AlreadyRunning), (case, error)
            if isinstance(error, Damaged):
                assert "Row " in str(error) or "database is damaged" in str(error), (case, error)


def spoil(url, statement):
    engine = unguarded(url)
    with engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "read", "named"),
    [
        ("update policy set base = 'other' where standing = 'champion'", "champion", "Row {stock} of table policy"),
        ("delete from prompt", "champion", "Row {stock} of table policy"),
        ("update policy set standing = 'king'", "all", "of table policy is damaged: 'king' is not a valid Standing"),
    ],
)
def test_the_row_is_named(full, make, url, statement, read, named):  # noqa: PLR0913 - a case is three of them
    if url.startswith("postgresql") and "king" in statement:
        pytest.skip("PostgreSQL itself refuses the word")
    engine = unguarded(url)
    with engine.begin() as connection:
        if url.startswith("postgresql"):
            connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(Damaged, match=named.format(stock=make.policy.id)):
        getattr(full.policies, read)()


@pytest.mark.parametrize("statement", ["update trajectory_words set words = 'x'", "delete from trajectory_words"])
def test_words_that_a_search_would_miss_are_told(full, url, statement):
    spoil(url, f"{statement} where trajectory = (select min(trajectory) from trajectory_words)")
    (found,) = full.inspection.findings()
    assert (found.where, found.fault) == (
        "trajectory_words",
        "its words are not those of its play: a search misses it",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "update message set content = content || '!' where place = 1 and trajectory = '{one}'",
        "update message set body = '[' where place = 2 and trajectory = '{one}'",
        "delete from message where place = 3 and trajectory = '{one}'",
        "update trajectory set digest = '' where id = '{one}'",
    ],
)
def test_a_changed_trajectory_is_left_out_of_training_and_told(full, make, url, statement):
    everything = [each.id for each in full.trajectories.accepted(make.required)]
    one = everything[0]
    spoil(url, statement.format(one=one))
    left_out = {}
    rest = [each.id for each in full.trajectories.accepted(make.required, left_out=left_out.__setitem__)]
    assert rest == everything[1:]
    assert set(left_out) == {one}
    assert [each.id for each in full.datasets.rows("d", left_out.__setitem__)] == everything[1:]
    assert {each.id for each in full.audits.owed(full.rounds.get(1), make.required, 9)} == set(everything[1:])
    with pytest.raises(Damaged, match=f"Row {one}"):
        list(full.trajectories.accepted(make.required))
    assert [(found.where, found.key) for found in full.inspection.findings()] == [("trajectory", one)]


def test_a_changed_system_prompt_spoils_what_was_said_under_it(full, make, url):
    spoil(url, "update prompt set content = 'Do harm.'")
    left_out = []
    assert not list(full.trajectories.accepted(make.required, left_out=lambda name, _: left_out.append(name)))
    assert left_out


def test_an_inspection_of_a_whole_store_finds_nothing(full):
    assert list(full.inspection.findings()) == []


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "loopd.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LoopdError, match="not a database"):
        Store.open(f"sqlite:///{tmp_path}/loopd.db")


def test_a_page_of_the_file_that_is_torn_is_told(full, url, tmp_path):
    if not url.startswith("sqlite"):
        pytest.skip("the file is SQLite's")
    full.close()
    path = tmp_path / "loopd.db"
    data = bytearray(path.read_bytes())
    data[8192 : len(data) - 8192] = b"\xff" * (len(data) - 16384)
    path.write_bytes(data)
    with pytest.raises(Damaged, match="The database is damaged"):
        list(full.policies.all())
