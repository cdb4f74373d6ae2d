"""A committee: several teachers propose the same next message, and whoever asked picks by filters of their own."""

from collections.abc import Iterable, Sequence

from loop.errors import ProviderError
from loop.types import Catalogue, Failure, Message, Record, Usage
from teachers.base.teacher import Teacher
from teachers.judging.asking import asked


class ProposedMessage(Record):
    """What one teacher would say next."""

    teacher: str
    """Its name in the store."""
    message: Message | None = None
    failure: Failure | None = None
    """Why it proposed nothing."""
    usage: Usage = Usage()


def propose(teacher: Teacher, conversation: Sequence[Message], catalogue: Catalogue) -> Message:
    """Have a teacher say what the assistant should say next: calls that fit the catalogue, or a closing message.

    Raises:
        ConfigError: the teacher asks nobody.
        ProviderError: there is no answer.
    """
    return asked(teacher, conversation, catalogue).message


def proposals(
    teachers: Iterable[Teacher], conversation: Sequence[Message], catalogue: Catalogue
) -> tuple[ProposedMessage, ...]:
    """Ask every member; one that gives no answer is told as such and holds nobody up.

    Raises:
        ConfigError: a member asks nobody.
    """
    return tuple(_proposal(teacher, conversation, catalogue) for teacher in teachers)


def _proposal(teacher: Teacher, conversation: Sequence[Message], catalogue: Catalogue) -> ProposedMessage:
    try:
        reply = asked(teacher, conversation, catalogue)
    except ProviderError as error:
        failure = Failure(kind=error.kind, message=str(error), retry_at=error.retry_at)
        return ProposedMessage(teacher=teacher.name, failure=failure)
    return ProposedMessage(teacher=teacher.name, message=reply.message, usage=reply.usage)
