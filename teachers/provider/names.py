"""Names of tools as providers take them, and back: only letters, digits, underscore and hyphen, 64 at most."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import JsonValue

from loop.canonical import digest
from loop.types import Catalogue, Tool

LONGEST: Final = 64
FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")


class Names:
    """A two-way map for one catalogue. A name that two tools would share gets a digest of its own."""

    def __init__(self, originals: Iterable[str]) -> None:
        """Map these names."""
        self._wire: dict[str, str] = {}
        self._original: dict[str, str] = {}
        for name in originals:
            wire = FORBIDDEN.sub("_", name)[:LONGEST]
            if wire in self._original:
                wire = f"{wire[: LONGEST - 9]}_{digest(name)[:8]}"
            self._wire[name], self._original[wire] = wire, name

    def wire(self, name: str) -> str:
        """Spell a tool's name as the provider takes it."""
        return self._wire.get(name, FORBIDDEN.sub("_", name)[:LONGEST])

    def original(self, wire: str) -> str:
        """Find the tool that a provider's spelling means; an unknown one stays as it is."""
        return self._original.get(wire, wire)

    def all(self) -> tuple[str, ...]:
        """Every tool's name in both spellings."""
        return tuple({*self._wire, *self._original})

    def functions(self, catalogue: Catalogue) -> list[dict[str, Any]]:
        """Offer tools in the chat-completions form (https://platform.openai.com/docs/guides/function-calling)."""
        return [{"type": "function", "function": self._function(tool)} for tool in catalogue.tools]

    def _function(self, tool: Tool) -> dict[str, JsonValue]:
        return {"name": self.wire(tool.name), "description": tool.description, "parameters": dict(tool.parameters)}

    def dynamic_tools(self, catalogue: Catalogue) -> list[dict[str, Any]]:
        """Offer tools in the form of the Codex app-server."""
        return [
            {
                "type": "function",
                "name": self.wire(tool.name),
                "description": tool.description,
                "inputSchema": dict(tool.parameters),
            }
            for tool in catalogue.tools
        ]
