"""A full disk is told as one, before a stage and within it, and is no bug."""

import errno

import numpy as np
import pytest
from safetensors.numpy import save_file

from loop.cli import start
from loop.errors import CannotCreate, FailureKind, LoopdError, NotFound, ProviderError
from loop.runtime import disk, paths


def test_a_stage_does_not_begin_without_room(tmp_path):
    disk.check(tmp_path, needed=1)
    with pytest.raises(CannotCreate, match=r"Only \d+ MiB are free.*Free some space, then type: loopd start"):
        disk.check(tmp_path, needed=2**62)


def test_a_training_needs_room_by_what_it_trains(tmp_path):
    shapes = {
        "model.embed_tokens.weight": (100, 8),
        "model.layers.0.self_attn.q_proj.weight": (16, 8),
        "model.layers.0.input_layernorm.weight": (8,),
    }
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, tmp_path / "model.safetensors")
    beside = {full: disk.of_training(tmp_path, 4, full=full) - disk.NEEDED for full in (False, True)}
    assert beside == {False: 14 * 4 * 4 * (16 + 8), True: 14 * 4 * (800 + 128 + 8)}


def test_a_write_that_finds_no_room_is_recognised(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device")
    assert disk.ran_out(error, tmp_path)
    assert not disk.ran_out(OSError(errno.EACCES, "Permission denied"), tmp_path)


def test_a_child_that_could_not_write_says_less_than_the_disk(tmp_path, monkeypatch):
    lost = ProviderError(FailureKind.LOST, "trainer (pid 7) was ended by SIGABRT")
    assert not disk.ran_out(lost, tmp_path)
    monkeypatch.setattr(disk, "NOTHING", 2**62)
    assert disk.ran_out(lost, tmp_path)


def test_the_daemon_ends_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPD_HOME", str(tmp_path))
    places = paths.find()
    places.data.mkdir(parents=True, exist_ok=True)
    full = start._as_bug(OSError(errno.ENOSPC, "No space left on device"), places)
    assert isinstance(full, CannotCreate)
    assert full.exit_code == 73
    known = NotFound("There is no such thing")
    assert start._as_bug(known, places) is known
    bug = start._as_bug(ValueError("x"), places)
    assert type(bug) is LoopdError
    assert "This is a bug: ValueError: x" in str(bug)
