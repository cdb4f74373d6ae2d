"""How far a policy is from its base: `python -m loop.training.divergence JOB.json`, a child that owns the GPU.

For every play it prints the mean over the assistant's tokens of KL(policy || base), in nats: both models read the play
that the policy itself made, and the divergence of their whole next-token distributions is summed exactly, so that the
plays are the only sample (forgetting goes with this distance: Shenfeld et al., arXiv 2509.04259). Neighbouring plays
share what they begin with: only what differs from the play before is read.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache
from pydantic import ValidationError

from loop.canonical import NotJson, parse
from loop.compute.cpu.denormals import flush_denormals
from loop.compute.cpu.glibc import keep_freed
from loop.compute.memory import bound_cache
from loop.errors import ConfigError, LoopdError
from loop.runtime.child import exit_with_parent
from loop.runtime.gpu_turn import Closed, GpuTurn
from loop.templates.render import Renderer
from loop.training.job import read_examples
from loop.training.masks import RowRefused, TrainingRow, row
from loop.training.prefix_tree import common
from loop.training.shared_prefix import CHUNK_BYTES, head
from loop.types.jobs import Distance, Halted, MeasurementResult, Meter, MeterLine
from loop.weights.loading import load

LONGEST: Final = 2**20
"""Tokens of a play: what was played is measured."""
AT_ONCE: Final = 1024
"""Tokens that a model reads in one pass."""
LOGITS: Final = 128
"""Tokens that it reads in one pass where it makes all their logits."""


class CachedReader:
    """One model, and how far it has read: keys and values of the tokens behind it stay.

    Logits are made where they are learned alone, or everywhere for a family that does more than apply its head.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - an mlx-lm model
        self.model, bare = model, _bare(model)
        self.body: Any = model.model if bare else model
        self.head: Any = head(model) if bare else _itself
        self.at_once = AT_ONCE if bare else min(AT_ONCE, LOGITS)
        self.cache = make_prompt_cache(model)

    @property
    def goes_back(self) -> bool:
        """Whether it can forget some tokens and keep others: not so behind a window, or with a state."""
        return bool(can_trim_prompt_cache(self.cache))

    def back(self, tokens: int) -> None:
        """Forget so many tokens, all of them where it cannot go back."""
        if self.goes_back:
            trim_prompt_cache(self.cache, tokens)
        else:
            self.cache = make_prompt_cache(self.model)

    def read(self, tokens: Sequence[int]) -> mx.array:
        """Read on; what the head makes logits of, [tokens, width]."""
        hidden: mx.array = self.body(mx.array(list(tokens))[None], cache=self.cache)
        return hidden[0]


class ModelPair:
    """Policy and base, reading the same plays."""

    def __init__(self, policy: Any, base: Any, turn: GpuTurn | None = None) -> None:  # noqa: ANN401 - mlx-lm models
        self.turn = turn or GpuTurn(None)
        self.policy, self.base = CachedReader(policy), CachedReader(base)
        self.tokens: tuple[int, ...] = ()
        self.known: dict[int, float] = {}
        """KL at places of the present play."""

    def measure(self, play: TrainingRow) -> float:
        """Give the mean KL over a play's learned places, in nats a token."""
        indices = [index for index, learned in enumerate(play.loss) if learned]
        goes_back = self.policy.goes_back and self.base.goes_back
        shared = min(common(self.tokens, play.tokens), len(self.tokens)) if self.tokens and goes_back else 0
        shared = min([shared, *(index for index in indices if index < shared and index not in self.known)])
        for reader in (self.policy, self.base):
            reader.back(len(self.tokens) - shared)
        self.known = {index: value for index, value in self.known.items() if index < shared}
        self.tokens = play.tokens[:-1]  # nothing follows the last one
        at_once = min(self.policy.at_once, self.base.at_once)
        for start in range(shared, len(self.tokens), at_once):
            self.turn.acquire()
            stop = min(start + at_once, len(self.tokens))
            self._read(start, stop, [index for index in indices if start <= index < stop])
        return sum(self.known[index] for index in indices) / len(indices)

    def _read(self, start: int, stop: int, indices: Sequence[int]) -> None:
        hidden = [reader.read(self.tokens[start:stop]) for reader in (self.policy, self.base)]
        mx.eval(hidden)
        if not indices:
            return
        chosen = [state[mx.array([index - start for index in indices])] for state in hidden]
        values = divergence(chosen[0], chosen[1], self.policy.head, self.base.head)
        self.known.update(zip(indices, values, strict=True))


def _bare(model: Any) -> bool:  # noqa: ANN401 - an mlx-lm model of any family
    """Whether logits are the head on the last hidden states and no more: some families scale or cap them."""
    tokens = mx.array([[1, 2, 3, 4]])
    try:
        ours, whole = head(model)(model.model(tokens)), model(tokens)
        return bool(mx.allclose(ours, whole, rtol=1e-2, atol=1e-2 * float(mx.abs(whole).max())).item())
    except (AttributeError, TypeError, ValueError):
        return False


def _itself(logits: mx.array) -> mx.array:
    return logits


def divergence(policy: mx.array, base: mx.array, policy_head: Any, base_head: Any) -> list[float]:  # noqa: ANN401 - mlx modules
    """Sum p log(p/q) over the vocabulary at every place; `policy` and `base` are hidden states, [places, width]."""
    vocabulary = policy_head(policy[:1]).shape[-1]
    step = max(1, CHUNK_BYTES // (4 * vocabulary))
    divergences: list[float] = []
    for start in range(0, policy.shape[0], step):
        p = _log_softmax(policy_head(policy[start : start + step]))
        q = _log_softmax(base_head(base[start : start + step]))
        values: Any = (mx.exp(p) * (p - q)).sum(axis=-1).tolist()
        divergences += values
    return divergences


def _log_softmax(logits: mx.array) -> mx.array:
    wide = logits.astype(mx.float32)
    return wide - mx.logsumexp(wide, axis=-1, keepdims=True)


def measure(meter: Meter, turn: GpuTurn | None = None) -> Iterator[Distance]:
    """Yield each play's distance; `turn` says when it may compute.

    Raises:
        ConfigError: the models, the template or the rows cannot be used.
    """
    renderer = Renderer.load(meter.base, meter.template)
    turn = turn or GpuTurn(None)
    turn.acquire()
    pair = ModelPair(load(meter.base, meter.adapter, meter.precision), load(meter.base), turn)
    for play in sorted(_plays(meter, renderer), key=lambda play: play.tokens):
        yield Distance(id=play.id, kl=max(0.0, pair.measure(play)), tokens=play.targets)


def _plays(meter: Meter, renderer: Renderer) -> Iterator[TrainingRow]:
    for example in read_examples(meter.rows):
        try:
            yield row(example.id, renderer.spans(example.messages, example.catalogue), LONGEST, example.group)
        except RowRefused:
            continue  # it said nothing


def main() -> int:
    """Measure what the job file says."""
    exit_with_parent()
    flush_denormals()
    keep_freed()
    bound_cache()
    try:
        meter = Meter.model_validate(parse(Path(sys.argv[1]).read_bytes()))
        for line in measure(meter, GpuTurn.given(os.environ, halts=True)):
            _print(line)
        _print(MeasurementResult())
    except Closed:
        _print(Halted())
    except (OSError, NotJson, ValidationError) as error:
        sys.stderr.write(f"{sys.argv[1]} is no job: {error}\n")
        return ConfigError.exit_code
    except LoopdError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _print(line: MeterLine) -> None:
    sys.stdout.write(line.model_dump_json() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # as the trainer does: the thread that waits for the daemon's end holds stdin
