"""Training on shared prefixes beside mlx_lm's own trainer, on the same rows, adapter and optimizer.

    python benchmarks/train.py [--quick | --full] [--base DIR] [--json FILE]

Rows are what agent plays are: one BFCL catalogue that all have in common, then a conversation of their own, learned
from 40 tokens behind the catalogue on (mlx_lm masks no more finely than that). An optimizer step takes 8 rows.
First our gradient is compared with the plain one on every trainable tensor, and the first loss of every arm with the
others'; then arms run in turn, each in a fresh process, its first step timed. The default cuts the catalogue to 1,000
tokens and gives medians of three runs; `--full` shows the whole catalogue once; `--quick` cuts it to 300.

mlx_lm takes the largest micro-batch that fits 24 GiB, and accumulates: 2 rows of 1,130 tokens as they are, 1 row of
2,800 with gradient checkpointing. `foreseen_gb` is what its 8 rows at once would take, by a line through what one row
and two rows took. A last part gives a random model of Qwen3's shape 32k and 151k words: what grows is the cliff.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from loop.runtime.gpu import preload

BACKEND: Final = "GorillaFileSystem"
UNLEARNED: Final = 40
"""Tokens behind the catalogue before loss begins: the user's first message."""
RATE: Final = 1e-4
TOLERANCE: Final = 1e-4
"""Relative distance, of every gradient tensor and of the first losses."""
CHECKED: Final = 600
"""Tokens of the prefix in the comparison of gradients: the plain one keeps everything."""
VOCABULARIES: Final = (32_000, 151_936)


class Size(NamedTuple):
    """How large a run is. Lengths in tokens."""

    prefix: int
    tail: int
    rows: int
    runs: int
    micro: int
    """mlx_lm's rows at once."""
    recompute: bool
    """Whether mlx_lm checkpoints gradients: without, not even one row would fit."""
    arms: tuple[str, ...]


SIZES: Final = {
    "quick": Size(300, 60, 8, 1, 4, False, ("mlx_lm", "ours")),
    "usual": Size(1000, 130, 8, 3, 2, False, ("mlx_lm", "ours")),
    "full": Size(100_000, 400, 8, 1, 1, True, ("mlx_lm", "ours", "ours_checkpointing")),
}


class Work(NamedTuple):
    """What one child process does."""

    arm: str
    prefix: int
    tail: int
    rows: int
    micro: int
    recompute: bool
    base: str
    vocabulary: int = 0
    """Of a random model; 0 takes the base."""


Figures = dict[str, float]


