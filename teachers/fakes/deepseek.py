"""A fake of DeepSeek's chat completions: its rules enforced, its faults on demand (https://api-docs.deepseek.com)."""

import json
import re
import zlib
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from loop.types import Message
from teachers.fakes.loopback import FakeAnswer, Loopback, RecordedRequest
from teachers.fakes.minds import Mind, closing, heard, saying

Json = dict[str, Any]
USAGE: Final = {
    "prompt_tokens": 1000,
    "completion_tokens": 80,
    "total_tokens": 1080,
    "prompt_cache_hit_tokens": 640,
    "prompt_cache_miss_tokens": 360,
    "completion_tokens_details": {"reasoning_tokens": 30},
}
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
LOST_REASONING: Final = "The reasoning_content in the thinking mode must be passed back to the API."
BOMB: Final = 200_000_000
"""Bytes that a small compressed answer grows to."""


class FakeDeepSeek(Loopback):
    """Answers chat completions with what a mind says; refuses what the real server refuses."""

    def __init__(self, mind: Mind | None = None, key: str | None = None) -> None:
        super().__init__()
        self.mind = mind or saying(closing())
        self.key = key
        """The key that it wants; None: any."""
        self.model = "deepseek-v4.1-flash"
        """What it says has answered."""
        self.thinks = True
        """Whether it wants the reasoning of its calls back; other servers do not."""
        self.thoughts: list[str] = []
        """Reasoning that it gave out, in order."""
        self.delay = 0.0
        """Seconds that every answer takes."""
        self._numbers = count(1)

    def handle(self, request: RecordedRequest, answer: FakeAnswer) -> None:
        """Answer a request."""
        if request.path.endswith("/user/balance"):
            self.seen.append(request)
            answer.json(200, {"is_available": True, "balance_infos": [{"currency": "USD", "total_balance": "10.00"}]})
            return
        fault = self.due(request)
        refusal = self._refusal(request)
        if fault is not None:
            getattr(self, f"fault_{fault.scenario}")(request, answer, fault.details)
        elif refusal is not None:
            answer.json(*refusal)
        else:
            self.answer(request, answer)

    def answer(self, request: RecordedRequest, answer: FakeAnswer) -> None:
        """Say what the mind says."""
        if self.delay:
            self.gone.wait(self.delay)
        answer.json(200, self.completion(self.said(request)))

    def said(self, request: RecordedRequest) -> Json:
        """Make the assistant's message."""
        message = self.mind(heard(request.body["messages"]))
        thought = f"thought {next(self._numbers)}: café"
        self.thoughts.append(thought)
        native: Json = {"role": "assistant", "content": message.content, "reasoning_content": thought}
        if message.calls:
            native["tool_calls"] = self._requests(message)
        return native

    def _requests(self, message: Message) -> list[Json]:
        number = next(self._numbers)
        return [
            {
                "index": index,
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, indent=1)},
            }
            for index, call in enumerate(message.calls)
        ]

    def completion(self, native: Json, finish: str | None = None) -> Json:
        """Wrap a message up as an answer."""
        reason = finish or ("tool_calls" if native.get("tool_calls") else "stop")
        choice = {"index": 0, "message": native, "logprobs": None, "finish_reason": reason}
        head = {"id": "cmpl-1", "object": "chat.completion", "created": 0, "model": self.model}
        return {**head, "choices": [choice], "usage": USAGE}

    def _refusal(self, request: RecordedRequest) -> tuple[int, Json] | None:
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return 401, error("Authentication Fails, Your api key is invalid", "authentication_error")
        body = request.body
        rule = broken_rule(body)
        if rule and (self.thinks or rule != LOST_REASONING):
            return 400, error(rule, "invalid_request_error")
        return None

    # --- faults: each is named in `fail` without its prefix -----------------------------------------------------------

    def fault_http(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Refuse with a status."""
        del request
        status = details["status"]
        body = error(details.get("message", f"fake {status}"), details.get("code", "fake"))
        answer.json(status, body, details.get("headers"))

    def fault_error(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer 200 with an error in it, as gateways do; with `partial`, beside the beginning of an answer."""
        del request
        choice = {"index": 0, "message": {"role": "assistant", "content": "It is"}, "finish_reason": "error"}
        choices = [choice] if details.get("partial") else None
        answer.json(200, {"choices": choices, "error": details["error"]}, details.get("headers"))

    def fault_echo(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Give the key of the request back, where the caller wants it: in the text, a call or the model's name."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        native: Json = {"role": "assistant", "content": key if details["where"] == "text" else "Hi."}
        if details["where"] == "call":
            function = {"name": key, "arguments": json.dumps({"city": key})}
            native["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        completion = self.completion(native)
        answer.json(200, completion | ({"model": key} if details["where"] == "model" else {}))

    def fault_keep_alive(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Send blank lines for a while before the answer, as a busy server does."""
        answer.begin(200, {"Content-Type": "application/json"})
        for _ in range(int(details["seconds"] / 0.05)):
            answer.part(b"\n")
            if self.gone.wait(0.05):
                return
        answer.part(json.dumps(self.completion(self.said(request))).encode())

    def fault_silent(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Say nothing."""
        del request
        self.gone.wait(details.get("seconds", 60))
        answer.hang_up()

    def fault_close(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Close the connection."""
        del request, details
        answer.hang_up()

    def fault_truncated(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Break off in the middle of the answer."""
        del details
        body = json.dumps(self.completion(self.said(request))).encode()
        answer.begin(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        answer.part(body[: len(body) // 2])
        answer.hang_up()

    def fault_bomb(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer, with any status, in a few bytes that unpack to many."""
        del request
        head = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer.whole(details.get("status", 200), bomb(BOMB), head)

    def fault_flood(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer, with any status, without end."""
        del request
        answer.begin(details.get("status", 200), {"Content-Type": "application/json"})
        while not self.gone.is_set():
            answer.part(b" " * 65536)

    def fault_raw(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer with bytes of the caller's choice."""
        del request
        answer.whole(200, details["body"], {"Content-Type": details.get("type", "application/json")})

    def fault_says(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer with a message of the caller's choice."""
        del request
        native = {"role": "assistant", "content": "", "reasoning_content": "hm", **details["message"]}
        answer.json(200, self.completion(native, details.get("finish")))


def bomb(size: int) -> bytes:
    """Pack so many blank bytes without holding them."""
    packer, block = zlib.compressobj(wbits=31), b"\n" * 1_000_000
    return b"".join([*(packer.compress(block) for _ in range(size // len(block))), packer.flush()])


def error(message: str, code: str) -> Json:
    """Spell an error."""
    return {"error": {"message": message, "type": code, "param": None, "code": code}}


def broken_rule(body: Json) -> str | None:
    """Name the first of the API's rules that a request breaks."""
    if any(not NAME.fullmatch(tool["function"]["name"]) for tool in body.get("tools", ())):
        return "Invalid 'tools[0].function.name': string does not match pattern"
    thinking = body.get("thinking", {}).get("type", "enabled") == "enabled"
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] != "tool" and waiting:
            return "An assistant message with 'tool_calls' must be followed by tool messages"
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            waiting.remove(message["tool_call_id"])
        waiting += [request["id"] for request in message.get("tool_calls", ())]
        if thinking and message.get("tool_calls") and "reasoning_content" not in message:
            return LOST_REASONING
    return "insufficient tool messages" if waiting else None
