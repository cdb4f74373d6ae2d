"""The settings as a JSON Schema (draft 2020-12), by which an editor completes and explains loopd.toml."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from loop import plugins
from loop.config.settings import Config, Gating, Sampling, StudentSettings
from loop.config.sources import record_of

COMPLETED: Final = (Config, StudentSettings, Sampling, Gating)
"""Records whose fields a profile gives: a file of one's own need not."""
PARTS: Final[Mapping[tuple[str, str], str]] = {
    ("Config", "teachers"): "teachers",
    ("Config", "checkers"): "checkers",
    ("Sampling", "generators"): "task_generators",
    ("Sampling", "curriculum"): "curriculum",
    ("Gating", "gates"): "loop.gates",
}
"""Which package the parts of a field come from."""


def schema() -> dict[str, Any]:
    """Put together what may stand in loopd.toml, with the settings of every part that comes with loopd."""
    parts = {package: dict(_classes(package)) for package in PARTS.values()}
    every: list[type[BaseModel]] = [Config, *(cls for classes in parts.values() for cls in classes.values())]
    names, tree = models_json_schema([(cls, "validation") for cls in every], ref_template="#/$defs/{model}")
    defs: dict[str, Any] = tree["$defs"]
    for cls in _records(Config):
        _explain(defs[cls.__name__], cls)
    for cls in COMPLETED:
        defs[cls.__name__].pop("required", None)
    for (record, field), package in PARTS.items():
        refs = {use: names[cls, "validation"] for use, cls in parts[package].items()}
        _narrow(defs, record, field, refs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "loopd.toml",
        "$ref": "#/$defs/Config",
        "$defs": defs,
    }


def described(cls: type[BaseModel]) -> dict[str, str]:
    """Read what stands under each field of a record, in one line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    texts = {}
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = " ".join(text.split())
    return texts


def _classes(package: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for use in plugins.known(package):
        yield use, plugins.find(package, use)


def _records(cls: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Give a record and all that its fields hold."""
    seen, left = set(), [cls]
    while left:
        if (one := left.pop()) not in seen:
            seen.add(one)
            left += [inner for field in one.model_fields.values() if (inner := record_of(field.annotation))]
    yield from seen


def _explain(tree: dict[str, Any], cls: type[BaseModel]) -> None:
    for parent in reversed(cls.__mro__):
        if issubclass(parent, BaseModel) and parent is not BaseModel:
            for name, text in described(parent).items():
                if name in tree.get("properties", {}):
                    tree["properties"][name]["description"] = text


def _narrow(defs: dict[str, Any], record: str, field: str, refs: Mapping[str, dict[str, Any]]) -> None:
    """Say of a field of parts which parts there are, and what each takes; somebody's own `module:Class` takes all."""
    held = defs[record]["properties"][field]
    given = held.get("items", held)
    whole = defs[given["$ref"].rpartition("/")[2]] if "$ref" in given else defs["Part"]
    own = {"properties": {**whole["properties"], "use": {"type": "string", "pattern": ":"}}}
    known = [
        {"properties": {**whole["properties"], "use": {"const": use}, "settings": ref}} for use, ref in refs.items()
    ]
    given.pop("$ref", None)
    given["anyOf"] = [{**whole, **one} for one in (*known, own)]
