"""Look at every setting of every part before anything is played: what is wrong is said at the start, not after a night.

Nothing is downloaded, nothing is opened, no provider is asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from loop import plugins
from loop.config.settings import Config
from loop.errors import ConfigError, nearest
from loop.proposals import Proposal
from loop.runtime import database_url
from loop.types import Part, Policy
from loop.types.gates import TWIN
from loop.types.record import first_endless

SERVED: Final = ("url", "token_file", "policy")
"""What a student's player is given beside its sampling, when it is sent to a worker."""


def examine(config: Config) -> None:
    """Make sure that every part exists, takes its settings and goes with the others.

    Raises:
        ConfigError: what is wrong first; names the place and, for a misspelt word, the nearest right one.
    """
    for look in (_student, _generators, _curriculum, _checkers, _gates, _teachers, _proposals, _database):
        look(config)


def _student(config: Config) -> None:
    from loop.templates.render import TEMPLATES  # noqa: PLC0415 - tokenizers, which most verbs do not need
    from loop.weights import sources  # noqa: PLC0415

    student = config.student
    if student.template not in TEMPLATES:
        raise ConfigError(
            f"student.template: there is no template '{student.template}'.{nearest(student.template, list(TEMPLATES))}"
        )
    sources.check_name(student.source)
    part = student.part(student.temperature)
    fields = getattr(plugins.find("teachers", part.use), "model_fields", {})
    for name in (*SERVED, *part.settings):
        if name not in fields:
            raise ConfigError(f"student.player: '{part.use}' has no field '{name}', which every student is given.")


def _generators(config: Config) -> None:
    sampling = config.sampling
    makers = _built("sampling.generators", "task_generators", sampling.generators)
    judges = [checker.name for checker in _built("checkers", "checkers", config.checkers)]
    for maker in makers:
        if (needed := getattr(maker, "judged_by", "")) and needed not in judges:
            raise ConfigError(
                f"sampling.generators: tasks of '{maker.name}' are judged by '{needed}': "
                f'add [[checkers]] use = "{needed}".'
            )
    keys = [key for maker in makers for key in maker.arms]
    _once("sampling.generators", "arm", map(str, keys))
    for setting, words, known in (
        ("sampling.backends", sampling.backends, {name for key in keys for name in key.backends}),
        ("sampling.families", sampling.families, {key.family for key in keys}),
    ):
        for word in words:
            if word not in known:
                raise ConfigError(f"{setting}: no generator has '{word}'.{nearest(word, sorted(known))}")


def _curriculum(config: Config) -> None:
    _built("sampling.curriculum", "curriculum", [config.sampling.curriculum])


def _checkers(config: Config) -> None:
    built = _built("checkers", "checkers", config.checkers)
    _once("checkers", "checker", (checker.name for checker in built))


def _gates(config: Config) -> None:
    from task_generators.suites import names  # noqa: PLC0415 - reads the lists of tasks

    built = _built("gating.gates", "loop.gates", config.gating.gates)
    _once("gating.gates", "gate", (gate.name for gate in built))
    for gate in built:
        if gate.suite not in names():
            raise ConfigError(
                f"gating.gates: '{gate.name}' measures on suite '{gate.suite}', which does not exist."
                f"{nearest(gate.suite, names())}"
            )
        if gate.suite.endswith(TWIN):
            raise ConfigError(
                f"gating.gates: '{gate.name}' measures on '{gate.suite}', which is sealed: only a promotion opens it. "
                f"Name '{gate.suite.removesuffix(TWIN)}'."
            )


def _teachers(config: Config) -> None:
    built = _built("teachers", "teachers", config.teachers)
    _once("teachers", "teacher", (teacher.name for teacher in built))


def _proposals(config: Config) -> None:
    stock = Policy(base="0" * 64, system=config.student.system, template=config.student.template)
    _once("proposals", "proposal", (proposal.model_dump_json(exclude_none=True) for proposal in config.proposals))
    for number, proposal in enumerate(config.proposals):
        if proposal == Proposal():
            raise ConfigError(f"proposals.{number}: it changes nothing. Give a prompt, a system or a precision.")
        with _naming(f"proposals.{number}"):
            proposal.system_for(stock)


def _database(config: Config) -> None:
    if config.database:
        database_url.read(config.database)


def _built(setting: str, package: str, parts: Sequence[Part]) -> list[Any]:
    made = []
    for number, part in enumerate(parts):
        with _naming(f"{setting}.{number}"):
            made.append(plugins.load(package, part))
        if endless := first_endless(made[-1].model_dump()):
            raise ConfigError(f"{setting}.{number}: '{part.use}', setting '{endless}': a finite number is needed.")
    return made


@contextmanager
def _naming(location: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{location}: {error}") from error


def _once(setting: str, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{setting}: {what} '{name}' is listed twice. Remove one, or give it another name.")
        seen.add(name)
