"""What may be deleted to make room, and what may not: whatever a dataset, a gate, a card or a correction refers to."""

import fcntl
import os
import shutil
import tempfile
import time

import pytest
from sqlalchemy import text

from loop.config import Storage
from loop.rollout import ray_home
from loop.runtime.paths import Paths
from loop.storage import garbage
from loop.storage.garbage import GarbageKind
from loop.store.corrections import Correction, CorrectionKind
from loop.types import Policy, Promotion, RoundState, Standing

OLD = time.time() - 2 * garbage.WEEK
DROPPED = Storage(keep_rounds=0)


@pytest.fixture
def ended(store, make, live):
    """A store with one round that has ended, and a play in it that was rejected."""
    store.verdicts.require(make.required)
    rnd = live(store)
    for state in ("collect", "check", "train", "gate", "promote", "done"):
        rnd = store.rounds.advance(rnd, RoundState(state))
    return store


@pytest.fixture
def rejected(ended, make):
    (one,) = {play for play in plays(ended) if not ended.trajectories.get(play).verdicts[0].passed}
    return one


def plays(store):
    with store.database.read() as connection:
        return list(connection.exec_driver_sql("select id from trajectory where purpose = 'train'").scalars())


@pytest.fixture
def places(tmp_path):
    return Paths(data=tmp_path / "data", logs=tmp_path / "logs", config=tmp_path / "config").create()


def test_the_messages_of_a_rejected_play_go_and_its_verdicts_stay(ended, rejected, make):
    before = ended.trajectories.get(rejected)
    plays_, size = ended.space.forgettable(1)
    assert plays_ == 1
    assert size > sum(len(message.content) for message in before.trajectory.messages) - len(make.policy.system)
    assert ended.space.forget(1, most=10) == 1
    after = ended.trajectories.get(rejected)
    assert after.emptied
    assert after.trajectory.messages == ()
    assert (after.verdicts, after.task, after.trajectory.usage) == (
        before.verdicts,
        before.task,
        before.trajectory.usage,
    )
    assert list(ended.inspection.findings()) == []
    with ended.database.read() as connection:
        asked = "select count(*) from trajectory_words where trajectory = :id"
        assert connection.execute(text(asked), {"id": rejected}).scalar() == 0
    assert rejected not in {name for name, *_ in ended.trajectories.unchecked(None, [("other", 1)])}
    assert len(list(ended.trajectories.accepted(make.required))) == len(plays(ended)) - 1
    assert ended.space.forget(1, most=10) == 0


def test_the_file_shrinks(ended):
    assert ended.space.unused() == 0
    with ended.database.write() as connection:
        connection.exec_driver_sql("create table ballast (content text)")
        connection.exec_driver_sql(f"insert into ballast values ('{'x' * 10**6}')")
        connection.exec_driver_sql("drop table ballast")
    if connection.dialect.name == "sqlite":
        assert ended.space.unused() >= 10**6
        ended.space.release()
    assert ended.space.unused() == 0


def test_what_a_correction_or_a_dataset_refers_to_is_kept(ended, rejected, make):
    with ended.database.write() as connection:
        connection.exec_driver_sql("insert into dataset values ('e', 1, '{}', '{}', 0)")
        values = f"('e', 0, '{rejected}', 'train', 'train')"
        connection.exec_driver_sql(
            f"insert into dataset_row (dataset, place, trajectory, split, purpose) values {values}"
        )
    assert ended.space.forget(1, most=10) == 0
    with ended.database.write() as connection:
        connection.exec_driver_sql("delete from dataset_row where dataset = 'e'")
    ended.corrections.add(Correction(kind=CorrectionKind.DOWN, trajectory=rejected, said=5))
    assert ended.space.forget(1, most=10) == 0


def test_rounds_that_go_on_and_young_ones_lose_nothing(ended, make):
    assert ended.space.forgettable(0) == (0, 0)
    rnd = ended.rounds.open("config", 0)
    task = make.task(9)
    play = make.play(rnd, task, policy=make.policy)
    ended.plays.owe(rnd, [task], [play])
    ended.plays.finish(play, make.trajectory(play))
    ended.verdicts.record(play.id, [make.verdict("outcome", passed=0), make.verdict("stop")])
    assert ended.space.forgettable(rnd.id)[0] == 1


