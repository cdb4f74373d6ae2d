"""A writer that was asleep while another took its lease writes nothing more."""

import os
import signal
import time

import pytest

from loop.errors import AlreadyRunning
from loop.store import Store

pytestmark = [pytest.mark.fault, pytest.mark.reliability(id="F9")]
TTL = 1.0
REFUSED = 7


@pytest.mark.parametrize("sleeps", [1.2, pytest.param(3.2, marks=pytest.mark.slow)])
def test_who_slept_through_its_lease_is_refused_and_the_work_is_done_once(url, sleeps):
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with Store.open(url) as store:
                store.leases.take("daemon", "first", TTL)
                store.events.record("first")
                os.write(ready[1], b"x")
                os.read(go[0], 1)  # it sleeps here, between two writes
                store.leases.renew(TTL)
        except AlreadyRunning:
            os._exit(REFUSED)
        finally:
            os._exit(1)
    assert os.read(ready[0], 1) == b"x"
    os.kill(child, signal.SIGSTOP)
    with Store.open(url) as store:
        time.sleep(sleeps)
        store.leases.take("daemon", "second", 60)
        store.events.record("second")
        os.write(go[1], b"x")
        os.kill(child, signal.SIGCONT)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == REFUSED
        assert [event.kind for event in store.events.read()] == ["first", "second"]
    for end in (*ready, *go):
        os.close(end)
