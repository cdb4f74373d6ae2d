"""A trainer that is killed goes on where it was, and ends with the adapter of one that was not."""

import json
import os
import random
import socket
import subprocess
import sys
from itertools import islice

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm.generate import generate_step

from loop.errors import ConfigError
from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.training import backprop, checkpoint, shared_prefix
from loop.training.job import identity, read_examples, read_job
from loop.training.trainer import learning_rate, read_rows, train
from loop.types import Call, Catalogue, Message, Precision, Tool
from loop.types.jobs import Job
from loop.weights import adapters
from loop.weights.adapters import ROWS, WEIGHTS
from loop.weights.export import fuse
from loop.weights.loading import load
from loop.weights.sources import directory_digest
from loop.weights.tiny import tiny

CATALOGUE = Catalogue(
    tools=(Tool(name="mkdir", description="Create.", parameters={"type": "object", "properties": {}}),)
)


def example(number, rng):
    name = rng.choice("abcdefgh") * rng.randrange(1, 9)
    messages = (
        Message(role="system", content="Use tools."),
        Message(role="user", content=f"Create a folder {name} {number}"),
        Message(role="assistant", content="", calls=(Call(name="mkdir", arguments={"dir_name": name}),)),
        Message(role="tool", content="{}", name="mkdir", ok=True),
        Message(role="assistant", content="Done."),
    )
    said = [message.model_dump(mode="json") for message in messages]
    return {"id": f"t{number}", "messages": said, "catalogue": CATALOGUE.model_dump(mode="json")}


@pytest.fixture
def job(tmp_path):
    rng = random.Random(0)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(example(number, rng)) + "\n" for number in range(24)))
    base = tiny(tmp_path / "models")
    return Job(
        base=base, template="compact", rows=rows, out=tmp_path / "adapter", scratch=tmp_path / "scratch", seed=5,
        epochs=3, rank=4, save_every=2, learning_rate=5e-3, lanes=2,
    )  # fmt: skip


def run(job):
    lines = []
    train(job, lambda line: lines.append(line.model_dump(mode="json", exclude_none=True)))
    return lines


def weights(job):
    return mx.load(str(job.out / WEIGHTS))


def same(one, other):
    return one.keys() == other.keys() and all(mx.array_equal(one[name], other[name]).item() for name in one)


def test_it_learns_tells_and_writes_what_serving_loads(job, tmp_path):
    lines = run(job)
    told = {"says": "began", "rows": 24, "heldout": 0, "refused": {}, "steps": 9}
    assert 0.01 < lines[0].pop("foreseen_gb") < 1
    assert lines[0] == {**told, "ranks": 1, "engine": "layers", "why": "", "batch_tokens": 4096}
    assert [line["step"] for line in lines[1:-1]] == list(range(1, 10))
    figures = {"loss", "learning_rate", "tokens_per_second", "seconds_left", "peak_gb", "batch_tokens"}
    assert {"says", "step", "steps"} | figures == set(lines[1])
    assert lines[-1]["says"] == "done"
    assert lines[-1]["adapter"] == str(job.out)
    assert lines[-2]["loss"] < lines[1]["loss"] - 0.5
    published = adapters.publish(job.out, tmp_path / "published", base=directory_digest(job.base))
    plain, tuned = load(job.base), load(job.base, published.path)
    before, after = dict(tree_flatten(plain.parameters())), dict(tree_flatten(tuned.parameters()))
    changed = {name for name in before if not mx.array_equal(before[name], after[name])}
    assert changed == {name for name in before if name.endswith("proj.weight")}


def test_a_quantized_base_learns_by_an_adapter_that_is_served_beside_it(job, tmp_path):
    job = job.model_copy(update={"base": fuse(job.base, None, tmp_path / "rounded", Precision.FOUR)})
    lines = run(job)
    assert lines[-2]["loss"] < lines[1]["loss"] - 0.5
    published = adapters.publish(job.out, tmp_path / "published", base=directory_digest(job.base))
    tuned, tokens = load(job.base, published.path), tuple(range(5, 30))
    engine = Engine(tuned)
    engine.submit(TokenRequest(tokens=tokens, prefix=10, max_tokens=12))
    while not (said := engine.step()):
        pass
    assert said[0].tokens == tuple(token for token, _ in islice(generate_step(mx.array(tokens), tuned), 12))
    with pytest.raises(ConfigError, match="quantized"):
        train(job.model_copy(update={"fine_tune": "full", "scratch": tmp_path / "full"}), lines.append)


def test_the_same_seed_gives_the_same_adapter_and_another_one_does_not(job, tmp_path):
    run(job)
    again = job.model_copy(update={"out": tmp_path / "again", "scratch": tmp_path / "other"})
    run(again)
    assert same(weights(job), weights(again))
    run(seeded := again.model_copy(update={"seed": 6, "out": tmp_path / "seeded"}))
    assert not same(weights(job), weights(seeded))