def test_only_what_nothing_refers_to_is_garbage(ended, make, places):
    for name, standing in (("b" * 64, Standing.REJECTED), ("c" * 64, Standing.CANDIDATE)):
        ended.policies.add(Policy(**make.policy.model_dump() | {"adapter": name}, parent=make.policy.id), standing)
    for name in ("b" * 64, "c" * 64, "d" * 64, "base-model", ".base-model-abcdefgh"):
        (places.models / name).mkdir()
        (places.models / name / "weights").write_bytes(b"12345")
        os.utime(places.models / name, (OLD, OLD))
    (places.data / ".loopd.db-abcdefgh").mkdir()
    os.utime(places.data / ".loopd.db-abcdefgh", (OLD, OLD))
    (places.models / ("e" * 64)).mkdir()  # young: it may be about to get its row
    for name in ("round-1-x", "round-2-x"):
        (places.scratch / name).mkdir()
    for age, name in enumerate(("loopd.db.0002.bak", "loopd.db.0001.bak")):
        (places.data / name).write_text("")
        os.utime(places.data / name, (OLD - age, OLD - age))
    places.prefixes.mkdir()
    (places.prefixes / "one").write_bytes(b"1")
    found = garbage.find(places, ended, DROPPED, set(GarbageKind) - {GarbageKind.RAY, GarbageKind.ADAPTER})
    assert [(each.kind, each.path and each.path.name) for each in found] == [
        (GarbageKind.LEFTOVER, ".base-model-abcdefgh"),
        (GarbageKind.LEFTOVER, "d" * 64),
        (GarbageKind.LEFTOVER, ".loopd.db-abcdefgh"),
        (GarbageKind.CHECKPOINT, "round-1-x"),
        (GarbageKind.COPY, "loopd.db.0001.bak"),
        (GarbageKind.PREFIX, "prefixes"),
        (GarbageKind.MESSAGES, None),
    ]
    assert found[0].bytes == 5
    freed, whole = garbage.remove(found, ended)
    assert whole
    assert freed > 11
    assert sorted(path.name for path in places.models.iterdir()) == ["base-model", "b" * 64, "c" * 64, "e" * 64]
    assert [path.name for path in places.scratch.iterdir()] == ["round-2-x"]
    assert garbage.find(places, ended, DROPPED, set(GarbageKind) - {GarbageKind.RAY, GarbageKind.ADAPTER}) == []


def test_weights_go_of_policies_that_were_rejected_long_enough_ago_and_never_were_champion(ended, make, places):
    name = "b" * 64
    ended.gates.resume("depth")
    rnd = ended.rounds.open("config", 0)
    policy = ended.policies.add(
        Policy(**make.policy.model_dump() | {"adapter": name}, parent=make.policy.id), Standing.CANDIDATE, rnd
    )
    (places.models / name).mkdir()

    def listed(kept=DROPPED):
        return [each.path for each in garbage.find(places, ended, kept, [GarbageKind.ADAPTER])]

    for state in ("collect", "check", "train", "gate", "promote"):
        rnd = ended.rounds.advance(rnd, RoundState(state))
    assert listed() == []
    ended.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=False, reason="no better"))
    ended.rounds.advance(rnd, RoundState.DONE)
    assert listed(Storage(keep_rounds=1)) == []
    assert listed() == [places.models / name]
    ended.policies.propose(policy, "config", 0)
    assert listed() == []


def test_rays_files_go_where_nothing_runs_in_them(ended, places):
    made = [tempfile.mkdtemp(prefix=ray_home.PREFIX, dir=ray_home.PARENT) for _ in range(3)]
    handle = os.open(made[1], os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        for each in made[:2]:
            os.utime(each, (OLD, OLD))
        found = {str(each.path) for each in garbage.find(places, ended, DROPPED, [GarbageKind.RAY])}
        assert found & set(made) == {made[0]}
    finally:
        os.close(handle)
        for each in made:
            shutil.rmtree(each)
