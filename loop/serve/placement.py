"""Where a policy is served: in a server of its own, merged, or beside others over one base (`serve.share`)."""

from typing import Final

from loop.config import Config
from loop.store import Store
from loop.types import Policy, Precision, Record, Standing

SHARING: Final = (Standing.CHAMPION, Standing.SPECIALIST)
MOST: Final = 8
"""Adapters beside one base, at most: the last that were added."""


class Placement(Record):
    """A policy and the server that answers for it."""

    policy: Policy
    beside: tuple[str, ...] = ()
    """Adapters that lie beside the base there, the policy's own among them; none where it is merged into it."""

    @property
    def name(self) -> str:
        """Name the server: policies of one name share it."""
        return " ".join((self.policy.base, self.policy.template, *self.beside)) if self.beside else self.policy.id

    @property
    def adapter(self) -> str:
        """Name the adapter that a request asks the server for; empty for the model as it is."""
        return (self.policy.adapter or "") if self.beside else ""


def placed(config: Config, store: Store, policy: Policy) -> Placement:
    """Say where a policy is served.

    With `serve.share` the champion, of a routed set all members, and all specialists of one template share a server,
    and the stock model with them; whoever is rounded to another precision, or has another place, has its own.
    """
    if not config.serve.share or policy.precision is not Precision.BASE:
        return Placement(policy=policy)
    champion = store.policies.champion()
    members = champion.members if champion else ()
    alike = (policy.base, policy.template, policy.precision)
    adapters = [
        item.adapter
        for item, standing in store.policies.all()
        if item.adapter
        and (standing in SHARING or item.id in members)
        and (item.base, item.template, item.precision) == alike
    ]
    beside = tuple(dict.fromkeys(adapters[-MOST:]))
    fits = policy.adapter is None or policy.adapter in beside
    return Placement(policy=policy, beside=beside if fits else ())
