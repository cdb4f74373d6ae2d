"""Tasks in which a call fails, and the play has to go on as the user said."""

from typing import Final

from task_generators import sql
from task_generators.families.repair.tries import TRIALS, repair
from task_generators.pairs import SINGLE
from task_generators.writing.generator import Domain, Generator

__all__ = ["Repair"]

DOMAINS: Final = tuple(
    Domain((backend,), (sql.DOMAIN if backend == "SQL" else SINGLE[backend]).some, (repair(trial),))
    for backend, trial in TRIALS.items()
)


class Repair(Generator):
    """Error results, and what to do about them, on every backend."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "repair"

    @property
    def domains(self) -> tuple[Domain, ...]:
        """Every backend by itself."""
        return DOMAINS
