"""Free wins that the configuration names: each becomes a candidate of its own once, before the next round."""

import structlog

from loop.canonical import digest
from loop.errors import LoopdError
from loop.parts import Loop

log = structlog.get_logger()
KIND = "proposal"
"""Of the event that says that it was done."""


def free_wins(loop: Loop) -> None:
    """Queue every configured proposal that was never queued before."""
    done = {event.fields.get("changes") for event in loop.store.events.read(kind=KIND)}
    for proposal in loop.config.proposals:
        changes = digest(proposal.model_dump(mode="json"))
        if changes in done:
            continue
        champion = loop.champion
        try:
            policy = proposal.applied(champion)
            rnd = loop.store.policies.propose(policy, loop.config.digest, loop.config.seed)
        except LoopdError as error:
            log.warning("proposal_refused", message=str(error))
            continue
        loop.store.events.record(KIND, changes=changes, candidate=policy.id, round=rnd)
