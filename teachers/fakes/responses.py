"""A fake of `POST /v1/responses` for the real Codex client, with every way in which the real one goes wrong.

The events are the least that codex-cli 0.163 accepts (https://platform.openai.com/docs/api-reference/responses-streaming).
"""

import base64
import json
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from loop.types import Message
from teachers.fakes.loopback import FakeAnswer, Loopback, RecordedRequest
from teachers.fakes.minds import Mind, as_json, closing, heard, messages_in, saying
from teachers.fakes.subscription import quota, signed_in

Event = dict[str, Any]
USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 600},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1050,
}


class FakeResponses(Loopback):
    """Answers the Codex client with what a mind says; `fail` makes it go wrong by the names of its methods."""

    def __init__(self, mind: Mind | None = None) -> None:
        super().__init__()
        self._numbers = count(1)
        self.reset(mind)

    def reset(self, mind: Mind | None = None) -> None:
        """Be as good as new."""
        self.fail()
        self.mind = mind or saying(closing())
        self.headers: dict[str, str] = {}
        """Sent with every answer, as the real server sends how much of the quota is used."""
        self.delay = 0.0
        """Seconds that every answer takes."""
        self.refreshed: list[str] = []
        """Refresh tokens that were used."""

    @property
    def asked(self) -> list[RecordedRequest]:
        """The requests for an answer."""
        return [request for request in self.seen if "/responses" in request.path]

    def handle(self, request: RecordedRequest, answer: FakeAnswer) -> None:
        """Answer a request."""
        model_call = "/responses" in request.path
        fault = self.due(request) if model_call else None
        if not model_call:
            self.seen.append(request)
        if request.path.endswith("/wham/usage"):
            answer.json(200, quota(100, 43))
        elif request.path.startswith("/oauth/token"):
            self._refresh(request, answer)
        elif not model_call:
            answer.json(404, {"error": {"message": "no such path"}})
        elif fault is None:
            self.answer(request, answer)
        else:
            getattr(self, f"fault_{fault.scenario}")(request, answer, fault.details)

    def answer(self, request: RecordedRequest, answer: FakeAnswer) -> None:
        """Say what the mind says."""
        if self.delay:
            self.gone.wait(self.delay)
        body = request.body
        said = self.mind(conversation(body))
        items = (
            function_calls(said, next(self._numbers)) if said.calls and offered(body) else [text_item(as_json(said))]
        )
        if not said.calls and offered(body):
            items = [text_item(said.content)]
        self.stream(answer, [*items, completed()])

    def stream(self, answer: FakeAnswer, events: Iterable[Event]) -> None:
        """Send server-sent events."""
        answer.begin(200, {"Content-Type": "text/event-stream", **self.headers})
        for event in ({"type": "response.created", "response": {"id": "resp_1"}}, *events):
            answer.part(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    # --- faults: each is named in `fail` without its prefix -----------------------------------------------------------

    def fault_http(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Refuse with a status."""
        del request
        status = details["status"]
        body = details.get("body", {"error": {"message": f"fake {status}", "type": "fake", "code": None}})
        answer.json(status, body, details.get("headers"))

    def fault_spent(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Refuse because an allowance is used up; `reached` says whose, as the real server does."""
        del request
        error = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "team"}
        headers = {"x-codex-rate-limit-reached-type": details["reached"]} if "reached" in details else {}
        answer.json(429, {"error": error}, {**self.headers, **headers, **details.get("headers", {})})

    def fault_text(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer with a text of the caller's choice."""
        del request
        self.stream(answer, [text_item(details["text"]), completed()])

    def fault_twice(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Think aloud before the answer."""
        said = as_json(self.mind(conversation(request.body)))
        self.stream(answer, [text_item(details["text"]), text_item(said), completed()])

    def fault_garbage(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer with nonsense."""
        del request, details
        answer.begin(200, {"Content-Type": "text/event-stream"})
        answer.part(b"data: {not json\n\nfoo bar\n\n")

    def fault_truncated(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Break off after the text and before the end."""
        del details
        self.stream(answer, [text_item(as_json(self.mind(conversation(request.body))))])

    def fault_failed(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Fail within the stream."""
        del request
        self.stream(answer, [{"type": "response.failed", "response": {"id": "resp_1", "error": details["error"]}}])

    def fault_incomplete(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """End early and say so."""
        del request
        response = {"id": "resp_1", "incomplete_details": {"reason": details["reason"]}, "usage": USAGE}
        self.stream(answer, [text_item('{"calls":'), {"type": "response.incomplete", "response": response}])

    def fault_empty(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Complete without a message."""
        del request, details
        self.stream(answer, [completed()])

    def fault_silent(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Say nothing, not even the head of an answer, until the fake closes or the time is over."""
        del request
        self.gone.wait(details.get("seconds", 60))
        answer.hang_up()

    def fault_stalled(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Begin an answer and fall silent."""
        del request
        self.stream(answer, [])
        self.gone.wait(details.get("seconds", 60))

    def fault_close(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Close the connection."""
        del request, details
        answer.hang_up()

    def fault_tool(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Call a tool that was not offered, after `seconds`: what an injected prompt would make a model do."""
        del request
        self.gone.wait(details.get("seconds", 0))
        self.stream(answer, [item_done({"call_id": f"call_{next(self._numbers)}", **details["item"]}), completed()])

    def fault_flood(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Answer without end."""
        del request
        self.stream(answer, [text_item("x" * details["size"]), completed()])

    def fault_expired(self, request: RecordedRequest, answer: FakeAnswer, details: Mapping[str, Any]) -> None:
        """Refuse a token that was not refreshed."""
        del details
        payload = request.headers.get("authorization", "..").split(".")[1]
        if b"fresh" in base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)):
            return self.answer(request, answer)
        return answer.json(401, {"error": {"message": "token expired", "code": "token_expired"}})

    def _refresh(self, request: RecordedRequest, answer: FakeAnswer) -> None:
        token = str(request.body.get("refresh_token"))
        if token in self.refreshed:
            answer.json(
                401, {"error": {"code": "refresh_token_reused", "message": "Your refresh token was already used"}}
            )
            return
        self.refreshed.append(token)
        fresh = signed_in(fresh=len(self.refreshed))
        answer.json(200, {"id_token": fresh, "access_token": fresh, "refresh_token": f"refresh-{len(self.refreshed)}"})


def conversation(body: Mapping[str, Any]) -> list[Message]:
    """Read what the client was told by us, and what tools answered."""
    messages: list[Message] = []
    for item in body.get("input", ()):
        if item.get("type") == "function_call_output":
            messages += heard([{"role": "tool", "content": plain(item["output"])}])
        elif item.get("role") == "user":
            messages += messages_in(plain(item.get("content")))
    return messages


def plain(content: object) -> str:
    """Join the texts of a message."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part.get("text", "") for part in parts if isinstance(part, dict))


def offered(body: Mapping[str, Any]) -> list[Any]:
    """List every tool that a request offers, wherever it hides: newer models get theirs among the input."""
    hidden = [item for item in body.get("input", ()) if item.get("type") == "additional_tools"]
    return [tool for group in ({"tools": body.get("tools")}, *hidden) for tool in _flat(group)]


def _flat(group: Mapping[str, Any]) -> Iterable[Any]:
    """Open namespaces; one that holds no list is a tool itself."""
    if not isinstance(group.get("tools"), list):
        return (group,) if group.get("type") else ()
    return [tool for inner in group["tools"] for tool in _flat(inner)]


def item_done(item: Event) -> Event:
    """Make the event that carries one item of the output."""
    return {"type": "response.output_item.done", "item": item}


def text_item(text: str) -> Event:
    """Make a message of the assistant."""
    content = [{"type": "output_text", "text": text}]
    return item_done({"type": "message", "role": "assistant", "id": "msg_1", "content": content})


def function_calls(message: Message, number: int) -> list[Event]:
    """Make native calls."""
    return [
        item_done(
            {
                "type": "function_call",
                "call_id": f"call_{number}_{index}",
                "name": call.name,
                "arguments": json.dumps(call.arguments),
            }
        )
        for index, call in enumerate(message.calls)
    ]


def completed() -> Event:
    """Make the event that ends an answer."""
    return {"type": "response.completed", "response": {"id": "resp_1", "usage": USAGE}}
