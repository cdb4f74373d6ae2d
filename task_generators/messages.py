"""Tasks on the message system: ids of people, new contacts and receivers come from results."""

from typing import Final

from task_generators.families.messages.contact import CONTACT
from task_generators.families.messages.inbox import INBOX
from task_generators.families.messages.login import LOGIN
from task_generators.families.messages.search import SEARCH
from task_generators.families.messages.send import SEND, UNDO
from task_generators.families.messages.story import BACKEND, MessageStory
from task_generators.writing.generator import Generator
from task_generators.writing.story import Family

__all__ = ["Messages"]

TOOLS: Final = (
    "get_user_id",
    "send_message",
    "delete_message",
    "add_contact",
    "search_messages",
    "view_messages_sent",
    "list_users",
    "message_login",
)


class Messages(Generator):
    """Tasks on MessageAPI: user ids come from results."""

    @property
    def name(self) -> str:
        """The module's name."""
        return "messages"

    @property
    def backends(self) -> tuple[str, ...]:
        """The message system alone."""
        return (BACKEND,)

    @property
    def some(self) -> tuple[str, ...]:
        """The tools that the families need."""
        return TOOLS

    @property
    def families(self) -> tuple[Family[MessageStory], ...]:
        """The kinds of task."""
        return SEND, UNDO, CONTACT, LOGIN, SEARCH, INBOX
