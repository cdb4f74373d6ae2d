"""Asked to stop, the daemon ends between two writes, and at once where it only waits."""

import os
import signal

import pytest

from loop.runtime.signals import Stopped, StopRequest


@pytest.fixture
def stop():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stop = StopRequest()
    stop.listen()
    yield stop
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


@pytest.mark.reliability(id="F11")
def test_a_wait_is_interrupted_at_once_and_its_source_is_closed(stop):
    closed = []

    def source():
        try:
            yield 1
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        finally:
            closed.append(True)

    with pytest.raises(Stopped) as caught:
        list(stop.each(source()))
    assert closed == [True]
    assert caught.value.exit_code == 130


@pytest.mark.reliability(id="F11")
def test_work_between_waits_is_not_interrupted(stop):
    done = []
    with pytest.raises(Stopped):
        for item in stop.each(iter([1, 2])):
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(item)
    assert done == [1]


@pytest.mark.reliability(id="F11")
def test_a_request_from_inside_counts_too(stop):
    stop.check()
    stop.ask()
    with pytest.raises(Stopped) as caught:
        stop.check()
    assert caught.value.exit_code == 0
