"""The chat endpoint's JSON, both ways: OpenAI's chat completions, with token ids beside the text.

An assistant message may carry `token_ids`: what was sampled, to be used verbatim. A user message may carry `adds`,
the names of tools that became available with it.
"""

import json
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from loop.canonical import NotJson
from loop.canonical import parse as parse_json
from loop.student.grammar.answer import Held
from loop.templates.parse import MAX_CALLS, Parsed
from loop.types import Call, Catalogue, Message, Tool

MAX_TOKENS = 160


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # clients of OpenAI's send more than we read


class WireFunction(_Wire):
    """A call's function, its arguments as JSON text."""

    name: str
    arguments: str = "{}"

    def call(self) -> Call:
        """Read it.

        Raises:
            ValueError: its arguments are no JSON object.
        """
        return Call(name=self.name, arguments=_object(self.arguments))


class WireCall(_Wire):
    """A tool call of an assistant message."""

    id: str = ""
    type: Literal["function"] = "function"
    function: WireFunction


class WireMessage(_Wire):
    """One message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: tuple[WireCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    adds: tuple[str, ...] = ()
    token_ids: tuple[int, ...] | None = None

    def message(self) -> Message:
        """Read it.

        Raises:
            ValueError: a call's arguments are no JSON object.
        """
        calls = tuple(
            Call(name=call.function.name, arguments=_object(call.function.arguments)) for call in self.tool_calls
        )
        return Message(
            role=self.role,
            content=self.content or "",
            calls=calls,
            name=self.name,
            adds=self.adds,
            tokens=self.token_ids,
        )


class WireTool(_Wire):
    """One tool on offer."""

    type: Literal["function"] = "function"
    function: Tool


class WireName(_Wire):
    """A tool by its name."""

    name: str


class WireChoice(_Wire):
    """The one tool that has to be called."""

    type: Literal["function"]
    function: WireName

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.function.name


class WireSchema(_Wire):
    """A JSON Schema for an answer."""

    schema_: dict[str, JsonValue] = Field(default={}, alias="schema")


class WireFormat(_Wire):
    """What an answer without a call has to be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: WireSchema = WireSchema()

    @property
    def schema_(self) -> JsonValue:
        """The schema of the answer; None for any text."""
        if self.type == "text":
            return None
        return dict(self.json_schema.schema_) if self.type == "json_schema" else {"type": "object"}


class WireStreaming(_Wire):
    """What a streamed answer holds besides."""

    include_usage: bool = False


