"""Tasks on the message system: ids of people, new contacts and receivers come from results."""

from typing import Final

from task_generators.families.messages.contact import CONTACT
from task_generators.families.messages.inbox import INBOX
from task_generators.families.messages.login import LOGIN
from task_generators.families.messages.search import SEARCH
from task_generators.families.messages.send import SEND, UNDO
from task_generators.families.messages.story import BACKEND
from task_generators.writing.generator import Domain, Generator

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

DOMAIN: Final = Domain((BACKEND,), TOOLS, (SEND, UNDO, CONTACT, LOGIN, SEARCH, INBOX))


class Messages(Generator):
    """Tasks on MessageAPI: user ids come from results."""

    domains = (DOMAIN,)
