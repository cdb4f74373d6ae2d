"""An answer of the student's server, a chat completion, as OpenAI's Responses tell it: whole, or event by event."""

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

from loop.serve.responses.request import ResponseRequest

Json = dict[str, Any]
SEPARATOR: Final = b"\n\n"
DATA: Final = b"data: "
CUT: Final = "length"
"""Why a completion ended that was not done."""


def named(kind: str) -> str:
    """Make an id."""
    return f"{kind}_{secrets.token_hex(24)}"


class Whole:
    """Turns the body of a completion into a response."""

    def __init__(self, request: ResponseRequest) -> None:
        self.request, self._body = request, bytearray()

    def more(self, piece: bytes) -> bytes:
        """Take a piece of the body; nothing is told before the end."""
        self._body += piece
        return b""

    def end(self) -> bytes:
        """Give the response."""
        completion = json.loads(self._body)
        choice = completion["choices"][0]
        items = list(_items(choice["message"]))
        body = response(self.request, completion, items, finish=choice["finish_reason"], usage=completion["usage"])
        return json.dumps(body, ensure_ascii=False).encode()


def _items(message: Json) -> Iterator[Json]:
    """Spell what a message says: thinking, text, calls."""
    if thought := message.get("reasoning_content"):
        yield reasoning_item(thought)
    if message.get("content") or not message.get("tool_calls"):
        yield message_item(named("msg"), [text_part(message.get("content") or "")])
    for call in message.get("tool_calls") or ():
        yield call_item(named("fc"), call["id"], call["function"])


def message_item(key: str, content: Sequence[Json], status: str = "completed") -> Json:
    """Spell a message."""
    return {"id": key, "type": "message", "status": status, "role": "assistant", "content": [*content]}


def text_part(text: str) -> Json:
    """Spell a message's text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def reasoning_item(thought: str) -> Json:
    """Spell what was thought."""
    content = [{"type": "reasoning_text", "text": thought}]
    return {"id": named("rs"), "type": "reasoning", "summary": [], "content": content, "status": "completed"}


def call_item(key: str, call_id: str, function: Json, status: str = "completed") -> Json:
    """Spell a call."""
    fields = {"call_id": call_id, "name": function["name"], "arguments": function["arguments"]}
    return {"id": key, "type": "function_call", "status": status, **fields}


def response(
    request: ResponseRequest, completion: Json, items: Sequence[Json], *, finish: str = "", usage: Json | None = None
) -> Json:
    """Spell a response.

    Args:
        request: what was asked.
        completion: a completion, or a piece of one: who answers, and when.
        items: what was said so far.
        finish: why the completion ended; empty while it goes on.
        usage: its tokens, once they are counted.
    """
    cut = finish == CUT
    asked = request.model_dump(mode="json", by_alias=True, exclude={"input", "stream", "model"})
    return {
        **asked,
        "id": completion["id"].replace("chatcmpl-", "resp_"),
        "object": "response",
        "created_at": completion["created"],
        "status": ("incomplete" if cut else "completed") if finish else "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": completion["model"],
        "system_fingerprint": completion.get("system_fingerprint"),
        "output": [*items],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "temperature": request.temperature or 0.0,
        "top_p": request.top_p or 1.0,
        "text": {"format": _format(asked["text"]["format"])},
        "tool_choice": asked["tool_choice"] or "auto",
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "truncation": "disabled",
        "metadata": {},
        "usage": _usage(usage) if usage else None,
    }


def _format(asked: Json | None) -> Json:
    return {name: value for name, value in (asked or {"type": "text"}).items() if value}


def _usage(usage: Json) -> Json:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }


class ResponseEvents:
    """Turns the events of a streamed completion into those of a response."""

    def __init__(self, request: ResponseRequest) -> None:
        self.request = request
        self._rest, self._number = b"", 0
        self._named: Json = {}
        """The first piece, which names the answer; empty before."""
        self._items: list[Json] = []
        """What was said so far; the last of them may be open."""
        self._open = ""
        """Type of the item that is being said; empty where none is."""
        self._finish, self._usage = "", None

    def more(self, piece: bytes) -> bytes:
        """Take bytes of the completion; give the response's."""
        *whole, self._rest = (self._rest + piece).split(SEPARATOR)
        return b"".join(item for event in whole for item in self._event(event))

    def end(self) -> bytes:
        """Give what is still to be told."""
        return b""

    def _event(self, event: bytes) -> Iterator[bytes]:
        if not event.startswith(DATA):
            yield event + SEPARATOR  # a comment
        elif event == DATA + b"[DONE]":
            yield from self._done()
        else:
            yield from self._chunk(json.loads(event.removeprefix(DATA)))

    def _chunk(self, chunk: Json) -> Iterator[bytes]:
        if "error" in chunk:
            error = {name: chunk["error"].get(name) for name in ("message", "code", "param")}
            yield self._told("error", **error)
            return
        if not self._named:
            self._named = chunk
            yield self._told("response.created", response=response(self.request, chunk, ()))
            yield self._told("response.in_progress", response=response(self.request, chunk, ()))
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk["choices"]:
            yield from self._delta(choice["delta"])
            self._finish = choice["finish_reason"] or self._finish

    def _delta(self, delta: Json) -> Iterator[bytes]:
        if thought := delta.get("reasoning_content"):
            yield from self._close()
            self._items.append(reasoning_item(thought))
            yield self._item("added")
            yield self._item("done")
        if text := delta.get("content"):
            yield from self._begin_text()
            self._items[-1]["content"][0]["text"] += text
            yield self._told("response.output_text.delta", **self._place, content_index=0, delta=text, logprobs=[])
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

    def _begin_text(self) -> Iterator[bytes]:
        if self._open == "message":
            return
        yield from self._close()
        self._open = "message"
        self._items.append(message_item(named("msg"), [], "in_progress"))
        yield self._item("added")
        self._items[-1]["content"].append(text_part(""))
        yield self._told("response.content_part.added", **self._place, content_index=0, part=text_part(""))

    def _call(self, call: Json) -> Iterator[bytes]:
        function = call["function"]
        if "id" in call:
            yield from self._close()
            self._open = "function_call"
            self._items.append(call_item(named("fc"), call["id"], function | {"arguments": ""}, "in_progress"))
            yield self._item("added")
        if said := function.get("arguments"):
            self._items[-1]["arguments"] += said
            yield self._told("response.function_call_arguments.delta", **self._place, delta=said)

    def _close(self) -> Iterator[bytes]:
        """End the item that is being said."""
        if not self._open:
            return
        item = self._items[-1]
        if self._open == "message":
            part = item["content"][0]
            yield self._told(
                "response.output_text.done", **self._place, content_index=0, text=part["text"], logprobs=[]
            )
            yield self._told("response.content_part.done", **self._place, content_index=0, part=part)
        else:
            fields = {"name": item["name"], "arguments": item["arguments"]}
            yield self._told("response.function_call_arguments.done", **self._place, **fields)
        item["status"] = "completed"
        self._open = ""
        yield self._item("done")

    def _done(self) -> Iterator[bytes]:
        if not self._items:
            yield from self._begin_text()
        yield from self._close()
        body = response(self.request, self._named, self._items, finish=self._finish, usage=self._usage)
        yield self._told(f"response.{body['status']}", response=body)

    @property
    def _place(self) -> Json:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _item(self, what: str) -> bytes:
        return self._told(f"response.output_item.{what}", output_index=len(self._items) - 1, item=self._items[-1])

    def _told(self, kind: str, **fields: object) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
