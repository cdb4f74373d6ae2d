"""The engine replaces functions of mlx-lm's model modules for good: right in the server's process, not in this one."""

import pytest
from mlx_lm.models import llama, qwen3

REPLACED = ("swiglu", "scaled_dot_product_attention")


@pytest.fixture(autouse=True)
def mlx_lm_as_it_came():
    before = [(module, name, getattr(module, name)) for module in (llama, qwen3) for name in REPLACED]
    yield
    for module, name, function in before:
        setattr(module, name, function)
        module.__dict__.pop("_before_loopd", None)
