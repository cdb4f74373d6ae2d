"""Talk to a player by hand, with tools that work: what `loopd model chat` does."""

from collections.abc import Callable, Iterable

from loop.rollout.play import Transcript, take_turn
from loop.types import OFFICIAL, Catalogue, Chat, Message, Rule, World


def talk(  # noqa: PLR0913 - a player, its world, and the two ends of a terminal
    chat: Chat,
    world: World,
    catalogue: Catalogue,
    lines: Iterable[str],
    show: Callable[[Message], None],
    *,
    system: str = "",
    rule: Rule = OFFICIAL,
) -> Transcript:
    """Send each line to the player, run its calls in the world, and show every message as soon as its turn is done.

    Args:
        chat: the player's conversation.
        world: where its calls are run.
        catalogue: the tools on offer.
        lines: what the person types.
        show: gets every message that is not the person's own.
        system: the system prompt.
        rule: how long a turn may go on.

    Raises:
        ProviderError: the player gave no answer.
    """
    into = Transcript()
    if system:
        into.messages.append(Message(role="system", content=system))
    for line in lines:
        into.messages.append(Message(role="user", content=line))
        first = len(into.messages)
        take_turn(chat, world, catalogue, rule, into)
        for message in into.messages[first:]:
            show(message)
    return into
