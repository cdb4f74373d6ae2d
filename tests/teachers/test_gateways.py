"""What gateways and servers without parsers make of a chat-completions answer, as public reports tell."""

import json
import time

import pytest

from loop.errors import FailureKind, ProviderError
from loop.types import Call, Message
from teachers.provider.retry import Patience
from teachers.provider.spoken import spoken

pytestmark = pytest.mark.reliability(id="F15")

KEY = "sk-fake-0123456789abcdef"


@pytest.fixture
def chat(opened, teacher):
    return opened(teacher())


def failed(step, teacher):
    with pytest.raises(ProviderError) as caught:
        step(teacher)
    return caught.value


IN_A_200 = {
    "crowded": ({"message": "Rate limit exceeded", "code": 429}, FailureKind.RETRYABLE),
    "refused": ({"message": "User not found.", "code": 401}, FailureKind.AUTH),
    "broken": ({"message": "upstream overloaded", "code": 502}, FailureKind.RETRYABLE),
    "spent": ({"message": "x", "code": "insufficient_quota"}, FailureKind.QUOTA),
    "too long": ({"message": "x", "code": "context_length_exceeded"}, FailureKind.BAD_INPUT),
    "a sentence": ("Rate limit reached", FailureKind.RETRYABLE),
}


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("row", IN_A_200)
def test_an_error_in_a_200_is_that_error_and_no_fault_of_the_model(api, teacher, step, row, partial):
    error, kind = IN_A_200[row]
    api.fail("error", error=error, partial=partial)
    assert failed(step, teacher(patience=Patience(retryable=0, first_wait=0.01))).kind is kind
    assert len(api.seen) == 1
    assert len(api.seen[0].body["messages"]) == 1, "the model was blamed"


def test_a_wait_in_the_body_of_a_200_is_waited_for(api, teacher, step):
    passed_on = {"headers": {"X-RateLimit-Reset": str(int((time.time() + 7200) * 1000))}}
    api.fail("error", error={"message": "Rate limit exceeded: free-models", "code": 429, "metadata": passed_on})
    error = failed(step, teacher())
    assert error.kind is FailureKind.QUOTA
    assert error.retry_at == pytest.approx(time.time() + 7200, abs=60)


RAW = {
    "a sentence": (b"Too many requests", FailureKind.RETRYABLE),
    "a sentence about the key": (b"Invalid API key", FailureKind.AUTH),
    "a sentence in JSON": (b'"Unauthorized"', FailureKind.AUTH),
    "an error in a list": (b'[{"error": {"code": 401, "message": "x"}}]', FailureKind.AUTH),
    "half an answer": (b'{"choices": [{"message": {"content": "unauthorized', FailureKind.RETRYABLE),
    "a page": (b"<html><h1>502 Bad Gateway</h1></html>", FailureKind.RETRYABLE),
    "a stream": (b'data: {"choices": []}\n\ndata: [DONE]\n\n', FailureKind.FATAL),
    "no message and a reason": (b'{"choices": [{"message": null, "finish_reason": "error"}]}', FailureKind.RETRYABLE),
    "what a gateway was told": (
        b'{"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "prompt is too long"}}}',
        FailureKind.BAD_INPUT,
    ),
}


@pytest.mark.parametrize("row", RAW)
def test_whatever_a_200_holds_has_its_kind(api, teacher, step, row):
    body, kind = RAW[row]
    api.fail("raw", body=body)
    assert failed(step, teacher(patience=Patience(retryable=0, unknown=0))).kind is kind
    assert len(api.seen) == 1


@pytest.mark.parametrize("echo", ["text", "call", "model"])
def test_a_key_that_is_given_back_goes_no_further(api, teacher, step, echo):
    api.fail("echo", where=echo)
    error = failed(step, teacher())
    assert KEY not in str(error)
    assert error.kind in {FailureKind.UNSAFE, FailureKind.FATAL}


