"""Trying a teacher out: one real step, or three small tasks for the operator to look at."""

from loop.errors import ProviderError
from loop.rollout.conversation import conversation
from loop.types import Catalogue, Message, Task, Tier, Tool
from task_generators.files import Files
from task_generators.trading import Trading
from task_generators.travel import Travel
from teachers.base.finding import ProbeFinding
from teachers.base.teacher import Teacher

SEED = 7
CLOCK = Tool(name="clock", description="Tells the time.", parameters={"type": "object", "properties": {}})
ASKED = (Message(role="user", content="What time is it?"),)


def trial_tasks() -> tuple[Task, ...]:
    """Make three short tasks on three backends; `loopd teacher test` plays them."""
    generators = (Files(), Trading(), Travel())
    arms = [next(arm for arm in generator.arms if arm.tier is Tier.MODERATE) for generator in generators]
    return tuple(generator.make(arm, SEED) for generator, arm in zip(generators, arms, strict=True))


def probe(teacher: Teacher) -> ProbeFinding:
    """Ask for one real step: does the credential work, and does the answer have the right form?

    It costs one request. A right teacher calls the clock.
    """
    if teacher.credential is None:
        return ProbeFinding(name="probe", ok=True, detail="it asks nobody")
    try:
        with conversation(teacher, trial_tasks()[0], SEED) as chat:
            reply = chat.reply(ASKED, Catalogue(tools=(CLOCK,)))
    except ProviderError as error:
        return ProbeFinding(name="probe", ok=False, detail=f"{error.kind}: {error}")
    used = reply.usage
    price = f"{used.prompt_tokens} + {used.completion_tokens} tokens, ${used.cost:.4f}"
    called = [call.name for call in reply.message.calls]
    if called == [CLOCK.name]:
        return ProbeFinding(name="probe", ok=True, detail=f"it called the clock; {price}")
    said = ", ".join(called) or reply.message.content[:80]
    return ProbeFinding(name="probe", ok=False, detail=f"it should have called the clock and gave: {said}; {price}")
