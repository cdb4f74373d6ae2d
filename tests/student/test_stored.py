import hashlib
import random
import shutil
import threading

import pytest
from safetensors.numpy import load_file, save_file

from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.student.engine.prefixes import Beginning
from loop.student.engine.stored import NAME, PrefixDirectory, StoredPrefixes
from loop.weights.loading import load
from loop.weights.tiny import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(tiny(tmp_path_factory.mktemp("models"), stops=False))


@pytest.fixture(autouse=True)
def everything_pays(monkeypatch):
    monkeypatch.setattr("loop.student.engine.stored.SPAN", 0.0)  # a tiny model computes faster than any disk reads
    monkeypatch.setattr("loop.student.engine.stored.StoredPrefixes._timed", lambda *_: None)
    monkeypatch.setattr("loop.student.engine.stored.RATE", 1e15)


def place(directory, policy="p", template="compact", budget=2**30):
    return PrefixDirectory(directory=directory, budget=budget, policy=policy, template=template)


def prompt(seed, prefix=100):
    rng = random.Random(seed)
    return tuple(rng.randrange(2, 400) for _ in range(prefix + 9))


def served(model, where, *prompts):
    """What an engine that starts now says to each prompt, and its counters."""
    engine = Engine(model, stored=where)
    said = []
    for tokens in prompts:
        engine.submit(TokenRequest(tokens=tokens, prefix=len(tokens) - 9, max_tokens=6))
        while engine.busy:
            said += [answer.tokens for answer in engine.step()]
    if engine.prefixes.stored:
        engine.prefixes.stored.flush()
    return said, engine.stats


def files(directory):
    return sorted(file for file in directory.iterdir() if NAME.fullmatch(file.name))


def test_what_one_engine_computed_the_next_one_reads_and_says_the_same(model, tmp_path):
    asked = prompt(1), prompt(2, 130)
    plain, before = served(model, None, *asked)
    first, computed = served(model, place(tmp_path), *asked)
    again, loaded = served(model, place(tmp_path), *asked)
    assert plain == first == again
    assert computed.read == before.read
    assert (computed.prefix_loads, loaded.prefix_loads) == (0, 2)
    assert loaded.read == before.read - 100 - 130
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


@pytest.mark.parametrize("change", [{"policy": "q"}, {"template": "native"}])
def test_another_policy_or_template_computes_its_own(model, tmp_path, change):
    served(model, place(tmp_path), prompt(1))
    assert served(model, place(tmp_path, **change), prompt(1))[1].prefix_loads == 0
    assert len(files(tmp_path)) == 2
    assert served(model, place(tmp_path), prompt(2))[1].prefix_loads == 0


@pytest.mark.parametrize("how", ["a flipped bit", "cut", "empty", "other shapes", "other numbers", "no time"])
def test_a_file_that_is_not_sound_is_removed_and_computed_anew(model, tmp_path, how):
    said, _ = served(model, place(tmp_path), prompt(1))
    [file] = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    forged = {
        "other shapes": (lambda array: array[:, :-1].copy(), {"seconds": "1000"}),
        "other numbers": (lambda array: array.astype("float16"), {"seconds": "1000"}),
        "no time": (lambda array: array, {}),
    }
    if how in forged:
        change, about = forged[how]
        save_file({name: change(array) for name, array in load_file(file).items()}, tmp_path / "x", about)
        content = (tmp_path / "x").read_bytes()
        name = f"{file.name.partition('-')[0]}-{hashlib.sha256(content).hexdigest()}.safetensors"
        file.unlink()
        file = tmp_path / name
    file.write_bytes({"cut": bytes(content[:-9]), "empty": b""}.get(how, bytes(content)))
    again, stats = served(model, place(tmp_path), prompt(1))
    assert again == said
    assert stats.prefix_loads == 0
    assert served(model, place(tmp_path), prompt(1))[1].prefix_loads == 1  # it was stored again


def test_what_a_killed_server_left_half_written_is_removed_and_nothing_of_others(model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f".{'a' * 40}-17").write_bytes(b"half")
    served(model, place(tmp_path), prompt(1))
    assert sorted(tmp_path.iterdir()) == sorted([*files(tmp_path), tmp_path / "notes.txt"])


def test_a_disk_that_is_nearly_full_is_left_to_the_store(model, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=300 * 2**20)
    monkeypatch.setattr("loop.student.engine.stored.shutil.disk_usage", lambda _: usage)
    served(model, place(tmp_path), prompt(1))
    assert files(tmp_path) == []


def test_what_waits_to_be_written_is_bounded(model, tmp_path, monkeypatch):
    begin, write = threading.Event(), StoredPrefixes._write
    monkeypatch.setattr(StoredPrefixes, "_write", lambda *args: (begin.wait(30), write(*args)))
    monkeypatch.setattr("loop.student.engine.stored.WAITING", 1)
    engine = Engine(model, stored=place(tmp_path))
    for seed in range(3):
        engine.prefixes.get(Beginning("", prompt(seed)))
    begin.set()
    engine.prefixes.stored.flush()
    assert len(files(tmp_path)) == 1


def test_the_longest_unused_go_when_there_are_too_many(model, tmp_path):
    served(model, place(tmp_path), prompt(1))
    size = files(tmp_path)[0].stat().st_size
    room = place(tmp_path, budget=int(2.5 * size))
    served(model, room, *map(prompt, range(2, 5)))
    assert len(files(tmp_path)) == 2
    assert served(model, room, prompt(4))[1].prefix_loads == 1
    assert served(model, room, prompt(1))[1].prefix_loads == 0
    served(model, place(tmp_path, budget=size // 2), prompt(9))
    assert files(tmp_path) == []


def test_a_directory_that_cannot_be_written_costs_nothing_but_the_reuse(model, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    said, stats = served(model, place(blocked / "prefixes"), prompt(1))
    assert said == served(model, None, prompt(1))[0]
    assert stats.prefix_loads == 0


def test_short_prefixes_and_those_that_compute_fast_are_not_stored(model, tmp_path, monkeypatch):
    served(model, place(tmp_path), prompt(1, 40))
    monkeypatch.setattr("loop.student.engine.stored.SPAN", 1e9)
    monkeypatch.setattr("loop.student.engine.stored.RATE", 400e6)
    served(model, place(tmp_path), prompt(1))
    assert files(tmp_path) == []


def test_a_file_that_would_be_slower_than_computing_is_not_read(model, tmp_path, monkeypatch):
    served(model, place(tmp_path), prompt(1))
    monkeypatch.setattr("loop.student.engine.stored.RATE", 1.0)
    assert served(model, place(tmp_path), prompt(1))[1].prefix_loads == 0
