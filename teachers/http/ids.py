"""Ids of tool calls: every call of a conversation has one of its own, so that each result names its call."""

from collections.abc import Sequence
from typing import Any, Final

from loop.canonical import digest

LONGEST: Final = 40
"""Characters of an id; OpenAI takes no more."""
OWN: Final = 9
"""Characters of ours: Mistral wants exactly nine letters and digits."""


def own_id(index: int, number: int) -> str:
    """Make the id of a message's call, the same whenever it is asked for."""
    return digest([index, number])[:OWN]


def with_ids(requests: Sequence[Any], index: int, used: set[str]) -> list[Any]:
    """Give an id to calls whose server forgot it, and another to those whose id is taken.

    Args:
        requests: a message's calls as the server gave them.
        index: the message's place in the conversation.
        used: ids of earlier calls; these calls' are added.
    """
    numbered = []
    for number, request in enumerate(requests):
        if not isinstance(request, dict):
            numbered.append(request)
            continue
        given = request.get("id")
        usable = isinstance(given, str) and given.strip() and len(given) <= LONGEST and given not in used
        name = str(given) if usable else own_id(index, number)
        used.add(name)
        numbered.append({**request, "id": name})
    return numbered