def main() -> None:
    """Check, run the arms in turn, print a table and JSON."""
    options = _options()
    if options.child:
        sys.stdout.write(json.dumps(_measure(Work(*json.loads(options.child)))) + "\n")
        return
    name = "quick" if options.quick else "full" if options.full else "usual"
    size, base = SIZES[name], str(options.base or "")
    distance = _child(_work("check", size, base))["distance"]
    runs: dict[str, list[Figures]] = {arm: [] for arm in size.arms}
    for turn in range(size.runs):
        for arm in size.arms if turn % 2 == 0 else size.arms[::-1]:
            runs[arm].append(_child(_work(arm, size, base)))
    _agree([run["loss"] for arm in runs.values() for run in arm])
    two_rows = [_child(_work("mlx_lm", size, base)._replace(rows=rows, micro=rows)) for rows in (1, 2)]
    report = _report(name, size, runs, two_rows) | {"gradient_distance": distance, "vocabulary": _vocabulary(size)}
    _print(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a catalogue of 300 tokens: ends within five minutes")
    parser.add_argument(
        "--full", action="store_true", help="the whole catalogue, one run: about half an hour on two cores"
    )
    parser.add_argument("--base", type=Path, help="model directory; default: the embedded model")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _work(arm: str, size: Size, base: str) -> Work:
    theirs = arm == "mlx_lm"
    recompute = size.recompute if theirs else arm == "ours_checkpointing"
    return Work(arm, size.prefix, size.tail, size.rows, size.micro if theirs else size.rows, recompute, base)


def _child(work: Work) -> Figures:
    """Measure in a process of its own, under the matrix library that the daemon's trainer has."""
    command = [sys.executable, __file__, "--child", json.dumps(work)]
    done = subprocess.run(command, env=os.environ | preload(), check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{work.arm} ended with {done.returncode}: nothing is reported")
    measured: Figures = json.loads(done.stdout.splitlines()[-1])
    print(work.arm, measured, file=sys.stderr, flush=True)
    return measured


def _agree(losses: Sequence[float]) -> None:
    if max(losses) - min(losses) > TOLERANCE * max(losses):
        raise SystemExit(f"the arms do not compute the same loss: {losses}")


def _vocabulary(size: Size) -> dict[str, dict[str, Figures]]:
    """Measure what a large vocabulary takes beside its weights, which each figure leaves out."""
    found: dict[str, dict[str, Figures]] = {}
    for arm in ("mlx_lm", "ours"):
        work = Work(arm, min(size.prefix, 1000), min(size.tail, 130), 8, 2 if arm == "mlx_lm" else 8, False, "")
        found[arm] = {str(words): _child(work._replace(vocabulary=words)) for words in VOCABULARIES}
    return found


def _measure(work: Work) -> Figures:
    import mlx.core as mx  # noqa: PLC0415 - only in the child, under its matrix library

    from loop.compute.cpu.denormals import flush_denormals  # noqa: PLC0415 - as above
    from loop.compute.cpu.glibc import keep_freed, one_arena  # noqa: PLC0415 - as above

    if work.arm.startswith("ours"):
        flush_denormals()
        keep_freed()
        one_arena()
    rows, model = _rows(work), _model(work)
    if work.arm == "check":
        return {"distance": _distance(model, rows)}
    weights = mx.get_active_memory()
    mx.reset_peak_memory()
    begun, spent = time.perf_counter(), _cpu()
    loss = _theirs(model, rows, work) if work.arm == "mlx_lm" else _ours(model, rows, work)
    seconds, cpu = time.perf_counter() - begun, _cpu() - spent
    tokens = sum(len(row.tokens) for row in rows)
    return {
        "loss": loss,
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "cpu_ms_per_token": 1e3 * cpu / tokens,
        "peak_gb": mx.get_peak_memory() / 1e9,
        "weights_gb": weights / 1e9,
        "resident_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024)
        / 1e9,
    }


def _cpu() -> float:
    """Processor seconds tell what the machine's other work hides."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _base(work: Work) -> Path:
    from loop.weights.sources import embedded  # noqa: PLC0415 - as above

    return Path(work.base) if work.base else embedded(Path(tempfile.gettempdir()) / "loopd-bench")


def _rows(work: Work) -> list[Any]:
    """Render plays that have the catalogue in common. All are equally long, so that every arm means over the same."""
    from loop.templates.render import Renderer  # noqa: PLC0415 - as above
    from loop.training.masks import TrainingRow  # noqa: PLC0415 - as above
    from loop.types import Catalogue, Message  # noqa: PLC0415 - as above
    from task_generators.backends.catalogues import catalogue, tools_of  # noqa: PLC0415 - as above

    renderer = Renderer.load(_base(work), "compact")
    schemas = [tool.model_dump_json() for tool in catalogue(tools_of(BACKEND), [BACKEND]).tools]
    system = Message(role="system", content="\n".join(["You act with these tools.", *schemas]))
    whole = renderer.prefix([system], Catalogue())
    prefix, rows = min(work.prefix, whole), []
    for number in range(work.rows):
        spans = renderer.spans([system, *_conversation(number, work.tail)], Catalogue())
        words = work.vocabulary or renderer.tokenizer.get_vocab_size()  # a smaller random model does not know all ids
        tokens = [token % words for span in spans for token in span.tokens]
        kept = tokens[:prefix] + tokens[whole:][: work.tail - 1] + [0]
        learned = tuple(place >= prefix + UNLEARNED for place in range(1, len(kept)))
        rows.append(TrainingRow(str(number), tuple(kept), learned))
    assert len({len(row.tokens) for row in rows}) == 1
    return rows


def _conversation(number: int, tail: int) -> list[Any]:
    """Say enough: every turn has more than 20 tokens."""
    from loop.types import Call, Message  # noqa: PLC0415 - as above

    said = []
    for turn in range(tail // 20 + 2):
        name = f"report_{number}_{turn}"
        call = Call(name="mkdir", arguments={"dir_name": name})
        said += [
            Message(role="user", content=f"{number}: please create the folder {name}, then tell me what it holds."),
            Message(role="assistant", content="", calls=(call,)),
            Message(role="tool", name="mkdir", content=f'{{"created": "{name}", "items": {number * turn}}}', ok=True),
            Message(role="assistant", content=f"The folder {name} is there; it holds {number * turn} items."),
        ]
    return said


def _model(work: Work) -> Any:  # noqa: ANN401 - an mlx-lm model
    import mlx.core as mx  # noqa: PLC0415 - as above
    from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: PLC0415 - as above

    from loop.weights.loading import load  # noqa: PLC0415 - as above

    mx.random.seed(0)
    model = _random(work.vocabulary) if work.vocabulary else load(_base(work))
    model.freeze()
    linear_to_lora_layers(model, len(model.layers), {"rank": 16, "scale": 2.0, "dropout": 0.0})
    mx.eval(model.parameters())
    return model


def _random(vocabulary: int) -> Any:  # noqa: ANN401 - as above
    """Build a random model of Qwen3's shape, small but for its vocabulary."""
    from mlx_lm.models import qwen3  # noqa: PLC0415 - as above

    shape = qwen3.ModelArgs(
        model_type="qwen3", hidden_size=512, num_hidden_layers=6, intermediate_size=1536, num_attention_heads=8,
        rms_norm_eps=1e-6, vocab_size=vocabulary, num_key_value_heads=4, max_position_embeddings=8192, rope_theta=1e6,
        head_dim=64, tie_word_embeddings=True,
    )  # fmt: skip
    return qwen3.Model(shape)


def _ours(model: Any, rows: Sequence[Any], work: Work) -> float:  # noqa: ANN401 - as above
    """Take one optimizer step as `loop.training.trainer` does; gives its loss."""
    import mlx.core as mx  # noqa: PLC0415 - as above
    import mlx.optimizers as optim  # noqa: PLC0415 - as above

    from loop.training.lanes import Lanes  # noqa: PLC0415 - as above
    from loop.training.masks import learned  # noqa: PLC0415 - as above
    from loop.training.prefix_tree import pack  # noqa: PLC0415 - as above
    from loop.training.schedule import split  # noqa: PLC0415 - as above
    from loop.training.shared_prefix import stand_in  # noqa: PLC0415 - as above

    lanes, optimizer = Lanes(recompute=work.recompute), optim.AdamW(learning_rate=RATE)
    with stand_in(model, recompute=work.recompute):
        parts = [pack(part, learned(rows)) for part in split(rows, lanes.count, 8192)]
        loss, gradient, _ = lanes.gradient(model, parts)
    optimizer.update(model, gradient)
    mx.eval(model.trainable_parameters(), optimizer.state)
    return float(loss.item())


def _theirs(model: Any, rows: Sequence[Any], work: Work) -> float:  # noqa: ANN401 - as above
    """Take one optimizer step of `mlx_lm.tuner.trainer.train`, the loop that `mlx_lm.lora` runs; gives its loss.

    Its mask counts one token of padding behind every row as learned. The rows end with that token's id, and it gets
    them without, so that both arms learn the same.
    """
    import mlx.optimizers as optim  # noqa: PLC0415 - as above
    from mlx_lm.tuner.callbacks import TrainingCallback  # noqa: PLC0415 - as above
    from mlx_lm.tuner.trainer import TrainingArgs, train  # noqa: PLC0415 - as above

    told: list[float] = []

    class Told(TrainingCallback):  # type: ignore[misc, unused-ignore]
        def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
            told.append(train_info["train_loss"])

    count = len(rows) // work.micro
    data = [(list(row.tokens[:-1]), row.loss.index(True) + 1) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArgs(
            batch_size=work.micro, iters=count, grad_accumulation_steps=count, steps_per_report=count,
            max_seq_length=1 << 16, grad_checkpoint=work.recompute, adapter_file=f"{folder}/adapters.safetensors",
        )  # fmt: skip
        train(model, optim.AdamW(learning_rate=RATE), data, args=arguments, training_callback=Told())
    return told[0]


def _distance(model: Any, rows: Sequence[Any]) -> float:  # noqa: ANN401 - as above
    """Measure how far our gradient is from the plain one, on two rows, the worst tensor's relative norm."""
    import mlx.core as mx  # noqa: PLC0415 - as above
    from mlx import nn  # noqa: PLC0415 - as above
    from mlx.utils import tree_flatten, tree_map  # noqa: PLC0415 - as above

    from loop.training.lanes import Lanes  # noqa: PLC0415 - as above
    from loop.training.masks import learned  # noqa: PLC0415 - as above
    from loop.training.prefix_tree import pack  # noqa: PLC0415 - as above
    from loop.training.shared_prefix import stand_in  # noqa: PLC0415 - as above

    for _, module in model.named_modules():
        if "lora_b" in module:  # zero at the start, which would hide the other factor's gradient
            module.lora_b = mx.random.normal(module.lora_b.shape, key=mx.random.key(0)) * 0.01

    def plain(model: Any, row: Any) -> Any:  # noqa: ANN401 - as above
        losses = nn.losses.cross_entropy(model(mx.array(row.tokens[:-1])[None])[0], mx.array(row.tokens[1:]))
        return (losses * mx.array(row.loss)).sum() / total

    pair = [_shortened(row) for row in rows[:2]]
    total = learned(pair)
    first = nn.value_and_grad(model, plain)(model, pair[0])[1]
    mx.eval(first)
    expected = tree_map(lambda a, b: a + b, first, nn.value_and_grad(model, plain)(model, pair[1])[1])
    mx.eval(expected)
    with stand_in(model):
        _, gradient, _ = Lanes().gradient(model, [pack(pair, total)])
    one, other = dict(tree_flatten(expected)), dict(tree_flatten(gradient))
    worst = max(float(mx.linalg.norm(one[name] - other[name]) / mx.linalg.norm(one[name])) for name in one)
    if not worst < TOLERANCE:
        raise SystemExit(f"the gradient is off by {worst:.2e}: nothing is timed")
    return worst


def _shortened(row: Any) -> Any:  # noqa: ANN401 - a row
    """Cut the prefix, not the tail."""
    from loop.training.masks import TrainingRow  # noqa: PLC0415 - as above

    unlearned = row.loss.index(True) + 1
    cut = max(0, unlearned - UNLEARNED - CHECKED)
    return TrainingRow(row.id, row.tokens[cut:], row.loss[cut:])


def _report(name: str, size: Size, runs: dict[str, list[Figures]], two_rows: Sequence[Figures]) -> dict[str, Any]:
    medians = {
        arm: {figure: statistics.median(run[figure] for run in found) for figure in found[0]}
        for arm, found in runs.items()
    }
    theirs = medians["mlx_lm"]
    one, two = (figures["peak_gb"] for figures in two_rows)
    foreseen = one + (size.rows - 1) * (two - one)
    ratios = {
        arm: {
            "tokens_per_second": figures["tokens_per_second"] / theirs["tokens_per_second"],
            "cpu": theirs["cpu_ms_per_token"] / figures["cpu_ms_per_token"],
            "peak_memory": figures["peak_gb"] / theirs["peak_gb"],
            "peak_memory_of_foreseen": figures["peak_gb"] / foreseen,
        }
        for arm, figures in medians.items()
        if arm != "mlx_lm"
    }
    machine = {"system": platform.platform(), "cores": os.cpu_count()}
    return {"size": {"name": name, **size._asdict()}, "machine": machine, "medians": medians, "ratios": ratios,
            "foreseen_gb": foreseen, "runs": runs}  # fmt: skip


def _print(report: dict[str, Any]) -> None:
    print(json.dumps(report, indent=1))
    print(f"{'arm':20}{'tok/s':>10}{'cpu ms/tok':>12}{'peak GB':>10}{'times':>8}{'memory':>8}{'of all 8':>10}")
    for arm, figures in report["medians"].items():
        ratios = report["ratios"].get(arm, {})
        print(
            f"{arm:20}{figures['tokens_per_second']:10.1f}{figures['cpu_ms_per_token']:12.2f}"
            f"{figures['peak_gb']:10.2f}{ratios.get('tokens_per_second', 1):8.2f}{ratios.get('peak_memory', 1):8.2f}"
            f"{ratios.get('peak_memory_of_foreseen', report['foreseen_gb'] / figures['peak_gb']):10.2f}"
        )
    print(f"mlx_lm with its 8 rows at once is foreseen at {report['foreseen_gb']:.1f} GB")
    print(f"gradient off by {report['gradient_distance']:.1e} at most")
    print(f"{'random model':20}" + "".join(f"{words:>9} words" for words in VOCABULARIES) + "   GB beside the weights")
    for arm, found in report["vocabulary"].items():
        print(f"{arm:20}" + "".join(f"{run['peak_gb'] - run['weights_gb']:15.2f}" for run in found.values()))


if __name__ == "__main__":
    main()
