"""Function documents become JSON Schema that players, providers and our own check read alike."""

import json
from importlib.resources import files
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from task_generators.backends.arguments import problem
from task_generators.backends.backend import backends
from task_generators.backends.schemas import BadDocument, original_names, safe_names, tool_of


def documents():
    """Every function document of the data set."""
    for path in sorted((files("bfcl_eval") / "data").rglob("*.json")):
        if "possible_answer" in str(path):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            yield from found(line)


def found(line):
    try:
        entry = json.loads(line)
    except ValueError:
        return []
    if not isinstance(entry, dict):
        return []
    held = entry.get("function", [entry] if "parameters" in entry else []) or []
    return [one[0] if isinstance(one, list) else one for one in (held if isinstance(held, list) else [held])]


def test_documents_of_the_data_set_become_schemas():
    tools = [tool_of(document) for document in islice(documents(), 0, None, 20)]
    assert all(tool.parameters["type"] == "object" for tool in tools)


@pytest.mark.slow
def test_every_document_of_the_data_set_becomes_a_schema():
    tools = [tool_of(document) for document in documents()]
    assert len(tools) >= 9_476
    assert all(tool.parameters["type"] == "object" for tool in tools)


def test_every_name_maps_to_a_safe_one_and_back():
    names = sorted({document["name"] for document in documents()})
    safe = safe_names(names)
    assert len(set(safe.values())) == len(names) > 2_000
    assert all(len(name) <= 64 and name.replace("-", "_").isidentifier() for name in safe.values() if name[0].isalpha())
    assert original_names(names) == {safe[name]: name for name in names}
    assert safe_names(["a.b", "a_b", "a.b", "a-b"]) == {"a.b": "a_b", "a_b": "a_b_2", "a-b": "a-b"}


def test_types_of_other_languages_are_translated():
    document = {
        "name": "f",
        "description": "d",
        "parameters": {
            "type": "dict",
            "properties": {
                "a": {"type": "ArrayList", "items": {"type": "long"}},
                "b": {"type": "tuple", "items": [{"type": "float"}, {"type": "char"}]},
                "c": {"type": "any", "description": "c."},
                "d": {"type": "HashMap", "properties": {"e": {"type": "Boolean"}}, "required": ["e", "gone"]},
                "g": {"type": "integer", "default": "none", "description": "g."},
                "h": {"type": "float", "default": 1.5},
            },
            "required": ["a"],
        },
    }
    properties = tool_of(document).parameters["properties"]
    assert properties["a"] == {"type": "array", "items": {"type": "integer"}}
    assert properties["b"] == {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]}
    assert properties["c"] == {"description": "c."}
    assert properties["d"] == {"type": "object", "properties": {"e": {"type": "boolean"}}, "required": ["e"]}
    assert properties["g"] == {"type": "integer", "description": 'g. Default: "none".'}
    assert properties["h"] == {"type": "number", "default": 1.5}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "f"},
        {"name": "f", "description": "d", "parameters": {"type": "wat"}},
        {"name": "f", "description": "d", "parameters": {"type": "dict", "properties": {"a": 5}}},
        {"name": "f", "description": "d", "parameters": {"type": "dict", "properties": {"a": {"minimum": "x"}}}},
        {"name": "f", "description": "d", "parameters": []},
    ],
)
def test_a_bad_document_is_named(document):
    with pytest.raises(BadDocument, match="function '"):
        tool_of(document)


TOOLS = [tool for backend in backends().values() for tool in backend.tools.values()]
KEYS = st.sampled_from(["title", "priority", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 2.0, -1.0]) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["title", "priority", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_our_check_of_arguments_is_that_of_json_schema(data):
    """But for the two leniencies: null for what may be left out, and text for an identifier."""
    tool = data.draw(st.sampled_from(TOOLS))
    names = [*tool.parameters["properties"], "unheard_of"]
    arguments = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=4))
    required = tool.parameters.get("required", [])
    schema = {**tool.parameters, "additionalProperties": False}
    strict = {name: value for name, value in arguments.items() if value is not None or name in required}
    for name, kind in tool.parameters["properties"].items():
        if kind.get("type") == "integer" and name.endswith("_id") and isinstance(strict.get(name), str):
            strict[name] = 1
    expected = Draft202012Validator(schema).is_valid({**strict, **{n: 1 for n in arguments if n == "unheard_of"}})
    assert (problem(tool.parameters, arguments) is None) == expected