NO_CLOSING = [
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    'Sure. <tool_call>{"name": "weather"',
    "<function=weather><parameter=city>Oslo</parameter></function>",
    '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}}]',
    "<|python_tag|>weather.call(city='Oslo')",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>",
    "<|channel|>commentary to=functions.weather<|message|>{}",
    '<function_calls><invoke name="weather"></invoke></function_calls>',
    "[TOOL_REQUEST]\n{}\n[END_TOOL_REQUEST]",
    '{"name": "weather", "arguments": {"city": "Oslo"}}',
    '```json\n{"name": "weather", "parameters": {"city": "Oslo"}}\n```',
    'I call {"function": "weather", "arguments": {}} now.',
    'weather(city="Oslo")',
    '[weather(city="Oslo"), time.now()]',
    "Action: weather\nAction Input: Oslo",
    "<tool_response>3 C</tool_response>",
    "It is 3 C.<|im_end|>",
    "```tool_code\nweather()\n```",
    "<minimax:tool_call>",
    "<arg_key>city</arg_key>",
    "time_now()",
    'functools[{"name": "weather", "arguments": {"city": "Oslo"}}]',
    '{"name": "another_tool", "arguments": {"city": "Oslo"}}',
    "weather('Oslo')",
    ">>>weather\n{}",
    "call:weather{city:Oslo}",
    "commentary to=functions.weather json{}",
    "<weather>\n<city>Oslo</city>\n</weather>",
    "\u273fFUNCTION\u273f: weather",
    "<tool_request>{}</tool_request>",
    "Tool: weather",
]


@pytest.mark.parametrize("content", NO_CLOSING)
def test_a_call_left_in_the_text_is_no_closing_message(api, teacher, step, content):
    api.fail("says", message={"content": content})
    error = failed(step, teacher())
    assert error.kind is FailureKind.BAD_OUTPUT
    assert "parser" in str(error)


def test_markup_beside_calls_is_refused_too(api, teacher, step):
    request = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    api.fail("says", message={"content": '<tool_call>{"name": "time.now"}</tool_call>', "tool_calls": [request]})
    assert failed(step, teacher()).kind is FailureKind.BAD_OUTPUT


CLOSINGS = [
    "The weather is 3 C (cold).",
    'I used the weather tool: it says {"city": "Oslo"}.',
    "a < b and c > d",
    "weather (in Oslo): 3 C",
    "The file holds <b>bold</b> and an arrow ->.",
    'The name is "weather".',
    '{"city": "Oslo", "celsius": 3}',
    "ls(1) lists a directory",
    "analysis of the week: cold",
]


@pytest.mark.parametrize("content", CLOSINGS)
def test_a_closing_message_stays_as_it_is(api, teacher, step, content):
    api.fail("says", message={"content": content})
    assert step(teacher()).message.content == content


THOUGHTS = [
    "<think>The user wants it.</think>\n\nIt is 3 C.",
    "The user wants it.</think>\n\nIt is 3 C.",
    "<think></think>It is 3 C.",
    "<thinking>a <b> c</thinking>It is 3 C.",
    "It is <think>hm</think>3 C.",
    "<think>a</think><think>b</think>It is 3 C.",
    "[THINK]a[/THINK]It is 3 C.",
    "\u25c1think\u25b7a\u25c1/think\u25b7It is 3 C.",
    "<seed:think>a</seed:think>It is 3 C.",
    "<analysis>a</analysis>It is 3 C.",
    "analysisThe user wants it.assistantfinalIt is 3 C.",
    '<think>I could call <tool_call>{"name": "weather"}</tool_call></think>It is 3 C.',
    [{"type": "thinking", "thinking": "a"}, {"type": "text", "text": "It is 3 C."}],
]


@pytest.mark.parametrize("content", THOUGHTS)
def test_thinking_is_cut_off(api, teacher, step, content):
    api.fail("says", message={"content": content})
    assert step(teacher()).message.content == "It is 3 C."


