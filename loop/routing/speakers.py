"""Who speaks for a policy: the policy itself, or the member of a routed set that a request goes to."""

import threading

from loop.routing import sets
from loop.routing.router import Routed, Router
from loop.routing.topics import Example
from loop.runtime.paths import Paths
from loop.store import Store
from loop.types import Policy


class Speakers:
    """Routes requests to routed sets, each by the router that it was formed with. Threads may share it."""

    def __init__(self, store: Store, paths: Paths) -> None:
        self._store, self._paths = store, paths
        self._lock = threading.Lock()
        self._routers: dict[str, Router] = {}

    def of(self, policy: Policy, example: Example) -> tuple[Policy, Routed | None]:
        """Say who answers a request, and, of a routed set, why it is that one.

        A specialist whose adapter is gone is not asked: the champion answers, and the reason says so.

        Args:
            policy: who was asked.
            example: what the conversation begins with.
        """
        return (policy, None) if policy.routing is None else self.chosen(self._router(policy), example)

    def chosen(self, router: Router, example: Example) -> tuple[Policy, Routed]:
        """Say who answers a request by a router, and why."""
        route = router.route(example)
        if not route.specialist:
            return router.champion, route
        specialist = self._store.policies.get(route.policy)
        if sets.present(self._paths, specialist):
            return specialist, route
        return router.champion, router.route(example, absent={specialist.id})

    def _router(self, policy: Policy) -> Router:
        with self._lock:
            router = self._routers.get(policy.id)
            if router is None:
                router = self._routers[policy.id] = sets.opened(self._store, policy)
            return router
