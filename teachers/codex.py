"""The Codex teacher: the operator's own Codex client, stripped of every tool, asked one step at a time."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from loop.types import Chat, Task, Usage
from teachers.base.finding import ProbeFinding
from teachers.base.teacher import Teacher, estimated_play
from teachers.budget.limits import Window
from teachers.codex_client.binary import INHERITED
from teachers.codex_client.chats import AppServerChat, ExecChat
from teachers.codex_client.config import Provider
from teachers.codex_client.home import Home, prepare, tokens_in
from teachers.codex_client.quota import read_windows
from teachers.provider.address import BaseUrl
from teachers.provider.retry import Patience

__all__ = ["Codex"]

BASE_TOKENS = 4_000
ANSWER_TOKENS = 600


class Codex(Teacher):
    """Asks a frontier model through `codex`, on a subscription or with an API key.

    The client runs in a private home with a bare environment, is offered no tool, and ends with its step. A personal
    subscription has terms of its own: see docs/teachers.md before automating one.
    """

    model: str = "gpt-6.1-sol"
    effort: Literal["minimal", "low", "medium", "high", "xhigh"] = "low"
    transport: Literal["exec", "app-server"] = "exec"
    """`exec`: one process a step. `app-server`: one a play, with typed failures and exact quota resets."""
    native_tools: bool = False
    """With the app-server: give the model the play's tools as functions instead of asking for JSON."""
    binary: str = "codex"
    """Name or path of the client."""
    base_url: BaseUrl = "https://chatgpt.com/backend-api/codex"
    key_env: str | None = None
    """Variable that holds an API key; None: the subscription that `codex login` set up."""
    auth_file: str = "~/.codex/auth.json"
    """The subscription's credential. It is linked, never copied."""
    account_url: BaseUrl | None = None
    """Where the subscription's limits are asked for, if not at the client's default."""
    home: str | None = None
    """Where the private homes lie; None: with loopd's data."""
    compress: bool = True
    """Compress requests. The loopback fake reads them, so tests do not."""
    step_s: float = Field(default=180.0, gt=0, le=86_400)
    """Wall clock of one step, in seconds; use 600 with high effort."""
    idle_s: int = Field(default=120, ge=1, le=86_400)
    """Longest silence within an answer, in seconds."""
    patience: Patience = Patience()

    aside: ClassVar[frozenset[str]] = frozenset(
        ["binary", "key_env", "auth_file", "account_url", "home", "compress", "step_s", "idle_s", "patience"]
    )

    @property
    def name(self) -> str:
        """The name in the store."""
        return f"codex-{self.model}"

    @property
    def credential(self) -> str:
        """The subscription or the key."""
        return f"codex:{self.key_env or Path(self.auth_file).expanduser()}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The key, and the way to the network."""
        return (*((self.key_env,) if self.key_env else ()), *INHERITED)

    def open(self, task: Task, seed: int) -> Chat:
        """Begin a conversation.

        Raises:
            ProviderError: the client is not installed, too old, or not logged in.
        """
        del task, seed
        return self.chat(self.prepared(os.environ))

    def chat(self, home: Home) -> Chat:
        """Begin a conversation with a prepared client."""
        if self.transport == "exec":
            return ExecChat(home, self.step_s, self.patience)
        return AppServerChat(home, self.step_s, self.patience, self.native_tools)

    def prepared(self, environ: Mapping[str, str]) -> Home:
        """Make or find the private home."""
        return prepare(
            binary=self.binary,
            model=self.model,
            effort=self.effort,
            provider=self._provider(),
            auth_file=self.auth_file,
            environ=environ,
            base=Path(self.home).expanduser() if self.home else None,
        )

    def _provider(self) -> Provider:
        return Provider(
            base_url=self.base_url,
            key_env=self.key_env,
            account_url=self.account_url,
            compress=self.compress,
            idle_s=self.idle_s,
        )

    def estimate(self, task: Task) -> Usage:
        """Foresee a play at its worst; a subscription has no price per token."""
        return estimated_play(task, base_tokens=BASE_TOKENS, answer_tokens=ANSWER_TOKENS)

    def secrets(self) -> tuple[str, ...]:
        """Read the API key, or the subscription's tokens."""
        if self.key_env:
            return tuple(filter(None, [os.environ.get(self.key_env)]))
        return tokens_in(Path(self.auth_file).expanduser())

    def windows(self) -> tuple[Window, ...]:
        """Ask how much of the subscription is used. Empty with an API key."""
        return () if self.key_env else read_windows(self.prepared(os.environ))

    def check(self) -> tuple[ProbeFinding, ...]:
        """Run the operator's client against a loopback fake: no tools, strict schema, refused calls, quick ends."""
        from teachers.codex_client.examination import examine  # noqa: PLC0415 - plays need no fakes

        return examine(self, os.environ)
