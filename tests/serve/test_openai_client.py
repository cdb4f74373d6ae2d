"""The `openai` client, as people use it, against the real endpoint over a tiny model held to its tools."""

import json

import openai
import pytest

ASK = [{"role": "user", "content": "Is it warm?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Look.", "parameters": PARAMETERS}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time.", "parameters": PARAMETERS}}


def asked(client, **more):
    return client.chat.completions.create(**{"model": "loopd", "messages": ASK, "max_tokens": 60, **more})


def test_an_answer_names_its_policy_and_what_it_cost(client, server):
    answer = asked(client, max_tokens=5)
    champion = server.store.policies.champion()
    assert champion is None
    assert answer.object == "chat.completion"
    assert answer.model == "loopd"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    stock = client.models.retrieve("loopd/stock").policy
    assert answer.system_fingerprint == f"loopd-{stock[:12]}"


def test_a_stream_says_what_the_whole_answer_says(client):
    same = {"temperature": 1.0, "seed": 11, "max_tokens": 40}
    whole = asked(client, **same)
    chunks = list(asked(client, **same, stream=True, stream_options={"include_usage": True}))
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert told == whole.choices[0].message.content
    assert len(chunks) >= 4
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "clock"}}])
def test_a_call_that_has_to_be_made_is_made_and_streamed_the_same(client, choice):
    same = {"tools": [WEATHER, CLOCK], "tool_choice": choice, "parallel_tool_calls": False}
    whole = asked(client, **same).choices[0]
    assert whole.finish_reason == "tool_calls"
    [call] = whole.message.tool_calls
    assert json.loads(call.function.arguments)["city"] in {"Oslo", "Rome"}
    assert call.function.name == "clock" or choice == "required"
    name, arguments, ids = "", "", []
    for chunk in asked(client, **same, stream=True):
        for delta in chunk.choices[0].delta.tool_calls or ():
            name, arguments = name + (delta.function.name or ""), arguments + delta.function.arguments
            ids += [delta.id] if delta.id else []
    assert (name, arguments) == (call.function.name, call.function.arguments)
    assert len(ids) == 1
    assert ids != [call.id]


def test_a_conversation_goes_on_with_results_in_any_order(client):
    called = asked(client, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False).choices[0].message
    second = {"id": "other", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    calls = [called.tool_calls[0].model_dump(), second]
    results = [
        {"role": "tool", "tool_call_id": "other", "content": [{"type": "text", "text": "20"}]},
        {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "10"},
    ]
    messages = [*ASK, {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None}, *results]
    answer = asked(client, messages=messages, tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None


def test_no_tool_may_be_called_where_none_is_wanted(client):
    for _ in range(3):
        answer = asked(client, tools=[WEATHER], tool_choice="none", temperature=1.0)
        assert answer.choices[0].message.tool_calls is None


def test_an_answer_fits_its_schema(client):
    schema = {"type": "object", "properties": {"warm": {"type": "boolean"}}, "required": ["warm"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "warmth", "schema": schema, "strict": True}}
    whole = asked(client, response_format=wanted).choices[0].message.content
    assert isinstance(json.loads(whole)["warm"], bool)
    streamed = asked(client, response_format=wanted, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == whole


def test_an_answer_ends_before_a_stop(client):
    same = {"temperature": 1.0, "seed": 5, "max_tokens": 60}
    whole = asked(client, **same).choices[0].message.content
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    cut = asked(client, **same, stop=[stop])
    assert cut.choices[0].message.content == whole[: whole.index(stop)].strip()
    assert cut.choices[0].finish_reason == "stop"
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in asked(client, **same, stop=stop, stream=True))
    assert streamed == cut.choices[0].message.content


def test_every_token_has_its_log_probability_streamed_or_not(client):
    same = {"temperature": 1.0, "seed": 3, "max_tokens": 12, "logprobs": True}
    whole = asked(client, **same)
    scores = [each.logprob for each in whole.choices[0].logprobs.content]
    assert len(scores) == whole.usage.completion_tokens
    assert all(score <= 0 for score in scores)
    streamed = [
        each.logprob
        for chunk in asked(client, **same, stream=True)
        if chunk.choices[0].logprobs
        for each in chunk.choices[0].logprobs.content
    ]
    assert streamed == scores


def test_models_are_listed_under_every_name_that_works(client):
    names = [model.id for model in client.models.list()]
    assert names[:3] == ["loopd", "loopd/champion", "loopd/stock"]
    for name in names:
        assert asked(client, model=name, max_tokens=1).model == name


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"top_logprobs": 3, "logprobs": True}, "top_logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"extra_body": {"top_k": 40}}, "top_k"),
        ({"extra_body": {"wings": 2}}, "wings"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER, WEATHER]}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0.type"),
        ({"temperature": 3}, "temperature"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages.0"),
        ({"messages": [*ASK, {"role": "tool", "tool_call_id": "gone", "content": "1"}]}, "messages.1"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(client, change, param):
    with pytest.raises(openai.BadRequestError) as refused:
        asked(client, **change)
    assert str(refused.value.param).startswith(param)
    assert param.rpartition(".")[0] in refused.value.message


def test_a_name_that_means_nothing_is_not_found_and_says_what_does(client):
    for name in ("gpt-9", "loopd/ffffffffffff"):
        with pytest.raises(openai.NotFoundError, match="loopd/stock") as refused:
            asked(client, model=name)
        assert refused.value.code == "model_not_found"


def test_what_the_student_refuses_reaches_the_client(client):
    with pytest.raises(openai.BadRequestError, match="fit"):
        asked(client, messages=[{"role": "user", "content": "go " * 20_000}])
    assert asked(client, max_tokens=10**6, stop=["a", "e"]).choices
    schema = {"type": "array", "uniqueItems": True}
    wanted = {"type": "json_schema", "json_schema": {"name": "odd", "schema": schema}}
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="uniqueItems"):
            asked(client, response_format=wanted, stream=stream)


def test_without_the_key_nothing_is_answered(server):
    with openai.OpenAI(base_url=server.url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            asked(stranger)


def test_the_router_says_who_answers_and_why(client):
    answer = client.chat.completions.with_raw_response.create(model="loopd/routed", messages=ASK, max_tokens=2)
    assert "no specialist is better" in answer.headers["loopd-route"]
    assert answer.parse().system_fingerprint == asked(client, max_tokens=1).system_fingerprint
