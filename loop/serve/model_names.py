"""Which policy answers under which name."""

from collections.abc import Iterator
from typing import Final

from loop.errors import NotFound
from loop.serve.context import Context
from loop.serve.errors import Refusal
from loop.types import Policy

BEST: Final = "loopd"
"""What is best now."""
CHAMPION: Final = "loopd/champion"
STOCK: Final = "loopd/stock"
ROUTED: Final = "loopd/routed"
"""The champion or a specialist, whichever the router chooses."""
SHOWN: Final = 12
"""Characters of a policy's id that a name holds."""


def named(context: Context, model: str) -> Policy:
    """Find the policy that a model's name means at this moment.

    Raises:
        Refusal: there is none, or its files are not here.
    """
    if model in {BEST, CHAMPION, ROUTED}:
        return usable(context, context.champion(), model)
    if model == STOCK:
        return context.stock
    if not model.startswith(f"{BEST}/"):
        raise unknown(model)
    try:
        return usable(context, context.store.policies.find(model.removeprefix(f"{BEST}/")), model)
    except NotFound as error:
        raise unknown(model) from error


def usable(context: Context, policy: Policy, model: str) -> Policy:
    """Make sure that a policy can be served here.

    Raises:
        Refusal: it was made for another base model, or its adapter is not there.
    """
    adapter = context.paths.adapter(policy)
    if policy.base != context.base.digest:
        raise Refusal(404, f"{model} was trained for a base model other than student.source.", code="model_not_found")
    if adapter is not None and not adapter.is_dir():
        raise Refusal(404, f"The adapter of {model} is not in {context.paths.models}.", code="model_not_found")
    return policy


def listed(context: Context) -> Iterator[tuple[str, Policy]]:
    """Give every name that can be asked for, with what it means now."""
    champion = context.champion()
    yield BEST, champion
    yield CHAMPION, champion
    yield STOCK, context.stock
    yield ROUTED, champion
    for policy, _ in context.store.policies.all():
        name = f"{BEST}/{policy.id[:SHOWN]}"
        try:
            yield name, usable(context, policy, name)
        except Refusal:
            continue


def fingerprint(policy: Policy) -> str:
    """Name a policy in an answer."""
    return f"loopd-{policy.id[:SHOWN]}"


def unknown(model: str) -> Refusal:
    """Refuse a name that means nothing."""
    known = f"Ask for {BEST}, {CHAMPION}, {STOCK} or {BEST}/POLICY; GET /v1/models lists them."
    return Refusal(404, f"There is no model '{model[:80]}'. {known}", code="model_not_found", param="model")
