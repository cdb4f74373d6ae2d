"""Find a plug-in by name: a module of its package, or `package.module:Class`.

A plug-in is one file with one class in `__all__`: a frozen pydantic model whose fields are its settings. Nothing
registers anything; putting the file there is all it takes.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from loop.errors import ConfigError, nearest
from loop.types import Checker, Part, Suite
from loop.types.record import first_fault


def load(package: str, part: Part) -> Any:  # noqa: ANN401 - the caller knows which protocol the package's parts fulfil
    """Build the part that the configuration names, with its settings.

    Raises:
        ConfigError: no such part, or a setting that it does not have; the message names both and the known ones.
    """
    plugin = find(package, part.use)
    if plugin.model_config.get("extra", "ignore") == "ignore":  # somebody's own, which would drop a misspelt word
        for name in part.settings.keys() - plugin.model_fields.keys():
            raise ConfigError(f"{package}.{part.use}: no setting '{name}'.{nearest(name, list(plugin.model_fields))}")
    try:
        return plugin(**part.settings)
    except ValidationError as error:
        fault = first_fault(error)
        hint = nearest(fault.place, list(plugin.model_fields)) if fault.unknown else ""
        raise ConfigError(f"{package}.{part.use}: setting '{fault.place}': {fault.says}.{hint}") from error


def judges_of(suite: Suite, configured: Sequence[Checker]) -> tuple[Checker, ...]:
    """Build the checkers that judge a suite's plays: its own, or the configured ones."""
    return tuple(load("checkers", part) for part in suite.checkers) or tuple(configured)


def find(package: str, use: str) -> type[BaseModel]:
    """Look the class up without building it.

    Raises:
        ConfigError: there is no such part, or its file cannot be imported.
    """
    path, _, name = use.partition(":")
    where = path if name else f"{package}.{path}"
    if not _exists(where):
        raise ConfigError(_unknown(package, use, where if name else ""))
    try:
        module = importlib.import_module(where)
        return getattr(module, name or module.__all__[0])  # type: ignore[no-any-return]  # checked by `load`
    except Exception as error:  # whatever somebody's own file raises as it is imported
        raise ConfigError(f"'{use}' of {package} cannot be loaded: {type(error).__name__}: {error}") from error


def _unknown(package: str, use: str, module: str) -> str:
    if not module:
        return f"There is no '{use}' in {package}.{nearest(use, known(package))}"
    return (
        f"There is no module '{module}', which '{use}' names. Install it, or name its directory: "
        "PYTHONPATH=DIRECTORY loopd start"
    )


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def known(package: str) -> list[str]:
    """Names of the parts that come with loopd: modules of the package that offer a class in `__all__`."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    names = [module.name for module in modules if not module.ispkg and not module.name.startswith("_")]
    return [name for name in names if getattr(importlib.import_module(f"{package}.{name}"), "__all__", None)]
