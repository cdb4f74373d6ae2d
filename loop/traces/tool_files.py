"""Read the tools that traces were made with from a file beside them, where the traces show none."""

from pathlib import Path

from pydantic import JsonValue

from loop.canonical import NotJson, parse
from loop.errors import ConfigError
from loop.traces.sources import MAX_ROW
from loop.traces.tools import catalogue
from loop.traces.trace import NotATrace
from loop.traces.untrusted import mapping, sequence, text, word
from loop.types import Catalogue


def tools_in(path: Path) -> Catalogue:
    """Read a list of tools, an object with `tools`, or a schema file of the Schema-Guided Dialogue data set.

    Raises:
        ConfigError: the file cannot be read, or is none of these.
    """
    try:
        value = parse(path.read_bytes(), MAX_ROW)
        if isinstance(value, dict):
            value = value.get("tools", [value])
        if isinstance(value, list) and value and isinstance(value[0], dict) and "service_name" in value[0]:
            value = [tool for service in value for tool in _intents(service)]
        return catalogue(value)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (NotJson, NotATrace) as error:
        raise ConfigError(f"{path} holds no tools: {error}") from error


def _intents(value: JsonValue) -> list[JsonValue]:
    """Give a service's intents as tools."""
    service = mapping(value, "a service")
    slots = {word(mapping(slot, "a slot").get("name")): mapping(slot, "a slot") for slot in _listed(service, "slots")}
    return [_tool(mapping(intent, "an intent"), slots) for intent in _listed(service, "intents")]


def _tool(intent: dict[str, JsonValue], slots: dict[str, dict[str, JsonValue]]) -> JsonValue:
    required = [text(slot, "a slot's name") for slot in _listed(intent, "required_slots")]
    optional = list(mapping(intent.get("optional_slots") or {}, "optional_slots"))
    properties: dict[str, JsonValue] = {name: _parameter(slots.get(name, {})) for name in (*required, *optional)}
    return {
        "name": intent.get("name"),
        "description": intent.get("description"),
        "parameters": {"type": "object", "properties": properties, "required": list(required)},
    }


def _parameter(slot: dict[str, JsonValue]) -> JsonValue:
    schema: dict[str, JsonValue] = {"type": "string", "description": word(slot.get("description"))}
    values = slot.get("possible_values")
    return schema | ({"enum": values} if slot.get("is_categorical") and isinstance(values, list) and values else {})


def _listed(record: dict[str, JsonValue], name: str) -> list[JsonValue]:
    return sequence(record.get(name) or [], name)
