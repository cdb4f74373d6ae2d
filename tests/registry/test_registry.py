"""A published adapter is whole, unchangeable unnoticed, and the only kind of thing that is let near a model."""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
from safetensors.numpy import save_file

from loop.errors import LoopdError, NotFound, Unsafe
from loop.weights import adapters

BASE = "b" * 64


@pytest.fixture
def adapter(tmp_path):
    directory = tmp_path / "adapter"
    directory.mkdir()
    tensors = {
        f"model.layers.{layer}.q_proj.{side}": np.full((8, 4), layer + 1.0, np.float32)
        for layer in range(3)
        for side in ("lora_a", "lora_b")
    }
    save_file(tensors, directory / adapters.WEIGHTS)
    (directory / adapters.SETTINGS).write_text(json.dumps({"fine_tune_type": "lora", "num_layers": 3}))
    return directory


@pytest.fixture
def published(adapter, tmp_path):
    return adapters.publish(adapter, tmp_path / "models", base=BASE)


def test_publishing_twice_is_publishing_once(adapter, tmp_path, published):
    again = adapters.publish(adapter, tmp_path / "models", base=BASE)
    assert again == published
    assert [path.name for path in (tmp_path / "models").iterdir()] == [published.id]
    manifest = adapters.verify(published.path, base=BASE)
    assert manifest.base == BASE
    assert manifest.tensors[adapters.WEIGHTS]["model.layers.0.q_proj.lora_a"] == adapters.Tensor(
        dtype="F32", shape=(8, 4)
    )
    assert published.path.stat().st_mode & 0o077 == 0


def test_another_base_is_another_model(adapter, tmp_path, published):
    other = adapters.publish(adapter, tmp_path / "models", base="c" * 64)
    assert other.id != published.id
    with pytest.raises(Unsafe, match=r"was made for base model cccc.*not for bbbb.*loopd model list"):
        adapters.verify(other.path, base=BASE)


def test_evidence_is_part_of_the_model(adapter, tmp_path, published):
    carded = adapters.publish(adapter, tmp_path / "models", base=BASE, evidence={"data_card.md": "# Data\n"})
    assert carded.id != published.id
    assert (carded.path / "data_card.md").read_text() == "# Data\n"
    with pytest.raises(Unsafe, match="not a plain file name"):
        adapters.publish(adapter, tmp_path / "models", base=BASE, evidence={"../card.md": ""})


@pytest.mark.parametrize("name", ["model.py", "weights.bin", "weights.pkl", "adapters.npz", ".hidden.json", "run.sh"])
def test_what_could_be_run_or_unpickled_is_refused(adapter, tmp_path, published, name):
    for directory in (adapter, published.path):
        (directory / name).write_text("x")
    with pytest.raises(Unsafe, match="has no place"):
        adapters.publish(adapter, tmp_path / "models", base=BASE)
    with pytest.raises(Unsafe, match="has no place"):
        adapters.verify(published.path)


def test_links_and_directories_are_refused(adapter, tmp_path, published):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (published.path / "more.json").symlink_to(secret)
    (adapter / "inner.json").mkdir()
    for attempt in (
        lambda: adapters.verify(published.path),
        lambda: adapters.publish(adapter, tmp_path / "models", base=BASE),
    ):
        with pytest.raises(Unsafe, match="not a plain file"):
            attempt()
    link = tmp_path / "models" / ("e" * 64)
    link.symlink_to(published.path)
    with pytest.raises(NotFound):
        adapters.verify(link)


def test_any_change_of_any_file_is_seen(published):
    rng = random.Random(0)
    for path in sorted(published.path.iterdir()):
        whole = path.read_bytes()
        for _ in range(12):
            harmed = bytearray(whole)
            harmed[rng.randrange(len(harmed))] ^= 1 << rng.randrange(8)
            path.write_bytes(harmed)
            with pytest.raises(Unsafe):
                adapters.verify(published.path)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(Unsafe):
            adapters.verify(published.path)
        path.write_bytes(whole)
    adapters.verify(published.path)
    (published.path / "extra.json").write_text("{}")
    with pytest.raises(Unsafe, match="not those of its manifest"):
        adapters.verify(published.path)


def header(weights, change):
    data = weights.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    told = json.loads(data[8 : 8 + size])
    change(told)
    spelled = json.dumps(told).encode()
    return struct.pack("<Q", len(spelled)) + spelled + data[8 + size :]


def _overflow(told):
    first = next(iter(told))
    told[first] = {"dtype": "F32", "shape": [65536, 65536, 65536, 16384], "data_offsets": [0, 0]}


def _overlap(told):
    first, second = list(told)[:2]
    told[second]["data_offsets"] = told[first]["data_offsets"]


def _beyond(told):
    last = list(told)[-1]
    begin, end = told[last]["data_offsets"]
    told[last]["data_offsets"] = [begin, end + 4096]


def _shape(told):
    told[next(iter(told))]["shape"] = [8, 5]


