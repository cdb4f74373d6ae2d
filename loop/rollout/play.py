"""One play: a task, a private world, and a player that calls, reads and uses.

Student and teachers play through the same `converse`, so their trajectories have the same shape and the student is
never trained on a conversation that it could not have had.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from pydantic import JsonValue

from loop import plugins
from loop.canonical import MAX_DEPTH, canonical, clean, parse
from loop.errors import ProviderError
from loop.rollout.conversation import conversation
from loop.rollout.sessions import Session, sessions
from loop.types import (
    Call,
    Catalogue,
    Chat,
    End,
    Failure,
    Message,
    Play,
    Player,
    Referee,
    Reply,
    Result,
    Rule,
    Task,
    Trajectory,
    Usage,
    World,
)
from task_generators.backends.arguments import size
from task_generators.backends.catalogues import catalogue as catalogue_of
from task_generators.backends.worlds import SHOWN, BackendWorld, admit, open_world

log = structlog.get_logger()

MAX_SAID: Final = 4_000_000
"""Characters that a player may say in one play, calls included. It answers no more turn after that."""


@dataclass
class Transcript:
    """A conversation as it grows; what is in it stays when a provider fails half-way."""

    messages: list[Message] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    said: float = 0
    """Characters of the player's answers so far."""

    def add(self, reply: Reply) -> Message:
        """Append an answer and what it cost, as the store will hold it."""
        message = storable(reply.message)
        self.said += len(message.content) + sum(size(call.arguments, MAX_DEPTH) for call in message.calls)
        if self.said > MAX_SAID:
            message = _unread(f"the player has said more than {MAX_SAID} characters")
        self.messages.append(message)
        self.usage += reply.usage
        return message


def storable(message: Message) -> Message:
    """Clean every text of an answer and of its calls, so that the world hears what the store will hold.

    An answer that no store could hold (too long, too deep, a number that is none) is one that could not be read.
    """
    calls = tuple(Call(name=clean(call.name), arguments=_clean(dict(call.arguments))) for call in message.calls)
    texts = {name: _clean(getattr(message, name)) for name in ("content", "fault", "reasoning")}
    cleaned = message.model_copy(update={**texts, "calls": calls})
    try:
        parse(canonical(cleaned.model_dump(mode="json", exclude_defaults=True)))
    except (ValueError, RecursionError) as error:
        return _unread(f"{type(error).__name__}: {error}"[:500])
    return cleaned


def _unread(why: str) -> Message:
    return Message(role="assistant", content="", fault=f"the answer could not be kept: {why}")


def _clean(value: JsonValue) -> Any:  # noqa: ANN401 - what went in
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): _clean(inner) for name, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def play(job: Play) -> Trajectory:
    """Play what is owed. A provider's failure is returned, not raised: a trajectory that ends `FAILED`.

    Raises:
        ConfigError: the play names a player that does not exist.
    """
    player: Player = plugins.load("teachers", job.player)
    catalogue = catalogue_of(job.task.tools, job.task.backends, job.task.initial)
    transcript, began, clock = Transcript(), time.time_ns() // 1000, time.monotonic()
    end, failure = _attempt(player, job, catalogue, transcript)
    return Trajectory(
        task=job.task.id,
        player=job.player_name,
        policy=job.policy,
        sample=job.sample,
        seed=job.seed,
        rule=job.rule,
        catalogue=offered(catalogue, transcript.messages, job.task),
        messages=tuple(transcript.messages),
        end=end,
        failure=failure,
        usage=transcript.usage,
        started=began,
        seconds=time.monotonic() - clock,
    )


def _attempt(player: Player, job: Play, catalogue: Catalogue, into: Transcript) -> tuple[End, Failure | None]:
    try:
        admit(job.task.initial)
        world, doomed = open_world(job.task.backends, job.task.initial), watching(job)
        ends = [_hold(player, job, session, world, catalogue, into, doomed) for session in sessions(job.task)]
    except ProviderError as error:
        return End.FAILED, Failure(kind=error.kind, message=str(error)[:2000], retry_at=error.retry_at)
    return (End.CAP if End.CAP in ends else End.CLOSED), None


