"""Fast elementwise maths for MLX's CPU backend on Linux.

There `mx.exp` calls the C library once per element: 0.08 G elements/s on one core, measured, where an addition runs at
3, and a row's sum and maximum run at 1. Three quarters of a training step went into sigmoid and softmax. The same
function written out in additions, multiplications and a shift is compiled to vector code and is both eight times faster
and closer to the true value (1.2e-7 relative against 1.6e-6). On Metal, and on a Mac's CPU, MLX's own is fast and used.
"""

import sys
from collections.abc import Callable
from typing import Any

import mlx.core as mx

LOG2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
"""ln 2 in two parts (Cody and Waite), so that x - n ln 2 loses no digits."""
ROUND = 12582912.0
"""1.5 * 2^23: adding it rounds a float32 to an integer and leaves that integer in the low bits."""
POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
"""exp(r) - 1 - r over r^2 for |r| <= ln 2 / 2: the Cephes library's coefficients for single precision."""
LOWEST = -87.0
"""Below, float32 has no normal numbers: exp(LOWEST) is 1.6e-38."""

HIGHEST = 88.0
"""Above, float32 is at its end: exp(HIGHEST) is 1.7e38."""
SHAPES = 256
"""For so many shapes it is no matter which of them is looked for."""
WIDE = 512
"""Elements of a row up to which halving it does not pay."""

Array = mx.array


def slow_exp() -> bool:
    """Whether this machine's `mx.exp` runs one element at a time."""
    return sys.platform == "linux" and mx.default_device().type == mx.DeviceType.cpu


def _exp(x: Array) -> Array:
    """Exponentiate float32 up to `HIGHEST`; what is below `LOWEST` counts as that.

    `mx.compile` makes a kernel of what nothing else uses, at most eleven operations deep, and the system's compiler
    makes vector code of it unless a maximum stands before other operations. So the maximum has a kernel, all of the
    polynomial another, and the whole part, written a second way, is computed again for the third.
    """
    x = mx.maximum(x, LOWEST)
    whole = (x * LOG2E + ROUND) - ROUND
    r = (x - whole * LN2_HIGH) - whole * LN2_LOW
    c, r2 = POLYNOMIAL, r * r
    p = (r + 1.0) + r2 * (((r * c[4] + c[5]) + r2 * (r * c[2] + c[3])) + (r2 * r2) * (r * c[0] + c[1]))
    exponent = mx.left_shift(mx.view(ROUND + LOG2E * x, mx.int32), mx.array(23, mx.int32))
    return mx.view(exponent + mx.view(p, mx.int32), mx.float32)


def exp(x: Array) -> Array:
    """Exponentiate what is not above `HIGHEST`; no gradient flows through it, its users bring their own."""
    return _compiled_exp(x) if x.dtype == mx.float32 and slow_exp() else mx.exp(x)


class Compiled:
    """A compiled function of one array that starts again when it has seen many shapes.

    `mx.compile` keeps what it made for each shape for good, and looks through all of that in each call: after ten
    thousand shapes a call takes a fifth of a millisecond longer, and attention has two in each layer.
    """

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.function = function
        self.compiled: Callable[[Array], Array] = mx.compile(function)
        self.shapes: set[tuple[int, ...]] = set()

    def __call__(self, x: Array) -> Array:
        """Call it."""
        if len(self.shapes) >= SHAPES and x.shape not in self.shapes:
            self.shapes.clear()
            self.compiled = mx.compile(self.function)
        self.shapes.add(x.shape)
        return self.compiled(x)


_compiled_exp = Compiled(_exp)


def row_sum(x: Array) -> Array:
    """Sum the last axis and keep it, by a matrix product where MLX's own sum adds one element at a time."""
    if not slow_exp():
        return x.sum(axis=-1, keepdims=True)
    return (x.reshape(-1, x.shape[-1]) @ mx.ones((x.shape[-1], 1), x.dtype)).reshape(*x.shape[:-1], 1)


def row_max(x: Array) -> Array:
    """Take the maximum of the last axis and keep it; where MLX looks at one element at a time, by halves first."""
    while slow_exp() and x.shape[-1] > WIDE:
        half = (x.shape[-1] + 1) // 2
        x = mx.maximum(x[..., :half], x[..., -half:])
    return x.max(axis=-1, keepdims=True)


@mx.compile
def _negated(gate: Array) -> Array:
    return mx.minimum(-gate, HIGHEST)


def exp_negative(gate: Array) -> Array:
    """exp(-gate), which gating and its gradient have in common."""
    return exp(_negated(gate))


@mx.compile
def gated(e: Array, gate: Array, up: Array) -> Array:
    """silu(gate) * up, with e = `exp_negative(gate)`."""
    return gate / (1.0 + e) * up


@mx.compile
def gated_gradient(e: Array, gate: Array, up: Array, d: Array) -> tuple[Array, Array]:
    """Give the gradients of gate and up, with e = `exp_negative(gate)`."""
    s = 1.0 / (1.0 + e)
    ds = d * s
    return ds * up * (1.0 + gate * (1.0 - s)), ds * gate


def swiglu(gate: Array, up: Array) -> Array:
    """silu(gate) * up."""
    return gated(exp_negative(gate), gate, up)


def traced_swiglu(gate: Array, up: Array) -> Array:
    """silu(gate) * up under automatic differentiation."""
    function: Any = mx.custom_function(swiglu)
    function.vjp(lambda seen, gradient, _: gated_gradient(exp_negative(seen[0]), seen[0], seen[1], gradient))
    product: Array = function(gate, up)
    return product
