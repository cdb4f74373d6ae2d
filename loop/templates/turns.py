"""How turns of a conversation begin and end, in the tokens that a family of models knows.

A model has seen these tokens and no others: loopd's own templates take those that its vocabulary holds. The formats
are those of ChatML (Qwen, SmolLM2 and most others), of Meta's Llama 3, Google's Gemma and IBM's Granite model cards.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tokenizers import Tokenizer

from loop.errors import ConfigError

__all__ = ["CHATML", "TurnFormat", "known", "of"]


class TurnFormat(NamedTuple):
    """A turn is `start` role `close` gap content `end` after."""

    family: str
    start: str
    """A special token."""
    end: str
    """The special token that ends a turn, an answer too."""
    close: str = ""
    """The special token behind the role, if there is one."""
    gap: str = ""
    """Text between the role and what is said."""
    after: str = ""
    """Text behind a turn."""
    opening: str = ""
    """The special token that begins a conversation, if there is one."""
    roles: Mapping[str, str] = {}
    """Roles that are called otherwise."""

    def role(self, role: str) -> str:
        """Give the family's word for a role."""
        return self.roles.get(role, role)

    @property
    def special(self) -> tuple[str, ...]:
        """All special tokens that are needed."""
        return tuple(token for token in (self.start, self.close, self.end, self.opening) if token)


CHATML: Final = TurnFormat("ChatML", "<|im_start|>", "<|im_end|>", gap="\n", after="\n")
ALL: Final = (
    CHATML,
    TurnFormat(
        "Llama 3",
        "<|start_header_id|>",
        "<|eot_id|>",
        close="<|end_header_id|>",
        gap="\n\n",
        opening="<|begin_of_text|>",
        roles={"tool": "ipython"},
    ),
    TurnFormat(
        "Gemma",
        "<start_of_turn>",
        "<end_of_turn>",
        gap="\n",
        after="\n",
        opening="<bos>",
        roles={"assistant": "model", "system": "user", "tool": "user"},
    ),
    TurnFormat("Granite", "<|start_of_role|>", "<|end_of_text|>", close="<|end_of_role|>", after="\n"),
)


def known(tokenizer: Tokenizer) -> TurnFormat | None:
    """Find the turns whose tokens a vocabulary holds; None where it holds those of none."""
    for turns in ALL:
        if all(tokenizer.token_to_id(token) is not None for token in turns.special):
            return turns
    return None


def of(tokenizer: Tokenizer) -> TurnFormat:
    """Find the turns of a model.

    Raises:
        ConfigError: its vocabulary holds the tokens of none that are known.
    """
    if (turns := known(tokenizer)) is None:
        raise ConfigError(
            f"The tokenizer has the turns of no family that loopd's own templates know ({families()}). Use "
            "template = 'native'; where that is refused too, give another model."
        )
    return turns


def families() -> str:
    """Name all families."""
    return ", ".join(turns.family for turns in ALL)