class ChatBody(_Wire):
    """The body of `POST /v1/chat/completions`. What would change the answer, and cannot be had, is refused."""

    model: str = ""
    messages: tuple[WireMessage, ...] = Field(min_length=1)
    tools: tuple[WireTool, ...] = ()
    temperature: float = Field(default=0.0, ge=0, le=5)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int = 0
    max_tokens: int = Field(
        default=MAX_TOKENS, ge=1, validation_alias=AliasChoices("max_tokens", "max_completion_tokens")
    )
    logprobs: bool = False
    constrained: bool = False
    """Whether calls are held to the tools on offer, token by token."""
    stream: bool = False
    stream_options: WireStreaming = WireStreaming()
    n: Literal[1] | None = None
    stop: str | tuple[str, ...] | None = None
    """Text before which the answer ends."""
    standard: bool = False
    """Whether the answer holds what OpenAI's does and no more: no token ids, nothing about how it was read."""
    fingerprint: str | None = None
    """Given back as `system_fingerprint`."""
    tool_choice: Literal["auto", "none", "required"] | WireChoice | None = None
    parallel_tool_calls: bool = True
    response_format: WireFormat | None = None
    adapter: str = ""
    """Which of the adapters beside the model answers; empty for the model as it is."""

    @property
    def catalogue(self) -> Catalogue:
        """The tools on offer."""
        return Catalogue(tools=tuple(tool.function for tool in self.tools))

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts before which the answer ends."""
        return tuple(filter(None, (self.stop,) if isinstance(self.stop, str) else self.stop or ()))

    @property
    def held(self) -> Held | None:
        """What the answer is held to; None where nothing was asked for.

        Raises:
            ValueError: a tool is chosen that is not on offer.
        """
        schema = self.response_format.schema_ if self.response_format else None
        named = self.tool_choice if isinstance(self.tool_choice, WireChoice) else None
        offered = Catalogue(tools=tuple(filter(None, [self.catalogue.find(named.name)]))) if named else self.catalogue
        if named and not offered.tools:
            raise ValueError(f"tool_choice: there is no tool '{named.name}' in tools")
        forced = self.tool_choice not in {None, "auto"} if named is None else True
        if not (self.constrained or forced or schema is not None or not self.parallel_tool_calls):
            return None
        choice = "none" if self.tool_choice == "none" else "required" if forced else "auto"
        return Held(
            offered=offered,
            choice=choice,
            schema_=schema,
            most=1 if named or not self.parallel_tool_calls else MAX_CALLS,
        )


def _object(text: str) -> dict[str, JsonValue]:
    try:
        value = parse_json(text)
    except NotJson as error:
        raise ValueError(f"a call's arguments are no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("a call's arguments are no JSON object")  # noqa: TRY004 - pydantic and callers expect ValueError
    return value


def wire_messages(messages: tuple[Message, ...]) -> list[dict[str, JsonValue]]:
    """Spell a conversation; a tool message answers the call in its place."""
    written: list[dict[str, JsonValue]] = []
    answered = 0
    for message in messages:
        answered = answered + 1 if message.role == "tool" else 0
        written.append(_message(message, answered - 1))
    return written


def _message(message: Message, answered: int) -> dict[str, JsonValue]:
    more: dict[str, JsonValue] = {}
    if message.calls:
        more["tool_calls"] = wire_calls(message.calls)
    if message.role == "tool":
        more |= {"tool_call_id": f"call_{answered}", "name": message.name}
    if message.adds:
        more["adds"] = list(message.adds)
    if message.tokens is not None:
        more["token_ids"] = list(message.tokens)
    return {"role": message.role, "content": message.content, **more}


def wire_calls(calls: tuple[Call, ...], begin: str = "call") -> list[JsonValue]:
    """Spell calls, under ids that begin so."""
    return [
        {
            "id": f"{begin}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)},
        }
        for index, call in enumerate(calls)
    ]


def wire_tools(catalogue: Catalogue) -> list[JsonValue]:
    """Spell a catalogue."""
    return [{"type": "function", "function": tool.model_dump(mode="json")} for tool in catalogue.tools]


def standard_answer(parsed: Parsed, calls: list[JsonValue]) -> dict[str, JsonValue]:
    """Spell an assistant's answer as OpenAI's API does."""
    return {
        "role": "assistant",
        "content": parsed.content or (None if calls else ""),
        **({"tool_calls": calls} if calls else {}),
        **({"reasoning_content": parsed.reasoning} if parsed.reasoning else {}),
    }


def wire_answer(parsed: Parsed, tokens: tuple[int, ...]) -> dict[str, JsonValue]:
    """Spell an assistant's answer with all that a play keeps."""
    return {
        **standard_answer(parsed, wire_calls(parsed.calls)),
        "content": parsed.content,
        "token_ids": list(tokens),
        "leniencies": list(parsed.leniencies),
        "fault": parsed.fault,
    }


class WireAnswer(WireMessage):
    """An assistant's answer as a client reads it."""

    leniencies: tuple[str, ...] = ()
    fault: str | None = None
    reasoning_content: str | None = None

    def message(self) -> Message:
        """Read it.

        Raises:
            ValueError: a call's arguments are no JSON object.
        """
        said = {"leniencies": self.leniencies, "fault": self.fault, "reasoning": self.reasoning_content}
        return super().message().model_copy(update=said)


class WireUsage(_Wire):
    """What the answer cost."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Choice(_Wire):
    """The one choice of a reply."""

    message: WireAnswer


class Completion(_Wire):
    """The reply of `POST /v1/chat/completions`."""

    choices: tuple[Choice, ...] = Field(min_length=1)
    usage: WireUsage = WireUsage()
