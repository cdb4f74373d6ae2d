"""Training on shared prefixes beside mlx_lm's trainer, on the same rows and the same adapter.

Rows have one common prefix (the tool catalogue) and a tail of their own, a third of which carries loss. Each arm runs
in a process of its own, arms take turns, and the gradient is compared with the plain one before anything is timed.

    python benchmarks/train.py [--quick] [--prefix N --tail N --rows N] [--vocabulary N] [--json FILE]
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loop.gpu import preload

ARMS = ("mlx_lm", "ours")


def main() -> None:
    """Run both arms in turn, print a table and JSON."""
    options = _options()
    if options.arm:
        sys.stdout.write(json.dumps(_measure(options)) + "\n")
        return
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for turn in range(options.repeats):
        for arm in ARMS if turn % 2 == 0 else ARMS[::-1]:
            results[arm].append(_child(arm, [*sys.argv[1:], *(["--check"] if turn == 0 and arm == "ours" else [])]))
    report = _report(options, results)
    print(json.dumps(report, indent=1))
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small rows, one step: ends within five minutes")
    parser.add_argument(
        "--model", type=Path, default=Path(tempfile.gettempdir()) / "loopd-bench", help="where models lie"
    )
    parser.add_argument("--prefix", type=int, default=1000, help="tokens that all rows share")
    parser.add_argument("--tail", type=int, default=400, help="tokens that each row has of its own")
    parser.add_argument("--rows", type=int, default=8, help="rows of a step")
    parser.add_argument("--steps", type=int, default=2, help="timed steps of a run, after one that is not timed")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each arm")
    parser.add_argument("--vocabulary", type=int, help="a random model of Qwen3's shape with such a vocabulary")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.prefix, options.tail, options.rows, options.steps = 300, 100, 4, 1
    return options


def _child(arm: str, arguments: list[str]) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments, "--arm", arm]
    done = subprocess.run(command, env=os.environ | preload(), check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(arm, measured, file=sys.stderr, flush=True)
    return measured


def _measure(options: argparse.Namespace) -> dict[str, float]:
    """Time one arm's steps; cpu seconds tell what the machine's other work hides."""
    import mlx.core as mx  # noqa: PLC0415 - only in the child, under its matrix library

    from loop.student.memory import keep_freed  # noqa: PLC0415 - as above
    from loop.training.lanes import one_arena  # noqa: PLC0415 - as above

    if options.arm == "ours":
        keep_freed()
        one_arena()
    rows = _rows(options)
    model = _model(options)
    distance = _distance(model, rows) if options.check else 0.0
    step = {"ours": _ours, "mlx_lm": _theirs}[options.arm](model)
    step(rows)
    mx.reset_peak_memory()
    begun, spent = time.perf_counter(), _cpu()
    for _ in range(options.steps):
        step(rows)
    seconds, cpu = time.perf_counter() - begun, _cpu() - spent
    tokens = options.steps * sum(len(row.tokens) for row in rows)
    figures = {"tokens_per_second": tokens / seconds, "cpu_ms_per_token": 1e3 * cpu / tokens}
    return {**figures, "peak_gb": mx.get_peak_memory() / 1e9, "gradient_distance": distance}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rows(options: argparse.Namespace) -> list[Any]:
    from loop.training.masks import Row  # noqa: PLC0415 - as above

    rng = random.Random(0)
    prefix = [rng.randrange(1000) for _ in range(options.prefix)]
    made = []
    for number in range(options.rows):
        tail = [rng.randrange(1000) for _ in range(options.tail)]
        loss = [False] * (options.prefix - 1) + [place % 9 < 3 for place in range(options.tail)]  # noqa: PLR2004 - a third
        made.append(Row(str(number), tuple(prefix + tail), tuple(loss)))
    return made


def _model(options: argparse.Namespace) -> Any:  # noqa: ANN401 - an mlx-lm model
    from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: PLC0415 - as above

    from loop.student.loading import load  # noqa: PLC0415 - as above
    from loop.student.sources import embedded  # noqa: PLC0415 - as above

    model = _random(options.vocabulary) if options.vocabulary else load(embedded(options.model))
    model.freeze()
    linear_to_lora_layers(model, len(model.layers), {"rank": 16, "scale": 2.0, "dropout": 0.0})
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


def _ours(model: Any) -> Callable[[list[Any]], None]:  # noqa: ANN401 - as above
    import mlx.core as mx  # noqa: PLC0415 - as above
    import mlx.optimizers as optim  # noqa: PLC0415 - as above

    from loop.training.lanes import Lanes  # noqa: PLC0415 - as above
    from loop.training.prefix_tree import pack  # noqa: PLC0415 - as above
    from loop.training.schedule import split  # noqa: PLC0415 - as above
    from loop.training.shared_prefix import stand_in  # noqa: PLC0415 - as above

    lanes, optimizer = Lanes(), optim.AdamW(learning_rate=1e-4)

    def step(rows: list[Any]) -> None:
        with stand_in(model):
            parts = [pack(part, len(rows)) for part in split(rows, lanes.count, 4096)]
            _, gradient = lanes.gradient(model, parts)
        optimizer.update(model, gradient)
        mx.eval(model.trainable_parameters(), optimizer.state)

    return step


def _theirs(model: Any) -> Callable[[list[Any]], None]:  # noqa: ANN401 - as above
    """Take one step of `mlx_lm.tuner.trainer.train`, the loop that `mlx_lm.lora` runs."""
    import mlx.optimizers as optim  # noqa: PLC0415 - as above
    from mlx_lm.tuner.trainer import TrainingArgs, train  # noqa: PLC0415 - as above

    optimizer = optim.AdamW(learning_rate=1e-4)

    def step(rows: list[Any]) -> None:
        data = [(list(row.tokens), row.loss.index(True) + 1) for row in rows]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArgs(
                batch_size=len(rows),
                iters=1,
                max_seq_length=1 << 16,
                adapter_file=str(Path(folder) / "adapters.safetensors"),
            )
            train(model, optimizer, data, args=arguments)

    return step


def _distance(model: Any, rows: list[Any]) -> float:  # noqa: ANN401 - as above
    """Measure how far our gradient is from the plain one, on two rows, the worst tensor's relative norm."""
    import mlx.core as mx  # noqa: PLC0415 - as above
    from mlx import nn  # noqa: PLC0415 - as above
    from mlx.utils import tree_flatten  # noqa: PLC0415 - as above

    from loop.training.lanes import Lanes  # noqa: PLC0415 - as above
    from loop.training.prefix_tree import pack  # noqa: PLC0415 - as above
    from loop.training.shared_prefix import stand_in  # noqa: PLC0415 - as above

    for _, module in model.named_modules():
        if "lora_b" in module:  # zero at the start, which would hide the other factor's gradient
            module.lora_b = mx.random.normal(module.lora_b.shape, key=mx.random.key(0)) * 0.01

    def plain(model: Any) -> Any:  # noqa: ANN401 - as above
        total = 0
        for row in rows[:2]:
            logits = model(mx.array(row.tokens[:-1])[None])[0]
            losses = nn.losses.cross_entropy(logits, mx.array(row.tokens[1:]))
            total = total + (losses * mx.array(row.loss)).sum() / row.targets / 2
        return total

    _, expected = nn.value_and_grad(model, plain)(model)
    with stand_in(model):
        _, gradient = Lanes().gradient(model, [pack(rows[:2], 2)])
    one, other = dict(tree_flatten(expected)), dict(tree_flatten(gradient))
    worst = max(float(mx.linalg.norm(one[name] - other[name]) / mx.linalg.norm(one[name])) for name in one)
    if worst > 1e-4:  # noqa: PLR2004 - the promise
        raise SystemExit(f"the gradient is off by {worst:.2e}: nothing is timed")
    return worst


