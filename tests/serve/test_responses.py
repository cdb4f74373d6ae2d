"""OpenAI's Responses, asked by the `openai` client as people use it, against the real endpoint over a tiny model."""

import json

import httpx2
import openai
import pytest

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "weather", "description": "Look.", "parameters": PARAMETERS, "strict": True}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}'}


def asked(client, **more):
    return client.responses.create(**{"model": "loopd", "input": "Is it warm?", "max_output_tokens": 24, **more})


def test_an_answer_is_a_message_with_what_it_cost_and_who_gave_it(client):
    answer = asked(client, instructions="Be short.")
    assert answer.object == "response"
    assert answer.id.startswith("resp_")
    assert answer.status in {"completed", "incomplete"}
    assert (answer.status == "incomplete") == (answer.incomplete_details is not None)
    assert [item.type for item in answer.output] == ["message"]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.store is False
    assert answer.system_fingerprint.startswith("loopd-")
    same = client.chat.completions.create(
        model="loopd",
        messages=[{"role": "system", "content": "Be short."}, {"role": "user", "content": "Is it warm?"}],
        max_tokens=24,
    )
    assert answer.output_text == same.choices[0].message.content


def test_a_stream_tells_the_same_event_by_event(client):
    whole = asked(client)
    events = list(asked(client, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:4]] == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added")
    ]
    told = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert told == whole.output_text
    last = events[-1]
    assert last.type == f"response.{whole.status}"
    assert last.response.output_text == told
    assert last.response.usage.output_tokens == whole.usage.output_tokens
    assert len({event.response.id for event in events if hasattr(event, "response")}) == 1


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_a_call_is_an_item_streamed_or_not(client, choice):
    same = {"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": False, "max_output_tokens": 60}
    whole = asked(client, **same)
    [call] = [item for item in whole.output if item.type == "function_call"]
    assert json.loads(call.arguments)["city"] in {"Oslo", "Rome"}
    with client.responses.stream(model="loopd", input="Is it warm?", **same) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert [item.type for item in final.output] == [item.type for item in whole.output]
    assert final.output[-1].arguments == call.arguments
    assert kinds.count("response.function_call_arguments.done") == 1
    going_on = [
        {"role": "user", "content": [{"type": "input_text", "text": "Is it warm?"}]},
        *(item.model_dump(exclude_none=True) for item in whole.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": "20 degrees"},
    ]
    answer = asked(client, input=going_on, tools=[WEATHER], tool_choice="none")
    assert [item.type for item in answer.output] == ["message"]


def test_text_fits_its_schema(client):
    wanted = {"format": {"type": "json_schema", "name": "place", "schema": PARAMETERS, "strict": True}}
    answer = asked(client, text=wanted, max_output_tokens=60)
    assert json.loads(answer.output_text)["city"] in {"Oslo", "Rome"}
    assert answer.text.format.name == "place"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"conversation": "c"}, "conversation"),
        ({"include": ["reasoning.encrypted_content"]}, "include"),
        ({"reasoning": {"effort": "high"}}, "reasoning"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_tool_calls": 2}, "max_tool_calls"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
        ({"input": [CALL]}, "input"),
        ({"input": []}, "input"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"extra_body": {"nonsense": 1}}, "nonsense"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(client, change, param):
    with pytest.raises(openai.BadRequestError) as refused:
        asked(client, **change)
    assert str(refused.value.body["param"]).startswith(param)


def test_who_is_not_there_is_not_found_and_no_key_no_answer(client, server):
    with pytest.raises(openai.NotFoundError, match="There is no model"):
        asked(client, model="loopd/nobody")
    assert httpx2.post(f"{server.url}/responses", json={}, timeout=30).status_code == httpx2.codes.UNAUTHORIZED
