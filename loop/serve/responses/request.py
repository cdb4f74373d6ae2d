"""What a client of OpenAI's Responses may ask for, as a request for a chat completion.

Nothing of an answer is kept: a conversation goes on with all of its items in `input`. What would change the answer and
cannot be had is refused by name, as for chat completions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from loop.serve.errors import Refusal, unsupported
from loop.serve.request import HARMLESS, ChatRequest, FunctionName, chat_request, json_object
from loop.types.record import first_fault

Json = dict[str, Any]
NEUTRAL: Final[Mapping[str, tuple[JsonValue, ...]]] = {
    "background": (False,),
    "include": ([],),
    "store": (False,),
    "top_logprobs": (0,),
    "truncation": ("disabled",),
    "stream_options": ({}, {"include_obfuscation": False}),
    "reasoning": ({}, {"effort": "none"}),
    "max_tool_calls": (),
    "conversation": (),
    "prompt": (),
    "context_management": (),
}
"""Parameters that are known and not offered, with the values that ask for nothing."""
TEXTS: Final = ("input_text", "output_text", "text")


class _RequestPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Text(_RequestPart):
    """A piece of a message."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class _Item(_RequestPart):
    @property
    def chat(self) -> Json:
        """The item as a chat message, which may have to be joined to the one before."""
        return {}


class InputMessage(_Item):
    """Something that was said."""

    type: Literal["message"]
    role: Literal["system", "developer", "user", "assistant"]
    content: str | tuple[Text, ...]

    @property
    def chat(self) -> Json:
        """The message."""
        return {"role": self.role, "content": _joined(self.content)}


class FunctionCall(_Item):
    """A call of an earlier answer."""

    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: str = "{}"

    @property
    def chat(self) -> Json:
        """A message with this call alone."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"role": "assistant", "tool_calls": [{"id": self.call_id, "type": "function", "function": function}]}


class FunctionOutput(_Item):
    """What a call gave."""

    type: Literal["function_call_output"]
    call_id: str = Field(min_length=1)
    output: str | tuple[Text, ...]

    @property
    def chat(self) -> Json:
        """The result."""
        return {"role": "tool", "tool_call_id": self.call_id, "content": _joined(self.output)}


class Reasoning(_Item):
    """What was thought before an earlier answer; no model reads it again."""

    type: Literal["reasoning"]


def _typed(item: object) -> object:
    return {"type": "message", **item} if isinstance(item, dict) and "role" in item else item


Item = Annotated[
    Annotated[InputMessage | FunctionCall | FunctionOutput | Reasoning, Field(discriminator="type")],
    BeforeValidator(_typed),
]


class Function(_RequestPart):
    """A function on offer."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None

    @property
    def chat(self) -> Json:
        """The same on offer for a chat completion."""
        return {"type": "function", "function": self.model_dump(exclude={"type"})}


class RequiredFunction(FunctionName):
    """The one function that has to be called."""

    type: Literal["function"]


class TextFormat(_RequestPart):
    """Any text, any JSON object, or JSON that fits a schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")


class TextSettings(_RequestPart):
    """What the text is like."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: TextFormat | None = None


class ResponseRequest(_RequestPart):
    """A request for a response."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = "loopd"
    input: str | tuple[Item, ...] = Field(min_length=1)
    instructions: str | None = None
    tools: tuple[Function, ...] = ()
    tool_choice: Literal["auto", "none", "required"] | RequiredFunction | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    text: TextSettings = TextSettings()
    stream: bool | None = None

    @property
    def chat(self) -> ChatRequest:
        """The same as a request for a chat completion.

        Raises:
            Refusal: its parts contradict each other.
        """
        body: Json = {
            "model": self.model,
            "messages": list(self._messages()),
            "tools": [tool.chat for tool in self.tools] or None,
            "tool_choice": self._choice(),
            "parallel_tool_calls": self.parallel_tool_calls,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_completion_tokens": self.max_output_tokens,
            "response_format": self._format(),
            "stream": self.stream,
            "stream_options": {"include_usage": True} if self.stream else None,
        }
        return chat_request({name: value for name, value in body.items() if value is not None})

    def _choice(self) -> Json | str | None:
        if isinstance(self.tool_choice, RequiredFunction):
            return {"type": "function", "function": {"name": self.tool_choice.name}}
        return self.tool_choice

    def _format(self) -> Json | None:
        wanted = self.text.format
        if wanted is None or wanted.schema_ is None:
            return {"type": wanted.type} if wanted else None
        return {"type": wanted.type, "json_schema": {"name": wanted.name, "schema": wanted.schema_}}

    def _messages(self) -> Iterator[Json]:
        """Give the items as messages: what an answer said and all of its calls are one."""
        if self.instructions:
            yield {"role": "system", "content": self.instructions}
        if isinstance(self.input, str):
            yield {"role": "user", "content": self.input}
            return
        yield from _merged([item.chat for item in self.input if item.chat])


def _merged(messages: Sequence[Json]) -> Iterator[Json]:
    last: Json = {}
    for message in messages:
        if "tool_calls" in message and last.get("role") == "assistant":
            last["tool_calls"] = [*last.get("tool_calls", []), *message["tool_calls"]]
            continue
        if last:
            yield last
        last = dict(message)
    if last:
        yield last


def _joined(content: str | tuple[Text, ...]) -> str:
    return content if isinstance(content, str) else "".join(item.text for item in content)


def parse_request(body: bytes) -> ResponseRequest:
    """Read a request.

    Raises:
        Refusal: it is none, or asks for what is not offered; names the part at fault.
    """
    document = json_object(body)
    try:
        return ResponseRequest.model_validate(dict(_supported(document)))
    except ValidationError as error:
        fault = first_fault(error)
        raise Refusal(400, f"{fault.place}: {fault.says}, not {fault.given}.", param=fault.place) from error


def _supported(document: Json) -> Iterator[tuple[str, JsonValue]]:
    """Leave out what changes nothing; refuse what would and is not offered."""
    for name, value in document.items():
        if value is None or name in HARMLESS:
            continue
        if name == "previous_response_id":
            raise unsupported(name, "no answer is kept here; send the whole conversation in 'input'.")
        if name in NEUTRAL:
            if value not in NEUTRAL[name]:
                raise unsupported(name, "is not supported here; leave it out.")
            continue
        if name not in ResponseRequest.model_fields:
            raise Refusal(400, f"There is no parameter '{name[:80]}'.", code="unknown_parameter", param=name[:80])
        if name == "text" and isinstance(value, dict) and value.get("verbosity") in (None, "medium"):
            value = {part: item for part, item in value.items() if part != "verbosity"}  # noqa: PLW2901 - as it counts
        yield name, value
