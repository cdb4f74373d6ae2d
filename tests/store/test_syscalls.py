"""Killed at a system call, or refused by one: no half-published model, no success that was none, and it goes on."""

import os
import signal

import numpy as np
import pytest
from safetensors.numpy import save_file
from syscalls import injected, strace

from loop.errors import LoopdError
from loop.store import Store
from loop.types import Policy, Promotion, RoundState, Standing
from loop.weights import adapters

__all__ = ["strace"]  # a fixture
pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("strace"), pytest.mark.timeout(1800)]

BASE = "b" * 64
TOLD = 3
"""How the process ends where loopd said that it could not."""
CALLS = [
    "write",
    "pwrite64",
    "sendto",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
    "openat",
    "close",
    "fcntl",
]


def trained(place, number):
    """What a trainer wrote."""
    made = place / f"trained-{number}"
    made.mkdir()
    save_file({"lora_a": np.full((2, 2), number, np.float32)}, made / adapters.WEIGHTS)
    (made / adapters.SETTINGS).write_text("{}")
    return made


def promoting(url, make, made, models):
    """Publish an adapter and promote it; again after a kill."""

    def work():
        with Store.open(url) as store:
            rnd, champion = store.rounds.open("config", 0), store.policies.champion()
            found = adapters.publish(made, models, base=BASE)
            policy = store.policies.candidate(rnd)
            if policy is None:
                told = make.policy.model_dump() | {"base": BASE, "adapter": found.id}
                policy = store.policies.add(Policy(**told, parent=champion.id), Standing.CANDIDATE, rnd)
            if champion.id != policy.id:
                store.gates.save(rnd, make.gate("depth", candidate=policy.id, champion=champion.id))
                store.promotions.decide(rnd, Promotion(candidate=policy.id, promoted=True, reason="measured"))

    return work


@pytest.mark.reliability(id="F3")
@pytest.mark.parametrize("every", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_a_system_call_a_model_is_published_and_promoted_whole_or_not_at_all(  # noqa: PLR0913 - two places
    store, url, make, tmp_path, every, record_property
):
    models, trials, killed = tmp_path / "models", 0, 0
    store.policies.add(Policy(**make.policy.model_dump() | {"base": BASE}), Standing.CHAMPION)
    for call in CALLS:
        for at in range(1, 1000, every):
            before = store.policies.champion().id
            work = promoting(url, make, trained(tmp_path, trials), models)
            ended = injected(work, f"{call}:signal=SIGKILL:when={at}")
            for path in models.iterdir() if models.exists() else ():
                assert path.name.startswith(adapters.UNFINISHED) or adapters.verify(path, base=BASE)
            work()
            champion = store.policies.champion()
            assert champion.id != before, (call, at)
            assert adapters.verify(models / champion.adapter, base=BASE)
            store.rounds.advance(store.rounds.open("config", 0), RoundState.FAILED)
            trials += 1
            if ended == 0:
                break
            assert ended == -signal.SIGKILL
            killed += 1
    record_property("kills", killed)
    assert killed > 6
    assert list(store.inspection.findings()) == []


def recording(url, acknowledged, count):
    """Record events; each is acknowledged when it is stored."""

    def work():
        with Store.open(url) as store:
            for n in range(count):
                store.events.record("kept", number=n)
                acknowledged.write_text(str(n + 1))

    return work


@pytest.mark.reliability(id="F4")
@pytest.mark.parametrize(
    ("calls", "error"),
    [("fsync,fdatasync", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("openat", "EMFILE")],
    ids=["sync", "full", "write", "descriptors"],
)
@pytest.mark.parametrize(
    "points", [range(1, 42, 8), pytest.param(range(1, 42), marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_what_a_system_call_refuses_is_not_acknowledged_and_loses_nothing(template, tmp_path, calls, error, points):
    for at in points:
        place = tmp_path / f"{error}-{at}"
        place.mkdir()
        (place / "loopd.db").write_bytes(template.read_bytes())
        url, acknowledged = f"sqlite:///{place}/loopd.db", place / "acknowledged"
        ended = injected(guarded(recording(url, acknowledged, 10)), f"{calls}:error={error}:when={at}+")
        said = int(acknowledged.read_text() or 0) if acknowledged.exists() else 0
        with Store.open(url) as store:
            kept = [event.fields["number"] for event in store.events.read(kind="kept")]
            assert kept == list(range(len(kept)))
            assert said <= len(kept) <= said + 1
            assert ended == (0 if said == 10 else TOLD), at
            assert list(store.inspection.findings()) == []
            store.events.record("goes on")


def guarded(work):
    """Let what loopd itself says pass; anything else is a bug."""

    def guard():
        try:
            work()
        except (LoopdError, OSError):
            os._exit(TOLD)

    return guard