@pytest.mark.parametrize("content", ["<think>I should", "<think>a</think>", "a</think> \n"])
def test_thoughts_alone_are_no_message(api, teacher, step, content):
    api.fail("says", message={"content": content})
    assert failed(step, teacher()).kind is FailureKind.BAD_OUTPUT


def test_thinking_takes_no_time():
    text = "<think>" * 200_000 + "</think>" * 200_000 + "It is."
    began = time.monotonic()
    assert spoken(text, ["weather"]).text == "It is."
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("cut", ["abort", "error", "timeout", "lunar", None])
def test_half_a_sentence_is_no_closing_message(api, teacher, step, cut):
    choice = {"index": 0, "message": {"role": "assistant", "content": "It is"}, "finish_reason": cut}
    api.fail("raw", body=json.dumps({"choices": [choice]}).encode())
    error = failed(step, teacher(patience=Patience(retryable=0, unknown=0)))
    assert error.kind in {FailureKind.RETRYABLE, FailureKind.FATAL}


@pytest.mark.parametrize("arguments", ["", "{}", "null", " \n", "[]", None, {}, [], '"{}"', '""', "None", "undefined"])
def test_a_call_without_arguments_is_one_in_every_spelling(api, chat, asked, tools, arguments):
    request = {"id": "call_1", "type": "function", "function": {"name": "time_now", "arguments": arguments}}
    api.fail("says", times=1, message={"content": None, "tool_calls": [request]})
    said = chat.reply(asked, tools).message
    assert said.calls == (Call(name="time.now", arguments={}),)
    chat.reply((*asked, said, Message(role="tool", name="time.now", content="noon", ok=True)), tools)
    told = api.seen[-1].body["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(told) == {}, "the server may read its own call back"


@pytest.mark.parametrize("arguments", ['{"city": "Oslo"}', {"city": "Oslo"}, '"{\\"city\\": \\"Oslo\\"}"'])
def test_arguments_are_read_as_text_as_an_object_and_as_text_of_text(api, teacher, step, arguments):
    request = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    api.fail("says", message={"content": None, "tool_calls": [request]})
    assert step(teacher()).message.calls == (Call(name="weather", arguments={"city": "Oslo"}),)


def test_nothing_is_no_city(api, teacher, step):
    request = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "null"}}
    api.fail("says", message={"content": None, "tool_calls": [request]})
    assert "city" in str(failed(step, teacher()))


@pytest.mark.parametrize("ids", [("c1", "c1"), ("", ""), (None, None), (" ", "c1"), (7, 7), ("x" * 90, "y")])
def test_every_call_has_an_id_of_its_own(api, chat, asked, tools, ids):
    def requests():
        function = {"name": "weather", "arguments": '{"city": "Oslo"}'}
        return [{"id": each, "type": "function", "function": function} for each in ids]

    api.fail("says", times=2, message={"content": None, "tool_calls": requests()})
    messages = list(asked)
    for _ in range(2):  # the second answer's calls have the same ids again
        said = chat.reply(messages, tools).message
        messages += [said, *(Message(role="tool", name="weather", content="3 C", ok=True) for _ in ids)]
    chat.reply(messages, tools)
    history = api.seen[-1].body["messages"]
    given = [request["id"] for message in history for request in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in history if message["role"] == "tool"]
    assert given == answered
    assert len(set(given)) == len(given) == 4
    assert all(isinstance(each, str) and each.strip() and len(each) <= 40 for each in given)


@pytest.mark.parametrize("count", [-5, 10**18, 1e300, "12", True, None, [1], 10.0])
def test_a_count_of_tokens_is_bounded(api, teacher, step, count):
    usage = {"prompt_tokens": count, "completion_tokens": count, "prompt_cache_hit_tokens": count}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    api.fail("raw", body=json.dumps({"model": api.model, "choices": [choice], "usage": usage}).encode())
    used = step(teacher()).usage
    assert 0 <= used.completion_tokens <= 10**9
    assert 0 <= used.cached_tokens <= used.prompt_tokens <= 10**9
    assert used.cost >= 0
