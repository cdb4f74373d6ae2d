"""Some functions and classes of a module of BFCL, whose other imports are not installed and not wanted."""

import ast
from collections.abc import Collection, Mapping
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.resources import files
from importlib.util import module_from_spec
from types import CodeType, MappingProxyType, ModuleType
from typing import Any, Final

from loop.errors import ConfigError
from task_generators.backends.installed import INSTALL, VERSION

IMPORTED: Final = frozenset(
    {"copy", "json", "re", "typing", "bfcl_eval.constants.default_prompts", "bfcl_eval.constants.enums"}
)
"""What they may import: of the standard library, and BFCL's texts and names."""


class Excerpt(InspectLoader):
    """Loads the named functions and classes of a file, its constants, and nothing else of it."""

    def __init__(self, path: str, wanted: Collection[str]) -> None:
        """Name the file within the package, and what is wanted of it."""
        self._path, self._wanted = path, wanted

    def get_source(self, fullname: str) -> str:
        """Read the file.

        Raises:
            ConfigError: the package is not installed.
        """
        del fullname
        try:
            return files("bfcl_eval").joinpath(*self._path.split("/")).read_text(encoding="utf-8")
        except (ImportError, OSError) as error:
            raise ConfigError(f"{error}. {INSTALL}") from error

    def get_code(self, fullname: str) -> CodeType:
        """Compile what is wanted, the constants before it, and what it imports."""
        tree = ast.parse(self.get_source(fullname))
        tree.body = [node for node in tree.body if self._keeps(node)]
        return compile(tree, self._path, "exec")

    def _keeps(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return node.name in self._wanted
        if isinstance(node, ast.Assign):
            return isinstance(node.value, ast.Constant)
        if isinstance(node, ast.ImportFrom):
            return node.module in IMPORTED
        return isinstance(node, ast.Import) and all(name.name in IMPORTED for name in node.names)


def excerpt(path: str, wanted: Collection[str], given: Mapping[str, Any] = MappingProxyType({})) -> ModuleType:
    """Load functions and classes of one of BFCL's files.

    Args:
        path: the file, within the package.
        wanted: what is loaded of it.
        given: what stands for what the file imports otherwise, by name.

    Raises:
        ConfigError: the package is not installed, or the file has no such thing.
    """
    loader = Excerpt(path, wanted)
    module = module_from_spec(ModuleSpec(f"bfcl_excerpt_{path.replace('/', '_').removesuffix('.py')}", loader))
    vars(module).update(given)
    loader.exec_module(module)
    if missing := [name for name in wanted if not hasattr(module, name)]:
        raise ConfigError(f"bfcl_eval/{path} has no '{missing[0]}': another version than {VERSION}? {INSTALL}")
    return module