def _report(options: argparse.Namespace, results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    medians = {
        arm: {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
        for arm, runs in results.items()
    }
    theirs, ours = medians["mlx_lm"], medians["ours"]
    ratios = {
        "tokens_per_second": ours["tokens_per_second"] / theirs["tokens_per_second"],
        "cpu": theirs["cpu_ms_per_token"] / ours["cpu_ms_per_token"],
        "peak_memory": ours["peak_gb"] / theirs["peak_gb"],
    }
    print(f"{'arm':8}{'tok/s':>10}{'cpu ms/tok':>12}{'peak GB':>10}")
    for arm, figures in medians.items():
        print(
            f"{arm:8}{figures['tokens_per_second']:10.1f}{figures['cpu_ms_per_token']:12.2f}{figures['peak_gb']:10.2f}"
        )
    print(
        f"ours is {ratios['tokens_per_second']:.1f} times as fast with {ratios['peak_memory']:.2f} of the memory; "
        f"gradient off by {results['ours'][0]['gradient_distance']:.1e}"
    )
    sizes = {name: getattr(options, name) for name in ("prefix", "tail", "rows", "steps", "repeats", "vocabulary")}
    return {"sizes": sizes, "medians": medians, "ratios": ratios, "runs": results}


if __name__ == "__main__":
    main()
