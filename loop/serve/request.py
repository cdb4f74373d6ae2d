"""What a client of OpenAI's chat completions may ask for, and how it is given to the student's server.

What would change the answer and cannot be had is refused by name. What changes nothing here is taken: see `HARMLESS`.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from loop.canonical import NotJson, parse
from loop.routing.topics import Example
from loop.serve.errors import Refusal, unsupported
from loop.types.record import first_fault

Json = dict[str, Any]
HARMLESS: Final = frozenset(
    {"user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
)
"""Parameters that say something about the asker or the bill, and nothing about the answer."""
NEUTRAL: Final[Mapping[str, tuple[JsonValue, ...]]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "top_logprobs": (0,),
    "top_k": (0, -1),
    "min_p": (0,),
    "store": (False,),
    "modalities": (["text"],),
    "functions": ([],),
    "function_call": ("none",),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}
"""Parameters that are known and not offered, with the values that ask for nothing."""
MOST_STOPS: Final = 16
LONGEST_STOP: Final = 256


class _RequestPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(_RequestPart):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatFunction(_RequestPart):
    """A call's function, its arguments as JSON text."""

    name: str = Field(min_length=1)
    arguments: str = "{}"


class ChatCall(_RequestPart):
    """A call of an earlier answer."""

    id: str = Field(min_length=1)
    type: Literal["function"] = "function"
    function: ChatFunction


class ChatMessage(_RequestPart):
    """A message. What an answer of ours or of others holds besides may be sent back; it is not read."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[TextPart, ...] | None = None
    tool_calls: tuple[ChatCall, ...] | None = None
    tool_call_id: str | None = None
    function_call: None = None
    audio: None = None

    @property
    def text(self) -> str:
        """Its words."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(part.text for part in self.content)


class FunctionSchema(_RequestPart):
    """A function on offer."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class ChatTool(_RequestPart):
    """A tool on offer."""

    type: Literal["function"]
    function: FunctionSchema


class FunctionName(_RequestPart):
    """A function by its name."""

    name: str


class ToolChoice(_RequestPart):
    """The one function that has to be called."""

    type: Literal["function"]
    function: FunctionName


class NamedSchema(_RequestPart):
    """A schema by its name."""

    name: str = ""
    schema_: dict[str, JsonValue] = Field(alias="schema")


class ResponseFormat(_RequestPart):
    """Any text, any JSON object, or JSON that fits a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None


class StreamOptions(_RequestPart):
    """What a stream holds besides."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None


class ChatRequest(_RequestPart):
    """A request for a chat completion."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str = "loopd"
    messages: tuple[ChatMessage, ...] = Field(min_length=1)
    tools: tuple[ChatTool, ...] | None = None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    max_tokens: int | None = Field(
        default=None, ge=1, validation_alias=AliasChoices("max_completion_tokens", "max_tokens")
    )
    stop: str | tuple[str, ...] | None = None
    logprobs: bool | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def example(self) -> Example:
        """What a router looks at: the tools on offer, and what the user says first.

        So a conversation stays with who began it, and keeps its prefix in memory.
        """
        said = next((message.text for message in self.messages if message.role == "user"), "")
        return Example(tools=tuple(tool.function.name for tool in self.tools or ()), text=said)


def parse_request(body: bytes) -> ChatRequest:
    """Read a request.

    Raises:
        Refusal: it is none, or asks for what is not offered; names the part at fault.
    """
    return chat_request(_supported(json_object(body)))