def _hole(told):
    del told[next(iter(told))]


@pytest.mark.parametrize("change", [_overflow, _overlap, _beyond, _shape, _hole])
def test_a_header_that_lies_never_gets_as_far_as_a_model(adapter, tmp_path, change):
    weights = adapter / adapters.WEIGHTS
    weights.write_bytes(header(weights, change))
    with pytest.raises(Unsafe, match="not a valid weights file"):
        adapters.publish(adapter, tmp_path / "models", base=BASE)
    assert not list((tmp_path / "models").iterdir())


def test_two_hundred_mutants_are_refused_or_hold_the_same_tensors(adapter, tmp_path):
    weights = adapter / adapters.WEIGHTS
    whole, rng = weights.read_bytes(), random.Random(1)
    expected = adapters.inspect(adapter, BASE).tensors
    refused = 0
    for number in range(200):
        harmed = bytearray(whole)
        if number % 2:
            harmed[rng.randrange(min(600, len(harmed)))] = rng.randrange(256)
        else:
            del harmed[rng.randrange(len(harmed)) :]
        weights.write_bytes(harmed)
        try:
            found = adapters.inspect(adapter, BASE).tensors
        except Unsafe:
            refused += 1
        else:
            shapes = [
                sorted((tensor.dtype, tensor.shape) for tensor in told[adapters.WEIGHTS].values())
                for told in (found, expected)
            ]
            assert shapes[0] == shapes[1]
    assert refused > 120


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_an_adapter_with_numbers_that_are_none_is_refused(adapter, tmp_path, kind, number):
    harmed = np.ones((40, 4), kind)
    harmed[37, 2] = number
    save_file({"a": np.ones((3, 3), kind), "z": harmed}, adapter / adapters.WEIGHTS)
    with pytest.raises(Unsafe, match="z holds NaN or infinity"):
        adapters.publish(adapter, tmp_path / "models", base=BASE)
    assert not list((tmp_path / "models").iterdir())


def test_bfloat16_is_looked_at_too(adapter):
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    for bits, sound in ((0x3F80, True), (0x7F80, False), (0xFFC0, False), (0x7F7F, True)):
        data = (0x3F80).to_bytes(2, "little") + bits.to_bytes(2, "little")
        (adapter / adapters.WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + data)
        with nullcontext() if sound else pytest.raises(Unsafe, match="a holds NaN"):
            adapters.inspect(adapter, BASE)


def test_settings_that_are_no_json_are_refused(adapter, tmp_path):
    (adapter / adapters.SETTINGS).write_text('{"rank": NaN}')
    with pytest.raises(Unsafe, match="is not JSON"):
        adapters.publish(adapter, tmp_path / "models", base=BASE)
    (adapter / adapters.SETTINGS).unlink()
    with pytest.raises(Unsafe, match="is not an adapter"):
        adapters.publish(adapter, tmp_path / "models", base=BASE)


def test_garbage_is_what_no_policy_names_and_nobody_just_made(adapter, tmp_path, published):
    models = tmp_path / "models"
    orphan = adapters.publish(adapter, models, base="c" * 64)
    (models / f"{adapters.UNFINISHED}abcdefgh").mkdir()
    (models / "smollm2-135m-instruct").mkdir()
    assert adapters.garbage(models, {published.id}, older_than=3600) == []
    assert adapters.garbage(models, {published.id}, older_than=0) == [
        models / f"{adapters.UNFINISHED}abcdefgh",
        orphan.path,
    ]
    assert adapters.garbage(tmp_path / "nowhere", set(), older_than=0) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from loop import registry
at, seen = int(sys.argv[3]), 0
def hook(event, arguments):
    global seen
    if event in {"open", "os.rename", "os.mkdir", "os.chmod", "tempfile.mkdtemp", "fcntl.fcntl", "os.listdir"}:
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
registry.publish(Path(sys.argv[1]), Path(sys.argv[2]), base="b" * 64)
"""


@pytest.mark.fault
@pytest.mark.slow
@pytest.mark.reliability(id="F3")
def test_killed_at_any_point_a_model_is_there_whole_or_not_at_all(adapter, tmp_path):
    models, killed = tmp_path / "models", 0
    for at in range(1, 200):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(adapter), str(models), str(at)], check=False, env=dict(os.environ)
        )
        whole = (
            [path for path in models.iterdir() if not path.name.startswith(adapters.UNFINISHED)]
            if models.exists()
            else []
        )
        for path in whole:
            adapters.verify(path, base=BASE)
        if done.returncode == 0:
            break
        killed += 1
        for path in whole:
            assert path in adapters.garbage(models, set(), older_than=0)
            shutil.rmtree(path)
    assert killed > 10
    assert len(whole) == 1


def test_every_refusal_is_one_that_the_command_line_prints(tmp_path):
    with pytest.raises(LoopdError, match="There is no model directory"):
        adapters.verify(tmp_path / "nowhere")
