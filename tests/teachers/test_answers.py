import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.errors import FailureKind, ProviderError
from loop.types import Call, Catalogue, Message, Tool
from teachers.provider.answers import MOST_CALLS, answer_schema, checked_call, read_answer
from teachers.provider.names import Names
from teachers.provider.prompt import complained, lines, opening

TOOLS = Catalogue(
    tools=(
        Tool(
            name="weather", description="The weather.",
            parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        ),
    )
)  # fmt: skip


def answer(**fields):
    return json.dumps({"calls": [], "final": None} | fields)


def call(name="weather", arguments='{"city":"Oslo"}'):
    return {"name": name, "arguments": arguments}


def refused(text, catalogue=TOOLS):
    with pytest.raises(ProviderError) as caught:
        read_answer(text, catalogue)
    return caught.value


def test_calls_and_closing_texts_are_read():
    assert read_answer(answer(calls=[call()]), TOOLS).calls == (Call(name="weather", arguments={"city": "Oslo"}),)
    assert read_answer(answer(final="Cold."), TOOLS) == Message(role="assistant", content="Cold.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Sure!", "not JSON"),
        ("[]", "not a JSON object"),
        (answer(), "either"),
        (answer(final="  "), "either"),
        (answer(calls=[call()], final="and so"), "either"),
        (answer(calls={"a": 1}), "list"),
        (answer(calls=[3]), "name"),
        (answer(calls=[call("weathr")]), "Did you mean 'weather'"),
        (answer(calls=[call(arguments="{}")]), "'city' is a required property"),
        (answer(calls=[call(arguments='{"city": 3}')]), "$.city"),
        (answer(calls=[call(arguments="[1]")]), "not a JSON object"),
        (answer(calls=[call(arguments='{"city": NaN}')]), "NaN"),
        (answer(calls=[call(arguments='{"city":"a","city":"b"}')]), "repeated"),
        (answer(calls=[call()] * (MOST_CALLS + 1)), "at most"),
        ("[" * 5000, "not JSON"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_complaint_that_helps(text, told):
    error = refused(text)
    assert error.kind is FailureKind.BAD_OUTPUT
    assert told in str(error)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_a_model_says_is_an_answer_or_a_complaint(text):
    with pytest.raises(ProviderError) as caught:
        read_answer(text, TOOLS)
        raise ProviderError(FailureKind.BAD_OUTPUT, "it was an answer")
    assert caught.value.kind is FailureKind.BAD_OUTPUT
    assert len(str(caught.value)) <= 400


def test_a_schema_that_cannot_be_used_is_the_tasks_fault_and_fetches_nothing():
    for schema in (
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"pattern": "(", "type": "string"},
    ):
        tool = Tool(name="f", description="", parameters={"properties": {"a": schema}})
        with pytest.raises(ProviderError) as caught:
            checked_call(tool, {"a": "x"})
        assert caught.value.kind is FailureKind.BAD_INPUT


def test_the_schema_is_strict_whatever_the_catalogue():
    for catalogue in (TOOLS, Catalogue()):
        schema = answer_schema(catalogue)
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False
    assert "calls" not in answer_schema(Catalogue())["properties"]


# --- prompts ---------------------------------------------------------------------------------------------------------


@given(st.text(), st.sampled_from(["user", "tool", "assistant", "system"]))
def test_no_text_leaves_its_line(text, role):
    written = lines([Message(role=role, content=text, name="f" if role == "tool" else None)])
    assert len(written.splitlines()) == 1
    assert written.isascii()
    found = json.loads(written)
    assert found.get("content", found.get("result")) == text


def test_a_longer_conversation_begins_as_the_shorter_one_did():
    first = [Message(role="user", content="a")]
    longer = [*first, Message(role="assistant", content="", calls=(Call(name="weather"),))]
    end = opening(first, TOOLS).index("END OF")
    assert opening(longer, TOOLS).startswith(opening(first, TOOLS)[: end - 1])


def test_complaints_come_last():
    assert complained("p\n", ["no such tool"]).endswith('{"refused":"no such tool"}\n')
    assert complained("p\n", []) == "p\n"


# --- names -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(min_size=1, max_size=90), unique=True, max_size=12))
def test_every_name_goes_out_allowed_and_comes_back_itself(originals):
    names = Names(originals)
    spelt = [names.wire(name) for name in originals]
    assert len(set(spelt)) == len(originals)
    assert all(1 <= len(name) <= 64 and name.isascii() for name in spelt)
    assert [names.original(name) for name in spelt] == originals
