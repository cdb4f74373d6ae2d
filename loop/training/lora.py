"""What is trained: a low-rank adapter on every linear layer (Hu et al. 2021), or all weights of a small model.

Both by mlx-lm's own layers and in its file format.
"""

import json
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers

from loop.errors import ConfigError
from loop.types.jobs import Job
from loop.weights.adapters import SETTINGS, WEIGHTS
from loop.weights.loading import quantized


def attach(model: Any, job: Job) -> None:  # noqa: ANN401 - an mlx-lm model
    """Freeze the model and give it a fresh adapter, drawn by the job's seed; or let all its weights learn.

    Raises:
        ConfigError: all weights shall learn, and some are quantized.
    """
    mx.random.seed(job.seed)
    if job.fine_tune == "full":
        if quantized(model):
            raise ConfigError("A quantized model's weights cannot learn. Set training.fine_tune to 'lora'.")
        model.unfreeze()
        model.train()
        return
    model.freeze()
    linear_to_lora_layers(model, len(model.layers), parameters(job))
    model.train()


def parameters(job: Job) -> dict[str, float]:
    """Spell the adapter's shape as mlx-lm does."""
    return {"rank": job.rank, "scale": job.scale, "dropout": 0.0}


def save(model: Any, job: Job) -> None:  # noqa: ANN401 - as above
    """Write the adapter as `mlx_lm.tuner.utils.load_adapters` reads it."""
    job.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    mx.save_safetensors(str(job.out / WEIGHTS), dict(tree_flatten(model.trainable_parameters())))
    settings = {"fine_tune_type": job.fine_tune, "num_layers": len(model.layers), "lora_parameters": parameters(job)}
    (job.out / SETTINGS).write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n", encoding="utf-8")