def _hold(  # noqa: PLR0913 - a conversation, and what goes on from one to the next
    player: Player,
    job: Play,
    session: Session,
    world: BackendWorld,
    catalogue: Catalogue,
    into: Transcript,
    doomed: "Doomed",
) -> End:
    """Hold one conversation. The player hears nothing of the ones before it; they stay in `into`."""
    here = world.fork() if session.aside else world
    instruction = session.instruction.replace(SHOWN, here.shown())
    heard, before = Transcript(said=into.said), tuple(into.messages)
    try:
        with conversation(player, session.task, job.seed) as chat:
            return converse(
                chat,
                session.task,
                here,
                catalogue,
                rule=job.rule,
                system="\n\n".join(filter(None, (job.system, instruction))),
                into=heard,
                doomed=lambda messages: doomed((*before, *messages)),
            )
    finally:
        into.messages += heard.messages
        into.usage += heard.usage
        into.said = heard.said


Doomed = Callable[[Sequence[Message]], bool]
"""Asked between turns: whether what was said already fails the play."""


def watching(job: Play) -> Doomed:
    """Build the checkers that stop a play, behind one question about its messages.

    Raises:
        ConfigError: there is no such checker.
    """
    judges: list[Referee] = [plugins.load("checkers", part) for part in job.referees]

    def doomed(messages: Sequence[Message]) -> bool:
        said = Trajectory(
            task=job.task.id, player=job.player_name, rule=job.rule, messages=tuple(messages), end=End.CLOSED
        )
        return any(_doomed(judge, job.task, said) for judge in judges)

    return doomed


def _doomed(judge: Referee, task: Task, said: Trajectory) -> bool:
    """Ask a checker. A play that it cannot even judge is failed as it stands: no other turn could make it a win."""
    try:
        return judge.doomed(task, said)
    except Exception as error:  # noqa: BLE001 - whatever it is, the daemon's own judgement meets it and stores it
        log.warning("referee_failed", checker=judge.name, task=task.id, error=f"{type(error).__name__}: {error}"[:500])
        return True


def converse(  # noqa: PLR0913 - the one place where everything of a play meets
    chat: Chat,
    task: Task,
    world: World,
    catalogue: Catalogue,
    *,
    rule: Rule,
    system: str = "",
    into: Transcript,
    doomed: Doomed = lambda _: False,
) -> End:
    """Take the player through every turn of a task, running its calls in the world as they come.

    A doomed play ends where it stands: every turn must pass, so no other turn could change its verdict.

    Raises:
        ProviderError: the player's provider gave no answer; `into` holds what was said until then.
    """
    if system:
        into.messages.append(Message(role="system", content=system))
    for number, turn in enumerate(task.turns):
        if number and doomed(into.messages):
            break
        into.messages.append(Message(role="user", content=turn.user, adds=turn.adds))
        if not take_turn(chat, world, offered(catalogue, into.messages, task), rule, into):
            return End.CAP
    return End.CLOSED


def take_turn(chat: Chat, world: World, catalogue: Catalogue, rule: Rule, into: Transcript) -> bool:
    """Let the player call and read until it answers without a call. False when it reached the step cap instead.

    A world that is over after its first calls ends the turn as well.
    """
    for _ in range(rule.steps_per_turn):
        message = into.add(chat.reply(tuple(into.messages), catalogue))
        if not message.calls:
            return True
        into.messages.extend(_answer(world, message.calls))
        if world.over:
            return True
    return False


def _answer(world: World, calls: Sequence[Call]) -> list[Message]:
    results = [(call, world.call(call)) for call in calls]
    return [Message(role="tool", name=call.name, content=text_of(result), ok=result.ok) for call, result in results]


def text_of(result: Result) -> str:
    """Spell a result as the player reads it: text as it is, everything else as canonical JSON."""
    return result.value if isinstance(result.value, str) else canonical(result.value)


def offered(catalogue: Catalogue, messages: Sequence[Message], task: Task) -> Catalogue:
    """Give the tools that were on offer by the end of a conversation: the first ones, and those that turns added."""
    added = [name for message in messages for name in message.adds]
    if not added:
        return catalogue
    return Catalogue(tools=(*catalogue.tools, *catalogue_of(added, task.backends, task.initial).tools))