def json_object(body: bytes) -> Json:
    """Read a request's body.

    Raises:
        Refusal: it is no JSON object.
    """
    try:
        document = parse(body)
    except NotJson as error:
        raise Refusal(400, f"The body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refusal(400, "The body is not a JSON object.")
    return document


def chat_request(document: Json) -> ChatRequest:
    """Build a request from its parts.

    Raises:
        Refusal: a part is not what it must be, or two contradict each other.
    """
    request = _validated(document)
    _check(request)
    return request


def _supported(document: Json) -> Json:
    """Leave out what changes nothing; refuse what would and is not offered."""
    left: Json = {}
    for name, value in document.items():
        if value is None or name in HARMLESS:
            continue
        if name in NEUTRAL:
            if value not in NEUTRAL[name]:
                raise unsupported(name, "is not supported here; leave it out.")
            continue
        if name not in KNOWN:
            raise Refusal(400, f"There is no parameter '{name[:80]}'.", code="unknown_parameter", param=name[:80])
        left[name] = value
    return left


KNOWN: Final = frozenset({*ChatRequest.model_fields, "max_completion_tokens"})


def _validated(document: Json) -> ChatRequest:
    try:
        return ChatRequest.model_validate(document)
    except ValidationError as error:
        fault = first_fault(error)
        raise Refusal(400, f"{fault.place}: {fault.says}, not {fault.given}.", param=fault.place) from error


def _check(request: ChatRequest) -> None:
    """Refuse what no schema says.

    Raises:
        Refusal: the parts contradict each other.
    """
    names = [tool.function.name for tool in request.tools or ()]
    if len(set(names)) < len(names):
        raise Refusal(400, "tools: two functions have the same name.", param="tools")
    if isinstance(request.tool_choice, ToolChoice) and request.tool_choice.function.name not in names:
        name = request.tool_choice.function.name
        raise Refusal(400, f"tool_choice: there is no function '{name}' in tools.", param="tool_choice")
    if request.tool_choice == "required" and not names:
        raise Refusal(400, "tool_choice: a call is required, and there are no tools.", param="tool_choice")
    if (wanted := request.response_format) and wanted.type == "json_schema" and not wanted.json_schema:
        raise Refusal(400, "response_format: a json_schema is missing.", param="response_format")
    stops = (request.stop,) if isinstance(request.stop, str) else request.stop or ()
    if len(stops) > MOST_STOPS or any(not 0 < len(stop) <= LONGEST_STOP for stop in stops):
        raise Refusal(400, f"stop: {MOST_STOPS} texts of 1 to {LONGEST_STOP} characters at most.", param="stop")
    if request.stream_options and not request.stream:
        raise Refusal(400, "stream_options: only a streamed answer has them.", param="stream_options")


def student_body(request: ChatRequest, *, system: str, fingerprint: str, max_tokens: int) -> Json:
    """Spell a request for the student's server.

    Args:
        request: what the client asks for.
        system: the policy's own system prompt; the client's comes behind it.
        fingerprint: what names the policy in the answer.
        max_tokens: tokens of the answer at most, where the client does not say.

    Raises:
        Refusal: results do not belong to the calls before them.
    """
    tools = request.tools or ()
    strict = any(tool.function.strict for tool in tools)
    body = request.model_dump(mode="json", exclude_none=True, by_alias=True, include=SAME)
    seed = request.seed if request.seed is not None else secrets.randbits(62)
    return {
        **body,
        "messages": list(_messages(request.messages, system)),
        "tools": [{"type": "function", "function": _function(tool.function)} for tool in tools],
        "seed": seed,
        "max_tokens": request.max_tokens or max_tokens,
        "stream": bool(request.stream),
        "standard": True,
        "fingerprint": fingerprint,
        **({"constrained": True} if strict else {}),
    }


SAME: Final = {
    *("model", "tool_choice", "parallel_tool_calls", "temperature", "top_p", "stop", "logprobs"),
    *("response_format", "stream_options"),
}


def _function(function: FunctionSchema) -> Json:
    parameters = function.parameters or {"type": "object", "properties": {}}
    return {"name": function.name, "description": function.description or "", "parameters": parameters}


def _messages(messages: Sequence[ChatMessage], system: str) -> list[Json]:
    """Give the conversation as the student reads it: one system prompt first, results in the order of their calls."""
    count = next((index for index, message in enumerate(messages) if message.role not in SYSTEM), len(messages))
    prompt = "\n\n".join(filter(None, [system, *(message.text for message in messages[:count])]))
    written: list[Json] = [{"role": "system", "content": prompt}] if prompt else []
    open_calls: dict[str, str] = {}
    results: dict[str, Json] = {}
    for index, message in enumerate(messages[count:], count):
        if message.role == "tool":
            name = open_calls.get(message.tool_call_id or "")
            if name is None or message.tool_call_id in results:
                raise _stray(index, f"no call before it has the id '{message.tool_call_id}'")
            answer = {"role": "tool", "content": message.text, "name": name, "tool_call_id": message.tool_call_id}
            results[str(message.tool_call_id)] = answer
            if len(results) == len(open_calls):
                written += [results[call] for call in open_calls]
                open_calls, results = {}, {}
            continue
        if open_calls:
            missing = next(call for call in open_calls if call not in results)
            raise _stray(index, f"the call '{missing}' has no result before it")
        written.append(_message(message))
        open_calls = {call.id: call.function.name for call in message.tool_calls or ()}
    if open_calls:
        raise _stray(len(messages) - 1, "a call before its end has no result")
    return written


SYSTEM: Final = frozenset({"system", "developer"})


def _message(message: ChatMessage) -> Json:
    role = "system" if message.role in SYSTEM else message.role
    calls = [call.model_dump(mode="json") for call in message.tool_calls or ()]
    return {"role": role, "content": message.text, **({"tool_calls": calls} if calls else {})}


def _stray(index: int, why: str) -> Refusal:
    return Refusal(400, f"messages.{index}: {why}.", param=f"messages.{index}")
