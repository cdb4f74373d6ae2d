"""PostgreSQL that is stopped again and again, as a crash stops it: nothing acknowledged is lost, nothing is twice."""

import random
import threading
import time

import pytest
from sqlalchemy.exc import DBAPIError

from loop.errors import LoopdError
from loop.store import Store, db
from loop.types import Standing

pytestmark = [pytest.mark.fault, pytest.mark.reliability(id="F6"), pytest.mark.timeout(300)]


@pytest.mark.parametrize(("stops", "pause"), [(2, 0.3), pytest.param(15, 4.0, marks=pytest.mark.slow)])
def test_a_server_that_crashes_and_returns_loses_nothing(own_server, make, stops, pause):
    url = own_server.url.format("postgres")
    db.upgrade(url)
    acknowledged, ended = [], threading.Event()
    with Store.open(url) as store:
        store.policies.add(make.policy, Standing.CHAMPION)
        rnd = store.rounds.open("config", 0)
        plays = [make.play(rnd, make.task(0), n, policy=make.policy) for n in range(3000)]
        store.plays.owe(rnd, [], plays)

        def write():
            for play in plays:
                while True:
                    try:
                        store.plays.finish(play, make.trajectory(play))
                        store.verdicts.record(play.id, [make.verdict("outcome"), make.verdict("stop")])
                    except (LoopdError, DBAPIError):
                        time.sleep(0.05)
                    else:
                        acknowledged.append(play.id)
                        break
                if ended.is_set():
                    return

        writer = threading.Thread(target=write)
        writer.start()
        chance = random.Random(6)
        for _ in range(stops):
            time.sleep(pause + chance.uniform(0, pause))
            own_server.stop()
            time.sleep(chance.uniform(0, pause / 2))
            own_server.start()
        before = len(acknowledged)
        deadline = time.monotonic() + 20
        while len(acknowledged) <= before and writer.is_alive():
            assert time.monotonic() < deadline, "the writer does not go on"
            time.sleep(0.05)
        ended.set()
        writer.join(20)
        kept = [each.id for each in store.trajectories.accepted(make.required)]
        assert len(acknowledged) > stops
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept)) <= len(acknowledged) + 1
        assert list(store.inspection.findings()) == []
