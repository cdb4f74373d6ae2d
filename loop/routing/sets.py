"""Routed sets: a champion, its specialists and a router, as one policy that the gates judge like any other."""

from collections.abc import Iterator, Mapping
from typing import Final

from loop import plugins
from loop.canonical import canonical
from loop.config import Config
from loop.errors import NotFound
from loop.routing.gains import gains
from loop.routing.router import RoutedChoice, Router, chosen
from loop.routing.topics import Example, Topics
from loop.runtime.paths import Paths
from loop.store import Store
from loop.types import Part, Policy, Routing, Specialist, Split, Standing, TaskGenerator
from task_generators.backends.catalogues import tools_of

TASKS: Final = 48
"""Training tasks of each generator that topics are learned from."""


def learned(config: Config, store: Store, paths: Paths, champion: Policy) -> Router:
    """Learn a router from the configured generators' training tasks and from what the suites measured.

    Args:
        config: names the generators, and how many policies are in memory at once.
        store: what was measured.
        paths: where the adapters lie.
        champion: who answers what no specialist is better at; of a routed set the champion in it.
    """
    return router(config, champion, choices(config, store, paths, champion.alone))


def router(config: Config, champion: Policy, choices: Mapping[str, RoutedChoice]) -> Router:
    """Make a router of what was chosen, and of topics that are learned now."""
    return Router(topics(config), champion.alone, choices)


def topics(config: Config) -> Topics:
    """Learn what requests are about, always the same from the same generators."""
    examples = [item for part in config.sampling.generators for item in examples_of(part)]
    examples += [Example(tools=tuple(tools_of(topic)), text="", topic=topic) for topic in {e.topic for e in examples}]
    return Topics.learned(examples)


def examples_of(part: Part) -> Iterator[Example]:
    """Make training tasks of a generator, its arms in turn, always the same ones."""
    generator: TaskGenerator = plugins.load("task_generators", part)
    for number in range(TASKS):
        arm = generator.arms[number % len(generator.arms)]
        if len(arm.backends) == 1:
            task = generator.make(arm, number, Split.TRAIN)
            text = " ".join(turn.user for turn in task.turns)
            yield Example(tools=task.tools, text=text, topic=arm.backends[0])


def choices(config: Config, store: Store, paths: Paths, champion: Policy) -> Mapping[str, RoutedChoice]:
    """Choose the specialist for each topic that one is better at.

    A set has no more members than are in memory at once, so that no answer waits for a model to load; those that are
    better the most surely come first.
    """
    specialists = [
        policy
        for policy, standing in store.policies.all()
        if standing is Standing.SPECIALIST and alike(policy, champion) and present(paths, policy)
    ]
    room = config.serve.models - 1 if not config.serve.share else len(specialists)
    gains_found = [gain for policy in specialists for gain in gains(store, champion, policy)]
    kept = list(dict.fromkeys(item.policy for item in sorted(gains_found, key=lambda hit: -hit.low) if item.low > 0))[
        :room
    ]
    return chosen(gain for gain in gains_found if gain.policy in kept)


def alike(policy: Policy, champion: Policy) -> bool:
    """Whether two policies can be of one set: prompt and template belong to the conversation, not to who answers."""
    fields = ("base", "template", "system", "precision")
    return all(getattr(policy, name) == getattr(champion, name) for name in fields)


def present(paths: Paths, policy: Policy) -> bool:
    """Whether a policy's own adapter is here."""
    adapter = paths.adapter(policy)
    return adapter is None or adapter.is_dir()


def formed(router: Router, store: Store) -> Policy:
    """Make a set of what a router was learned to do, for at least one specialist; the store keeps its topics."""
    specialists = [Specialist(topic=topic, policy=item.policy) for topic, item in sorted(router.choices.items())]
    kept = store.policies.keep_topics(canonical(router.topics.model_dump(mode="json")))
    routing = Routing(topics=kept, threshold=router.threshold, specialists=tuple(specialists))
    return router.champion.model_copy(update={"routing": routing, "parent": router.champion.id})


def opened(store: Store, policy: Policy) -> Router:
    """Give the router of a routed set, as it was when the set was formed.

    Raises:
        NotFound: the store does not have what the set names.
    """
    assert policy.routing is not None, "it is a routed set"
    topics = Topics.model_validate_json(store.policies.topics(policy.routing.topics))
    choices = {
        specialist.topic: RoutedChoice(policy=specialist.policy, reason="the set's specialist")
        for specialist in policy.routing.specialists
    }
    return Router(topics, store.policies.get(policy.alone.id), choices, policy.routing.threshold)


def unfit(store: Store, paths: Paths, policy: Policy) -> str:
    """Say why a routed set cannot answer as it was formed; empty where it can."""
    for member in policy.members:
        try:
            if not present(paths, store.policies.get(member)):
                return f"the adapter of its member {member[:12]} is gone"
        except NotFound:
            return f"its member {member[:12]} is not in the store"
    return ""
