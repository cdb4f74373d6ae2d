"""The DeepSeek teacher: chat completions with thinking, priced by the model that answered and the hour."""

import time
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, JsonValue, SecretStr

from loop.errors import FailureKind, ProviderError
from loop.types import Chat, Task, Usage
from teachers.base.finding import ProbeFinding
from teachers.base.teacher import Teacher, estimated_play
from teachers.budget.prices import DEEPSEEK, Price, is_peak, off_peak_at, price_of
from teachers.provider import address, keys
from teachers.provider.address import BaseUrl
from teachers.provider.retry import Patience

__all__ = ["DeepSeek"]

BASE_TOKENS = 4_000


class DeepSeek(Teacher):
    """Asks DeepSeek's API (https://api-docs.deepseek.com).

    In thinking mode the API wants the reasoning of every tool-calling message handed back in all later requests; it
    travels in `Message.reasoning`, verbatim, and is shown to no other player.
    """

    model: str = "deepseek-flash"
    """`deepseek-flash` or `deepseek-v4-pro`."""
    base_url: BaseUrl = "https://api.deepseek.com"
    key_file: str | None = None
    """File with the key, of mode 600; goes before the variables."""
    key_file_env: str = "DS_KEY_FILE"
    """Variable that names a file with the key."""
    key_env: str = "DEEPSEEK_API_KEY"
    """Variable that holds the key, when there is no file."""
    thinking: bool = True
    effort: Literal["low", "high", "max"] = "high"
    max_tokens: int = Field(default=8192, ge=64)
    """Of one answer, thinking included."""
    step_s: float = Field(default=620.0, gt=0, le=86_400)
    """Deadline of one attempt, in seconds; a request may wait ten minutes for its turn."""
    patience: Patience = Patience(first_wait=2.0)
    prices: Mapping[str, Price] = Field(default_factory=lambda: dict(DEEPSEEK))
    """By a part of the model's name; a model without a price stops the teacher."""
    holidays: frozenset[str] = frozenset()
    """Chinese public holidays, `YYYY-MM-DD`: off-peak all day."""

    aside: ClassVar[frozenset[str]] = frozenset(
        ["key_file", "key_file_env", "key_env", "step_s", "patience", "prices", "holidays"]
    )

    @property
    def name(self) -> str:
        """The name in the store."""
        return self.model

    @property
    def credential(self) -> str:
        """The key, by where it is read from."""
        return f"deepseek:{self.key_file or self.key_file_env}|{self.key_env}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Where the key is read from."""
        return self.key_file_env, self.key_env

    def open(self, task: Task, seed: int) -> Chat:
        """Begin a conversation.

        Raises:
            ProviderError: there is no key.
        """
        del task, seed
        from teachers.http.chat import CompletionsChat  # noqa: PLC0415 - the client library loads slowly
        from teachers.http.wire import Wire  # noqa: PLC0415 - the client library loads slowly

        wire = Wire(
            base_url=self.base_url,
            key=SecretStr(keys.read_key(self.key_file_env, self.key_env, self.key_file)),
            model=self.model,
            step_s=self.step_s,
            max_tokens=self.max_tokens,
            options=self._options(),
            hand_back_reasoning=self.thinking,
        )
        return CompletionsChat(wire, self.patience, self.price)

    def _options(self) -> dict[str, JsonValue]:
        if not self.thinking:
            return {"thinking": {"type": "disabled"}}
        return {"thinking": {"type": "enabled"}, "reasoning_effort": self.effort}

    def price(self, usage: Usage, model: str) -> float:
        """Price a usage, in US dollars.

        Raises:
            ProviderError: FATAL, nobody knows what the model costs; a budget in money would be blind.
        """
        price = price_of(model, self.prices)
        if price is None:
            raise ProviderError(
                FailureKind.FATAL, f"The price of the model '{model}' is unknown. Add it to the teacher's 'prices'."
            )
        return price.of(usage, peak=is_peak(time.time(), self.holidays))

    def estimate(self, task: Task) -> Usage:
        """Foresee a play at its worst: nothing cached, every answer at its limit."""
        usage = estimated_play(task, base_tokens=BASE_TOKENS, answer_tokens=self.max_tokens)
        return usage.model_copy(update={"cost": self.price(usage, self.model)})

    def cheaper_at(self, now: float) -> float | None:
        """When the dear hours end."""
        return off_peak_at(now, self.holidays)

    def secrets(self) -> tuple[str, ...]:
        """Read the key."""
        return keys.readable(self.key_file_env, self.key_env, self.key_file)

    def check(self) -> tuple[ProbeFinding, ...]:
        """Look for the key; asks nobody."""
        return *keys.examined(self.key_file_env, self.key_env, self.key_file), *address.examined(
            self.base_url, has_key=True
        )
