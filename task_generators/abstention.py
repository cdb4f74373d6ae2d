"""Tasks in which some right answers are no call: no tool fits, something is missing, a tool comes later."""

from typing import Final

from task_generators.families.abstention.odd import ask, no_tool, wait
from task_generators.families.abstention.requests import HOSTS, Host
from task_generators.families.homes import home
from task_generators.writing.generator import Domain, Generator

__all__ = ["Abstention"]


def _domain(backend: str, host: Host) -> Domain:
    families = [no_tool(host), ask(host), *([wait(host)] if host.complete else [])]
    name, domain = home(backend)
    return Domain((backend,), domain.some, tuple(families), group=name)


DOMAINS: Final = tuple(_domain(backend, host) for backend, host in HOSTS.items())


class Abstention(Generator):
    """Turns without a call among ordinary ones, on every backend."""

    domains = DOMAINS
