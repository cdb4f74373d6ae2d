"""Candidates without training: another system prompt, another precision. The same gates judge them."""

from pathlib import Path
from typing import Final

from loop.errors import ConfigError, nearest
from loop.types import Policy, Precision, Record

PLAN_THEN_ACT: Final = (
    "Before the first call, plan the whole sequence of calls that the request needs. "
    "Then act one step at a time: make one call, read its result, and use what it says in the next one. "
    "Never repeat a call that has succeeded. "
    "When everything that was asked is done, stop: answer without a call."
)
PROMPTS: Final = {"plan-then-act": PLAN_THEN_ACT}
"""System prompts by name. They are put behind what the policy's own says."""
LONGEST: Final = 64_000
"""Characters of a system prompt."""


class Proposal(Record):
    """What to change of a policy; what is None stays."""

    prompt: str | None = None
    """Name of one of `PROMPTS`, put behind the policy's own system prompt."""
    system: str | None = None
    """The text of a whole new system prompt."""
    precision: Precision | None = None

    def applied(self, policy: Policy) -> Policy:
        """Give the changed policy, a child of the one it came from; of a routed set its champion is changed.

        Raises:
            ConfigError: there is no such prompt, it is too long, or nothing changes.
        """
        changed = policy.alone.model_copy(
            update={
                "system": self.system_for(policy),
                "precision": self.precision or policy.precision,
                "parent": policy.id,
            }
        )
        if changed.id == policy.alone.id:
            raise ConfigError(f"Nothing of {policy.id[:12]} would change. Give --system, --prompt or --precision.")
        return changed

    def system_for(self, policy: Policy) -> str:
        """Give the system prompt that the changed policy would have.

        Raises:
            ConfigError: there is no such prompt, or it is too long.
        """
        system = policy.system if self.system is None else self.system
        system = system if self.prompt is None else _behind(system, self.prompt)
        if len(system) > LONGEST:
            raise ConfigError(f"The system prompt has {len(system)} characters; at most {LONGEST} are allowed.")
        return system


def _behind(system: str, name: str) -> str:
    if name not in PROMPTS:
        raise ConfigError(f"There is no prompt '{name}'.{nearest(name, list(PROMPTS))}")
    text = PROMPTS[name]
    return system if text in system else "\n".join(part for part in (system, text) if part)


def read_system(path: Path) -> str:
    """Read a system prompt from a file of UTF-8 text.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text: {error}") from error
