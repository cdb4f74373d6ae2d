"""A teacher behind any OpenAI-shaped endpoint: vLLM, mlx_lm.server, a gateway, another Mac."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, JsonValue, SecretStr

from loop.types import Chat, Task, Usage
from teachers.base.finding import ProbeFinding
from teachers.base.teacher import Teacher, estimated_play
from teachers.budget.prices import Price, price_of
from teachers.provider import address, keys
from teachers.provider.address import BaseUrl
from teachers.provider.retry import Patience

__all__ = ["OpenAICompatible"]

BASE_TOKENS = 4_000


class OpenAICompatible(Teacher):
    """Asks a chat-completions server (https://platform.openai.com/docs/api-reference/chat)."""

    base_url: BaseUrl
    """With its `/v1`, where the server has one."""
    model: str
    key_file: str | None = None
    """File with the key, of mode 600; goes before the variables."""
    key_env: str | None = None
    """Variable that holds the key; None: the server wants none."""
    key_file_env: str | None = None
    """Variable that names a file with the key."""
    max_tokens: int | None = Field(default=4096, ge=64)
    """Of one answer; None leaves it to the server."""
    step_s: float = Field(default=300.0, gt=0, le=86_400)
    """Deadline of one attempt, in seconds."""
    read_s: float = Field(default=120.0, gt=0, le=86_400)
    """Longest silence, in seconds."""
    options: Mapping[str, JsonValue] = {}
    """Further fields of the request: `temperature`, `chat_template_kwargs` and the like."""
    hand_back_reasoning: bool = False
    """Send `reasoning_content` back with tool calls, as DeepSeek's thinking mode wants it."""
    prices: Mapping[str, Price] = {}
    """By a part of the model's name; without one it is free."""
    patience: Patience = Patience()

    aside: ClassVar[frozenset[str]] = frozenset(
        ["key_file", "key_env", "key_file_env", "step_s", "read_s", "prices", "patience"]
    )

    @property
    def name(self) -> str:
        """The name in the store."""
        return self.model

    @property
    def credential(self) -> str | None:
        """The key, or the server where there is none."""
        return f"{self.base_url}:{self.key_file or self.key_file_env or self.key_env or ''}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Where the key is read from."""
        return tuple(name for name in (self.key_file_env, self.key_env) if name)

    def open(self, task: Task, seed: int) -> Chat:
        """Begin a conversation.

        Raises:
            ProviderError: a key was promised and is not there.
        """
        del task, seed
        from teachers.http.chat import CompletionsChat  # noqa: PLC0415 - the client library loads slowly
        from teachers.http.wire import NO_KEY, Wire  # noqa: PLC0415 - the client library loads slowly

        has_key = self.key_file or self.key_env or self.key_file_env
        wire = Wire(
            base_url=self.base_url,
            key=SecretStr(keys.read_key(self.key_file_env, self.key_env, self.key_file) if has_key else NO_KEY),
            model=self.model,
            step_s=self.step_s,
            read_s=self.read_s,
            max_tokens=self.max_tokens,
            options=self.options,
            hand_back_reasoning=self.hand_back_reasoning,
        )
        return CompletionsChat(wire, self.patience, self.price)

    def price(self, usage: Usage, model: str) -> float:
        """Price a usage, in US dollars."""
        price = price_of(model, self.prices)
        return price.of(usage, peak=False) if price is not None else 0.0

    def estimate(self, task: Task) -> Usage:
        """Foresee a play at its worst."""
        usage = estimated_play(task, base_tokens=BASE_TOKENS, answer_tokens=self.max_tokens or BASE_TOKENS)
        return usage.model_copy(update={"cost": self.price(usage, self.model)})

    def secrets(self) -> tuple[str, ...]:
        """Read the key."""
        return keys.readable(self.key_file_env, self.key_env, self.key_file)

    def check(self) -> tuple[ProbeFinding, ...]:
        """Look for the key, where the server wants one; asks nobody."""
        if not (self.key_file or self.key_env or self.key_file_env):
            return ()
        return *keys.examined(self.key_file_env, self.key_env, self.key_file), *address.examined(
            self.base_url, has_key=True
        )
