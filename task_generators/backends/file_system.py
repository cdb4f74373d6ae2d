"""The file system that stands before BFCL's: every tree ends, and every answer does.

BFCL's `cp` and `mv` share what lies in a directory instead of copying it, so that its tree is a graph: with two calls
it holds itself, and with forty it spells more names than any memory holds. The sharing stays, because BFCL's
comparisons see it; what would have no end, or would outgrow the limits below, is refused as a full disk is.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from loop.canonical import MAX_DEPTH
from task_generators.backends.backend import BadState
from task_generators.backends.values import MAX_RESULT, MAX_STATE

MAX_NODES: Final = 20_000
"""Files and directories of a file system, counted as a tree."""

MAX_NAME: Final = 255
"""Characters of a file's name, as on most file systems."""

NO_NAMES: Final = frozenset({"", ".", ".."})
"""What names a place, and so can be no name of anything new."""

_Simulator: Any = object
"""The simulator that follows in the order of resolution."""

Entries = dict[str, Any]
"""What lies in a directory, by name: BFCL's files, which have `content`, and directories, which have `contents`."""


class Extent(NamedTuple):
    """How large a tree is, spelled out: what is shared counts once for every place where it shows."""

    nodes: int
    depth: int
    text: int
    """Characters of names and contents."""


class FileSystem(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """Bounded trees, names and answers."""

    def _load_scenario(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:  # noqa: FBT001, FBT002 - BFCL's signature
        """Load.

        Raises:
            BadState: the tree is larger than any that a player could make.
        """
        super()._load_scenario(scenario, long_context)
        if fault := self._fault():
            raise BadState(f"initial state of GorillaFileSystem: {fault}")

    def mkdir(self, dir_name: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Make a directory."""
        return self._named("mkdir: cannot create directory", dir_name, partial(super().mkdir, dir_name))

    def touch(self, file_name: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Make a file."""
        return self._named("touch: cannot touch", file_name, partial(super().touch, file_name))

    def mv(self, source: str, destination: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Move or rename."""
        return self._brought("mv: cannot move", source, destination, partial(super().mv, source, destination))

    def cp(self, source: str, destination: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Copy."""
        return self._brought("cp: cannot copy", source, destination, partial(super().cp, source, destination))

    def echo(self, content: str, file_name: str | None = None) -> Any:  # noqa: ANN401 - BFCL's result
        """Write a file, or answer the text."""
        file = self._current_dir.contents.get(file_name)
        before = getattr(file, "content", None)
        answer = super().echo(content, file_name)
        if before is not None and len(content) > len(before) and (fault := self._fault()):
            file.content = before
            return {"error": f"echo: cannot write to '{file_name}': {fault}"}
        return answer

    def find(self, path: str = ".", name: str | None = None) -> Any:  # noqa: ANN401 - BFCL's result
        """Find files and directories, as long as the answer is none that nobody may read."""
        start = self._navigate_to_directory(path)
        if isinstance(start, dict):
            return super().find(path, name)
        matches, room = [], MAX_RESULT
        for entry, place in _walk(start.contents, path.rstrip("/")):
            if name is None or name in entry:
                matches.append(place)
                room -= len(place)
                if room < 0:
                    return {"error": "find: too many matches, search in a directory further down"}
        return {"matches": matches}

    def _named(self, doing: str, name: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - BFCL's result
        """Make something of a name that BFCL has not refused."""
        if name in NO_NAMES:
            return {"error": f"{doing} '{name}': {'File exists' if name else 'No such file or directory'}"}
        if len(name) > MAX_NAME:
            return {"error": f"{doing} '{name[:MAX_NAME]}…': File name too long"}
        return self._within(f"{doing} '{name}'", act, self._current_dir.contents)

    def _brought(self, doing: str, source: str, destination: str, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - BFCL's result
        """Bring something to another name, or into a directory that does not lie in it."""
        here = self._current_dir.contents
        if source not in here:
            return act()
        if destination in NO_NAMES:
            return {"error": f"{doing[:2]}: path not allowed in destination. Provide only a file or directory name."}
        doing = f"{doing} '{source}'"
        if len(destination) > MAX_NAME:
            return {"error": f"{doing}: File name too long"}
        target = getattr(here.get(destination), "contents", None)
        if target is not None and any(directory is target for directory in _directories(here[source])):
            return {"error": f"{doing} to a subdirectory of itself, '{destination}/{source}'"}
        return self._within(doing, act, here, target)

    def _within(self, doing: str, act: Callable[[], Any], *changed: Entries | None) -> Any:  # noqa: ANN401 - BFCL's result
        """Act, and put everything back where the tree has outgrown a limit."""
        before = [(entries, dict(entries)) for entries in changed if entries is not None]
        answer = act()
        if fault := self._fault():
            for entries, kept in before:
                entries.clear()
                entries.update(kept)
            return {"error": f"{doing}: {fault}"}
        return answer

    def _fault(self) -> str | None:
        """Say which limit the tree breaks, if it does; also the one that was left, where the player still stands."""
        known: dict[int, Extent] = {}
        for directory in (self.root, self._current_dir):
            nodes, depth, text = _extent(directory.contents, known)
            if depth > MAX_DEPTH:
                return "File name too long"
            if nodes > MAX_NODES or text > MAX_STATE:
                return "No space left on device"
        return None


def _extent(entries: Entries, known: dict[int, Extent]) -> Extent:
    """Measure what lies in a directory, the directory itself included. What is shared is looked at once."""
    if extent := known.get(id(entries)):
        return extent
    nodes, depth, text = 1 + len(entries), 1 if entries else 0, sum(map(len, entries))
    for item in entries.values():
        content = getattr(item, "content", None)
        if content is not None:
            text += len(content)
        else:
            inner = _extent(item.contents, known)
            nodes, depth, text = nodes + inner.nodes - 1, max(depth, inner.depth), text + inner.text
    known[id(entries)] = measured = Extent(nodes, depth + 1, text)
    return measured


def _directories(item: Any) -> Iterator[Entries]:  # noqa: ANN401 - BFCL's file or directory
    """Give what lies in a directory and in everything below, each once."""
    seen, waiting = set[int](), [item]
    while waiting:
        entries = getattr(waiting.pop(), "contents", None)
        if entries is not None and id(entries) not in seen:
            seen.add(id(entries))
            yield entries
            waiting.extend(entries.values())


def _walk(entries: Entries, base: str) -> Iterator[tuple[str, str]]:
    """Name everything below a directory, with its path: a directory before what lies in it."""
    for name, item in entries.items():
        place = f"{base}/{name}"
        yield name, place
        if hasattr(item, "contents"):
            yield from _walk(item.contents, place)
