"""From an ask to its answer, whole or as a stream: OpenAI's chat completions and their chunks."""

import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import JsonValue

from loop.student.engine.conversations import TokenRequest
from loop.student.engine.interface import GeneratedSoFar, Generation
from loop.student.sampling import SamplingParams
from loop.student.service import Queued, Service
from loop.student.streaming import StreamedText, stopped, unstopped
from loop.student.wire import ChatBody, standard_answer, wire_answer, wire_calls
from loop.templates import thinking
from loop.templates.parse import Parsed
from loop.templates.render import Renderer

Json = dict[str, JsonValue]
LAST: Final = 8
"""Tokens of a prompt within which a template opens thinking."""
DONE: Final = "data: [DONE]\n\n"


@dataclass(frozen=True)
class PartialAnswer:
    """What was said so far, or in all."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    finish: Literal["stop", "length"] | None = None
    """Why it ended; None while it goes on."""
    cut: bool = False
    """Whether one of the asker's own stops ended it."""
    cached: int = 0


class ChatCompletion:
    """One ask on its way to an answer."""

    def __init__(self, ask: ChatBody, renderer: Renderer, service: Service) -> None:
        """Render the prompt.

        Raises:
            ValueError: the ask cannot be read.
            LoopdError: its messages or its schemas cannot be used.
        """
        self.ask, self.renderer, self.service = ask, renderer, service
        self.request = self._request()
        self.id, self.created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        self.calls = f"call_{secrets.token_hex(8)}"

    async def whole(self, queued: Callable[[Queued], None]) -> Json:
        """Wait for the answer.

        Raises:
            Refused: it can never be served.
        """
        if self.ask.stops:
            async for heard in self._heard(queued):
                last = heard
        else:
            last = self._whole(await self.service.ask(self.request, queued))
        message = self._message(self._parsed(last), last.tokens)
        choice: Json = {"index": 0, "message": message, "finish_reason": self._finish(last)}
        return {**self._named("chat.completion"), "choices": [choice | self._scores(last)], "usage": self._usage(last)}

    async def pieces(self, queued: Callable[[Queued], None]) -> AsyncGenerator[str]:
        """Give the answer as server-sent events, each when there is something to tell.

        Raises:
            Refused: it can never be served; before the first event.
        """
        telling, scored, begun = self._telling(), 0, False
        async for heard in self._heard(queued):
            if not begun:
                begun = True
                yield self._event({"role": "assistant", "content": ""})
            if heard.finish is None:
                if added := telling.more(unstopped(heard.text, self.ask.stops)):
                    yield self._event({"content": added}, scores=self._scores(heard, scored))
                    scored = len(heard.tokens)
                continue
            parsed = self._parsed(heard)
            for delta in self._deltas(telling, heard, parsed):
                yield self._event(delta)
            yield self._event({}, finish=self._finish(heard, parsed), scores=self._scores(heard, scored))
            if self.ask.stream_options.include_usage:
                yield _event({**self._named("chat.completion.chunk"), "choices": [], "usage": self._usage(heard)})
        yield DONE

    async def _heard(self, queued: Callable[[Queued], None]) -> AsyncGenerator[PartialAnswer]:
        following = self.service.follow(self.request, queued)
        try:
            async for said in following:
                heard = self._whole(said) if isinstance(said, Generation) else self._so_far(said)
                if (cut := stopped(heard.text, self.ask.stops)) is not None:
                    yield PartialAnswer(heard.tokens, heard.logprobs, cut, "stop", cut=True, cached=heard.cached)
                    return
                yield heard
        finally:
            await following.aclose()

    def _so_far(self, said: GeneratedSoFar) -> PartialAnswer:
        return PartialAnswer(said.tokens, said.logprobs, self.renderer.text(said.tokens))

    def _whole(self, answer: Generation) -> PartialAnswer:
        text = self.renderer.text(answer.tokens)
        return PartialAnswer(answer.tokens, answer.logprobs or (), text, answer.finish, cached=answer.cached)

    def _telling(self) -> StreamedText:
        alone = bool(self.request.held and self.request.held.text_alone)
        tags = thinking.TAGS.findall(self.renderer.text(self.request.tokens[-LAST:]))
        return StreamedText(
            text_alone=alone, data=not self.ask.tools, thinking=bool(tags) and not thinking.closes(tags[-1])
        )

    def _parsed(self, heard: PartialAnswer) -> Parsed:
        catalogue, alone = self.ask.catalogue, bool(self.request.held and self.request.held.text_alone)
        parsed = (
            self.renderer.template.read(heard.text, catalogue)
            if heard.cut
            else self.renderer.read(heard.tokens, catalogue)
        )
        strange = parsed.fault or (self.ask.standard and parsed.calls and not self.ask.tools)
        if (alone and not parsed.fault) or (strange and self.ask.standard):
            return Parsed(content=heard.text, fault=parsed.fault)
        return parsed

    def _deltas(self, telling: StreamedText, heard: PartialAnswer, parsed: Parsed) -> Iterator[Json]:
        """Spell what is still to be told when the message is done: thinking, text, and each call in two pieces."""
        if parsed.reasoning:
            yield {"reasoning_content": parsed.reasoning}
        if rest := telling.rest(parsed.content, heard.text):
            yield {"content": rest}
        for index, (call, spelled) in enumerate(zip(parsed.calls, self._calls(parsed), strict=True)):
            function: Json = {"name": call.name, "arguments": ""}
            yield {"tool_calls": [{"index": index, "id": spelled["id"], "type": "function", "function": function}]}
            yield {"tool_calls": [{"index": index, "function": {"arguments": spelled["function"]["arguments"]}}]}

    def _message(self, parsed: Parsed, tokens: tuple[int, ...]) -> Json:
        return standard_answer(parsed, self._calls(parsed)) if self.ask.standard else wire_answer(parsed, tokens)

    def _calls(self, parsed: Parsed) -> list[Any]:
        return wire_calls(parsed.calls, self.calls)

    def _finish(self, heard: PartialAnswer, parsed: Parsed | None = None) -> str:
        return "tool_calls" if (parsed or self._parsed(heard)).calls else str(heard.finish)

    def _scores(self, heard: PartialAnswer, first: int = 0) -> Json:
        """Spell the log-probabilities of the tokens from `first` on, where they were asked for."""
        if not self.ask.logprobs:
            return {"logprobs": None}
        scores: list[JsonValue] = [*heard.logprobs[first:]]
        if not self.ask.standard:
            return {"logprobs": {"token_logprobs": scores} if scores else None}
        scored = zip(heard.tokens[first:], heard.logprobs[first:], strict=True)
        return {"logprobs": {"content": [self._score(*token) for token in scored], "refusal": None}}

    def _score(self, token: int, logprob: float) -> Json:
        text = str(self.renderer.tokenizer.decode([token], skip_special_tokens=False))
        known: JsonValue = None if "\ufffd" in text else [*text.encode()]
        return {"token": text, "logprob": logprob, "bytes": known, "top_logprobs": []}

    def _usage(self, heard: PartialAnswer) -> Json:
        read, said = len(self.request.tokens), len(heard.tokens)
        cached: Json = (
            {"prompt_tokens_details": {"cached_tokens": heard.cached}}
            if self.ask.standard
            else {"cached_tokens": heard.cached}
        )
        return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said, **cached}

    def _named(self, kind: str) -> Json:
        fields: Json = {"system_fingerprint": self.ask.fingerprint} if self.ask.fingerprint else {}
        return {"id": self.id, "object": kind, "created": self.created, "model": self.ask.model, **fields}

    def _event(self, delta: Json, finish: str | None = None, scores: Json | None = None) -> str:
        choice: Json = {"index": 0, "delta": delta, "finish_reason": finish, **(scores or {"logprobs": None})}
        usage: Json = {"usage": None} if self.ask.stream_options.include_usage else {}
        return _event({**self._named("chat.completion.chunk"), "choices": [choice], **usage})

    def _request(self) -> TokenRequest:
        ask = self.ask
        messages = [message.message() for message in ask.messages]
        held, prompt = ask.held, self.renderer.prompt(messages, ask.catalogue)
        room = self.service.ready.result().context - len(prompt)
        return TokenRequest(
            tokens=prompt,
            prefix=self.renderer.prefix(messages, ask.catalogue),
            max_tokens=max(1, min(ask.max_tokens, room)) if ask.standard else ask.max_tokens,
            sampling=SamplingParams(temperature=ask.temperature, top_p=ask.top_p, seed=ask.seed, logprobs=ask.logprobs),
            ends=(self.renderer.end,),
            adapter=ask.adapter,
            held=held and held.model_copy(update={"offered": self.renderer.template.held(held.offered)}),
        )


def _event(chunk: Json) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
