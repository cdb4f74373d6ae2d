"""Specialists at work: the daemon proposes a routed set where one would gain, and dissolves one that cannot answer."""

from typing import Final

import structlog
from pydantic import JsonValue

from loop.parts import Loop
from loop.routing import sets
from loop.stages import sampling
from loop.types import Policy, Standing

log = structlog.get_logger()
PROPOSED: Final = "routing.proposed"
DISSOLVED: Final = "routing.dissolved"
"""Kinds of events."""


def tend(loop: Loop) -> None:
    """Dissolve the champion set where a member is gone, and propose a set where specialists are better at something.

    A set is judged once beside a champion. It is put together anew with a new champion, with another specialist, and
    with what is left of a dissolved one.
    """
    _dissolve(loop)
    if not loop.config.gating.route:
        return
    choices = sets.choices(loop.config, loop.store, loop.paths, loop.champion.alone)
    if not choices:
        return
    policy = sets.formed(sets.router(loop.config, loop.champion, choices), loop.store)
    if _known(loop, policy):
        return
    rnd = loop.store.policies.propose(policy, loop.config.digest, loop.config.seed)
    why: dict[str, JsonValue] = {topic: f"{choice.policy[:12]}: {choice.reason}" for topic, choice in choices.items()}
    loop.store.events.record(PROPOSED, candidate=policy.id, round=rnd, specialists=why)
    log.info("routed_set_proposed", candidate=policy.id[:12], round=rnd, specialists=why)


def _known(loop: Loop, policy: Policy) -> bool:
    """Whether a set is the champion, waits to be judged, or was judged beside this champion."""
    standing = {item.id: standing for item, standing in loop.store.policies.all()}.get(policy.id)
    waits = standing in (Standing.CHAMPION, Standing.CANDIDATE)
    return waits or loop.store.gates.met(policy.id, loop.champion.id)


def stale(loop: Loop, candidate: Policy) -> str:
    """Say why a routed set cannot be judged any more; empty where it can, and for every other policy."""
    if candidate.routing is None:
        return ""
    if candidate.alone.id != loop.champion.alone.id:
        return f"it was formed around {candidate.alone.id[:12]}, and the champion is {loop.champion.id[:12]} now"
    return sets.unfit(loop.store, loop.paths, candidate)


def _dissolve(loop: Loop) -> None:
    champion = loop.champion
    why = sets.unfit(loop.store, loop.paths, champion) if champion.routing else ""
    if not why:
        return
    loop.store.promotions.roll_back(champion.alone.id, f"routed set {champion.id[:12]} is dissolved: {why}")
    sampling.bequeath(loop)
    loop.store.events.record(DISSOLVED, policy=champion.id, reason=why, champion=champion.alone.id)
    log.warning("routed_set_dissolved", policy=champion.id[:12], why=why)
