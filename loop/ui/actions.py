"""The buttons: what the command line can do too, each confirmed, each an event.

A form carries a proof of the key, so that no other site can send it; the guard lets no foreign origin in either.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from shlex import quote
from typing import Final, Literal, Self
from urllib.parse import parse_qsl

from pydantic import Field, JsonValue

from loop.errors import UsageError
from loop.types import Record
from loop.ui.site import Site

LONGEST: Final = 4096
"""Bytes of a form."""
SAID: Final[Mapping[str, str]] = {
    "gate.pause": "Pause {gate}? Nobody is promoted while a gate is paused.",
    "gate.resume": "Resume {gate}? Candidates that waited are judged again.",
    "model.rollback": "Make policy {policy} champion again?",
    "curriculum.freeze": "Freeze {arm}? No more tasks are drawn of it, but for its backend's floor.",
    "curriculum.thaw": "Draw tasks of {arm} again?",
}
"""What is asked before each is done."""


class ActionForm(Record):
    """A button that was pressed."""

    verb: Literal["gate.pause", "gate.resume", "model.rollback", "curriculum.freeze", "curriculum.thaw"]
    gate: str = Field(default="", max_length=200)
    policy: str = Field(default="", max_length=200)
    arm: str = Field(default="", max_length=400)
    reason: str = Field(default="", max_length=500)
    back: str = Field(default="/", pattern=r"^/[a-z]*$")
    proof: str = Field(default="", max_length=200)
    sure: bool = False

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read a form as a browser sends it.

        Raises:
            UsageError: it is none.
            ValidationError: a field is not one of ours.
        """
        try:
            fields = parse_qsl(
                body[: LONGEST + 1].decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=9
            )
        except ValueError as error:
            raise UsageError("This is not a form.") from error
        if len(body) > LONGEST:
            raise UsageError("The form is too long.")
        return cls.model_validate(dict(fields))

    @property
    def question(self) -> str:
        """What is asked before it is done."""
        return SAID[self.verb].format(gate=self.gate, policy=self.policy[:12], arm=self.arm)

    @property
    def command(self) -> tuple[str, dict[str, JsonValue]]:
        """The command, with its arguments."""
        reason = self.reason or "from the dashboard"
        commands: dict[str, tuple[str, dict[str, JsonValue]]] = {
            "gate.pause": ("gate.pause", {"gate": self.gate, "reason": reason}),
            "gate.resume": ("gate.resume", {"gate": self.gate}),
            "model.rollback": ("model.rollback", {"policy": self.policy, "reason": reason}),
            "curriculum.freeze": ("curriculum.steer", {"arm": self.arm, "frozen": True}),
            "curriculum.thaw": ("curriculum.steer", {"arm": self.arm, "frozen": False}),
        }
        return commands[self.verb]

    @property
    def line(self) -> str:
        """The same on the command line."""
        return {
            "gate.pause": f"loopd gate pause {quote(self.gate)}",
            "gate.resume": f"loopd gate resume {quote(self.gate)}",
            "model.rollback": f"loopd model rollback {quote(self.policy[:12])}",
            "curriculum.freeze": f"loopd curriculum freeze {quote(self.arm)}",
            "curriculum.thaw": f"loopd curriculum freeze --off {quote(self.arm)}",
        }[self.verb]

    @property
    def fields(self) -> dict[str, str]:
        """What the confirming form sends on."""
        return {name: value for name, value in json.loads(self.model_dump_json()).items() if isinstance(value, str)}


def token(key: str) -> str:
    """Make the proof that a form of ours carries."""
    return hmac.new(key.encode(), b"form", hashlib.sha256).hexdigest()


def carried_out(site: Site, key: str, form: ActionForm) -> None:
    """Do what was asked for.

    Raises:
        UsageError: the form is not one of ours.
        LoopdError: it was refused.
    """
    if not hmac.compare_digest(form.proof.encode(), token(key).encode()):
        raise UsageError("This form is not one of ours. Open the page again.")
    site.change(*form.command)
