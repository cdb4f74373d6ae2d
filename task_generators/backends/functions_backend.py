"""Functions that a task brings along: documents without anything behind them.

Single-turn benchmarks offer every question its own functions, and judge the calls by how they are written. There is no
state, every call is answered alike, and the play is over with the first message that calls.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from loop.types import Record, Tool
from task_generators.backends.formats import FORMAT, PromptFormat, instruction
from task_generators.backends.schemas import safe_names, tool_of

FUNCTIONS: Final = "Functions"
"""The backend's name. Its part of `Task.initial` holds `language`, `functions` (documents) and `answers`."""

OTHER_LANGUAGES: Final = frozenset({"java", "javascript"})
"""Languages whose arguments are written as text: JSON has no word for their literals."""


class Unseen:
    """One play's instance: it knows nothing and changes nothing."""

    def __init__(self, initial: Mapping[str, Any]) -> None:
        """Keep how the functions are to be described, where a task says so."""
        self._initial = initial

    def shows(self) -> str:
        """Describe the functions where they are offered in words only, and say how a call is to be written."""
        if FORMAT not in self._initial:
            return ""
        return instruction(self._initial["functions"], PromptFormat.model_validate(self._initial[FORMAT]))

    def tool(self, name: str) -> Callable[..., dict[str, JsonValue]]:
        """Find what answers a tool: any call is answered alike."""
        del name
        return self.answer

    def answer(self, **arguments: object) -> dict[str, JsonValue]:
        """Answer any call alike."""
        del arguments
        return {"status": "called"}


class FunctionsBackend(Record):
    """Offers what the task brings along."""

    name: str = FUNCTIONS

    @property
    def tools(self) -> Mapping[str, Tool]:
        """None of its own."""
        return MappingProxyType({})

    def open(self, initial: Mapping[str, JsonValue], *, long_context: bool) -> Unseen:
        """Make one play's own instance."""
        del long_context
        return Unseen(initial)

    def brings(self, initial: Mapping[str, Any]) -> dict[str, Tool]:
        """Read the tools that a task brings along, by names that every provider accepts.

        Raises:
            BadDocument: a document cannot be read as JSON Schema; the message names the function.
        """
        documents = initial["functions"]
        names = safe_names([document["name"] for document in documents])
        language = initial["language"]
        return {
            names[document["name"]]: tool_of(_spelt(document, language), names[document["name"]], proven=True)
            for document in documents
        }


BACKENDS: Final = (FunctionsBackend(),)


def _spelt(document: Mapping[str, Any], language: str) -> Mapping[str, Any]:
    """Ask for text where the language's literals are no JSON, and say in which type's spelling."""
    if language not in OTHER_LANGUAGES:
        return document
    parameters = document["parameters"]
    properties = {name: _as_text(inner, language) for name, inner in parameters["properties"].items()}
    return {**document, "parameters": {**parameters, "properties": properties}}


def _as_text(parameter: Mapping[str, Any], language: str) -> dict[str, str]:
    shown = {"java": "Java", "javascript": "JavaScript"}[language]
    items = parameter.get("items") or {}
    kind = f"{parameter['type']} of {items['type']}" if items.get("type") else parameter["type"]
    description = f"{parameter.get('description', '')} Write it as a {shown} expression of type {kind}, in a string."
    return {"type": "string", "description": description.strip()}