@pytest.mark.parametrize("take", [None, 18])
@pytest.mark.reliability(id="F17")
def test_killed_at_any_step_it_ends_with_the_same_adapter(job, take, tmp_path):
    job = job.model_copy(update={"take": take, "batch_rows": 8 if take is None else 2})
    run(job)
    told = []
    torn = job.model_copy(update={"out": tmp_path / "torn", "scratch": tmp_path / "torn-scratch"})
    for stop in (1, 3, 4, 8):

        def tell(line, stop=stop):
            told.append(getattr(line, "step", None))
            if getattr(line, "step", None) == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(torn, tell)
    lines = run(torn)
    assert lines[1]["step"] == 9
    assert same(weights(job), weights(torn))
    assert [step for step in told if step] == [1, 1, 2, 3, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("harm", ["truncate", "flip", "manifest", "foreign"])
@pytest.mark.reliability(id="F17")
def test_a_harmed_checkpoint_is_passed_over(job, harm):
    run(job)
    newest, older = sorted(job.scratch.glob("step-*"))[::-1]
    file = newest / (checkpoint.MANIFEST if harm in {"manifest", "foreign"} else checkpoint.OPTIMIZER)
    data = bytearray(file.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
    told = data.replace(identity(job).encode(), b"0" * 64) if harm == "foreign" else data
    file.write_bytes(told[: len(told) // 2] if harm in {"truncate", "manifest"} else told)
    lines = run(job)
    assert lines[1]["step"] == int(older.name.removeprefix("step-")) + 1


def test_checkpoints_of_other_settings_do_not_push_out_those_of_this_one(job):
    run(job)
    other = job.model_copy(update={"rank": 2})

    def tell(line):
        if getattr(line, "step", None) == 4:  # saved after 2 and after 4; the others' are of 6 and 8
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(other, tell)
    assert run(other)[1]["step"] == 5


def test_rows_that_are_too_long_are_counted_and_none_at_all_is_an_error(job):
    rows, _ = read_rows(job)
    sizes = sorted(len(row.tokens) for row in rows)
    kept, refused = read_rows(job.model_copy(update={"max_tokens": sizes[11]}))
    assert len(kept) + refused["too_long"] == 24
    assert all(len(row.tokens) <= sizes[11] for row in kept)
    with pytest.raises(ConfigError, match="'too_long': 24"):
        read_rows(job.model_copy(update={"max_tokens": sizes[0] - 1}))


def test_rows_that_are_chosen_on_the_way_are_named_beside_the_adapter(job, tmp_path):
    job = job.model_copy(update={"take": 10, "batch_rows": 2})
    lines = run(job)
    assert [lines[0]["rows"], lines[0]["steps"]] == [24, 5]
    names = (job.out / ROWS).read_text().split()
    assert len(names) == len(set(names)) == 10
    assert {*names} < {f"t{number}" for number in range(24)}
    adapters.publish(job.out, tmp_path / "published", base=directory_digest(job.base))


def test_the_learning_rate_climbs_and_falls(job):
    rates = [learning_rate(job, step, 20) for step in range(1, 21)]
    assert rates[0] < rates[1] == max(rates) == pytest.approx(job.learning_rate)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(job.learning_rate / 10)
    assert learning_rate(job.model_copy(update={"schedule": "constant"}), 20, 20) == job.learning_rate


def test_training_that_comes_apart_ends_and_says_what_to_lower(job):
    with pytest.raises(ConfigError, match=r"the loss of step \d+ is (nan|inf).*Lower training.learning_rate"):
        run(job.model_copy(update={"learning_rate": 1e30, "epochs": 3}))
    assert not job.out.exists()


def test_what_cannot_be_read_is_named(job, tmp_path):
    with pytest.raises(ConfigError, match=r"rows\.jsonl, line 2"):
        read_examples(_written(tmp_path / "rows.jsonl", job.rows.read_text().splitlines()[0] + "\n{}\n"))
    with pytest.raises(ConfigError, match="is no training job"):
        read_job(_written(tmp_path / "job.json", "{}"))


def _written(path, text):
    path.write_text(text)
    return path


@pytest.mark.reliability(id="F17")
def test_the_child_ends_with_its_parent_and_goes_on_after_a_kill(job, tmp_path):
    path = _written(tmp_path / "job.json", job.model_dump_json())
    with _child(path) as killed:
        for line in killed.stdout:
            if json.loads(line).get("step") == 3:
                killed.kill()
                break
    with _child(path) as orphan:
        orphan.stdin.close()
        assert orphan.wait(60) == 0
    with _child(path) as last:
        lines = [json.loads(line) for line in last.stdout]
        assert lines[-1]["says"] == "done"
        assert lines[1]["step"] > 1
        assert last.wait(60) == 0


def _child(path):
    arguments = [sys.executable, "-m", "loop.training.trainer", str(path)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def measured(job):
    """Enough steps and so high a rate that the held-out loss rises again."""
    return job.model_copy(update={"heldout": 0.25, "patience": 2, "epochs": 12, "save_every": 1, "learning_rate": 5e-2})


def test_training_stops_early_and_publishes_the_best_step(measured):
    lines = run(measured)
    losses = [line["heldout_loss"] for line in lines[1:-1]]
    best = losses.index(min(losses)) + 1
    assert lines[0]["heldout"] == 6
    assert len(losses) == best + 2 < lines[0]["steps"]
    assert lines[-1]["step"] == best
    kept = mx.load(str(measured.scratch / f"step-{best:06d}" / checkpoint.ADAPTER))
    assert same(weights(measured), kept)


@pytest.mark.reliability(id="F17")
def test_stopped_early_after_a_kill_it_publishes_the_same(measured, tmp_path):
    whole = run(measured)
    torn = measured.model_copy(update={"out": tmp_path / "torn", "scratch": tmp_path / "torn-scratch"})
    for stop in (2, len(whole) - 2):

        def tell(line, stop=stop):
            if getattr(line, "step", None) == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(torn, tell)
    assert run(torn)[-1]["step"] == whole[-1]["step"]
    assert same(weights(measured), weights(torn))


def test_all_weights_learn_and_serving_loads_them(job, tmp_path):
    full = job.model_copy(
        update={"fine_tune": "full", "learning_rate": 1e-3, "epochs": 1, "gradient_checkpointing": True}
    )
    lines = run(full)
    assert lines[0]["engine"] == "shared-prefix"
    assert lines[-2]["loss"] < lines[1]["loss"]
    published = adapters.publish(full.out, tmp_path / "published", base=directory_digest(full.base))
    before, after = (dict(tree_flatten(load(full.base, path).parameters())) for path in (None, published.path))
    assert before.keys() == after.keys()
    assert all(not mx.array_equal(before[name], after[name]) for name in before)


def test_a_family_that_is_not_known_learns_the_same_from_plain_batches(job, tmp_path, monkeypatch):
    run(job)
    monkeypatch.setattr(backprop, "fits", lambda _: False)
    monkeypatch.setattr(shared_prefix, "reaches", lambda _: False)
    lines = run(other := job.model_copy(update={"out": tmp_path / "plain", "scratch": tmp_path / "plain-scratch"}))
    assert lines[0]["engine"] == "plain"
    assert "every row is computed whole" in lines[0]["why"]
    one, two = weights(job), weights(other)
    assert all(mx.allclose(one[name], two[name], rtol=0, atol=2e-2).item() for name in one)


def test_two_ranks_take_the_same_steps_as_one(job, tmp_path):
    """`mlx.launch -n 2` on this machine, over the ring backend: what several machines do, over loopback."""
    job = job.model_copy(update={"epochs": 1, "lanes": 1, "learning_rate": 1e-3, "heldout": 0.2})
    lines = run(job)
    split = job.model_copy(update={"out": tmp_path / "split", "scratch": tmp_path / "split-scratch"})
    codes, told, _ = _on_two_ranks(split, tmp_path)
    assert codes == [0, 0]
    assert told[1] == ""
    assert json.loads(told[0].splitlines()[0])["ranks"] == 2
    both = [json.loads(line) for line in told[0].splitlines()]
    assert [line["loss"] for line in both[1:-1]] == pytest.approx([line["loss"] for line in lines[1:-1]], rel=1e-4)
    one, two = weights(job), weights(split)
    assert all(mx.allclose(one[name], two[name], rtol=1e-3, atol=1e-4).item() for name in one)


def test_two_ranks_do_not_choose_rows_as_they_train(job, tmp_path):
    codes, _, errors = _on_two_ranks(job.model_copy(update={"take": 10}), tmp_path)
    assert codes == [ConfigError.exit_code] * 2
    assert all("Leave training.take out of the job" in error for error in errors)


def _on_two_ranks(job, tmp_path):
    path = _written(tmp_path / "job.json", job.model_dump_json())
    hosts = _written(tmp_path / "hosts.json", json.dumps([[f"127.0.0.1:{port}"] for port in _free_ports()]))
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "loop.training.trainer", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"MLX_RANK": str(rank), "MLX_HOSTFILE": str(hosts)},
        )
        for rank in (0, 1)
    ]
    said = [rank.communicate(timeout=120) for rank in ranks]
    return [rank.returncode for rank in ranks], *zip(*said, strict=True)


def _free_ports():
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
