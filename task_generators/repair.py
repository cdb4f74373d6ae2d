"""Tasks in which a call fails, and the play has to go on as the user said."""

from typing import Final

from task_generators.families.homes import home
from task_generators.families.repair.tries import TRIALS, RepairTrial, repair
from task_generators.writing.generator import Domain, Generator

__all__ = ["Repair"]


def _domain(backend: str, trial: RepairTrial) -> Domain:
    name, domain = home(backend)
    return Domain((backend,), domain.some, (repair(trial),), group=name)


DOMAINS: Final = tuple(_domain(backend, trial) for backend, trial in TRIALS.items())


class Repair(Generator):
    """Error results, and what to do about them, on every backend."""

    domains = DOMAINS
