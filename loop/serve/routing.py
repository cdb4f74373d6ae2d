"""Who answers a request: the policy that was named, or the member of a routed set."""

import threading

from loop.config import Config
from loop.routing import sets
from loop.routing.router import Routed, Router
from loop.routing.speakers import Speakers
from loop.routing.topics import Example
from loop.runtime.paths import Paths
from loop.store import Store
from loop.types import Policy, Standing


class RequestRouting:
    """Routes requests to routed sets, and to what would be one: the champion with today's specialists, not judged yet.

    Args:
        config: names the generators that topics are learned from.
        store: has the policies and what was measured of them.
        paths: where the adapters lie.
    """

    def __init__(self, config: Config, store: Store, paths: Paths) -> None:
        self._config, self._store, self._paths = config, store, paths
        self._speakers = Speakers(store, paths)
        self._lock = threading.Lock()
        self._known: tuple[str, ...] = ()
        self._router: Router | None = None

    def speaker(self, policy: Policy, example: Example, *, trial: bool) -> tuple[Policy, Routed | None]:
        """Say who answers, and why where a router chose it.

        Args:
            policy: who was asked.
            example: what the conversation begins with.
            trial: whether a champion that is no routed set is asked as if it were one.
        """
        if policy.routing is None and trial:
            return self._speakers.chosen(self._trial(policy), example)
        return self._speakers.of(policy, example)

    def _trial(self, champion: Policy) -> Router:
        """Give the router of this moment; learns it where champion or specialists are others."""
        specialists = [policy.id for policy, standing in self._store.policies.all() if standing is Standing.SPECIALIST]
        with self._lock:
            known = (champion.id, *specialists)
            if self._router is None or known != self._known:
                self._router, self._known = sets.learned(self._config, self._store, self._paths, champion), known
            return self._router
