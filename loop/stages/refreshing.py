"""Learn from corrections: when it is time, whether the batch can be trusted, and what came of it.

A refresh is a round that plays nothing before it trains: corrections in their share, all else replayed. The same gates
judge it, and besides them the corrections themselves: a candidate that has lost more of the earlier ones than it has
learned is not promoted. A batch of which more than a tenth is doubted is not learned at all until somebody has looked.
"""

import datetime as dt
import time
from typing import Final

import structlog
from pydantic import JsonValue

from loop import plugins
from loop.parts import Loop
from loop.runtime.gpu import addressed
from loop.traces.corrections import Lesson, has_learned, keep, lessons
from loop.traces.importing import task_of
from loop.types import Message, Player, Policy, Promotion, Record, Round, Split

log = structlog.get_logger()
REFRESH: Final = "corrections.refresh"
"""The event that says that a round learned from corrections, and up to which."""
REFUSED: Final = "corrections.refused"
FIXED: Final = 60
"""Corrections that are asked about after each training, the earliest first: a set that stays."""


class Batch(Record):
    """What corrections there are."""

    learnable: int
    fresh: int
    """Those that no round has learned from."""
    doubted: tuple[tuple[int, str], ...]
    """Numbers of those that speak against themselves, each with the reason."""
    last: int
    """The highest number of all."""

    @property
    def share(self) -> float:
        """How much of it is doubted."""
        whole = self.learnable + len(self.doubted)
        return len(self.doubted) / whole if whole else 0.0


def batch(loop: Loop) -> Batch:
    """Look at the corrections."""
    learnable, skipped = lessons(loop.store)
    since = max((int(str(each.fields["last"])) for each in loop.store.events.read(kind=REFRESH)), default=0)
    numbers = [*(each.id for each in learnable), *(each.id for each in skipped)]
    return Batch(
        learnable=len(learnable),
        fresh=sum(each.id > since for each in learnable),
        doubted=tuple((each.id, each.reason) for each in skipped if each.doubted),
        last=max(numbers, default=0),
    )


def due(loop: Loop, now: float | None = None) -> bool:
    """Whether a round should learn from corrections: enough are new, or it is night and some are."""
    rules = loop.config.training.refresh
    if rules.after is None and rules.hour is None:
        return False
    found = batch(loop)
    clock = dt.datetime.fromtimestamp(now or time.time()).astimezone()
    night = rules.hour is not None and clock.hour == rules.hour
    enough = rules.after is not None and found.fresh >= rules.after
    return (enough or (night and found.fresh > 0)) and trusted(loop, found)


def trusted(loop: Loop, found: Batch) -> bool:
    """Whether a batch may be learned; where not, the doubted ones are named, once."""
    if found.share <= loop.config.training.refresh.most_doubted:
        return True
    told: list[JsonValue] = [{"correction": number, "reason": reason} for number, reason in found.doubted[:100]]
    known = [each.fields.get("last") for each in loop.store.events.read(kind=REFUSED)]
    if found.last not in known:
        log.warning("corrections_refused", doubted=len(told), share=round(found.share, 3))
        loop.store.events.record(REFUSED, last=found.last, share=found.share, doubted=told)
    return False


def begin(loop: Loop, rnd: Round) -> None:
    """Keep what can be learned as rows, and note that this round learns them. Doing so twice is a no-op."""
    keep(loop.store)
    if not any(each.fields.get("round") == rnd.id for each in loop.store.events.read(kind=REFRESH)):
        loop.store.events.record(REFRESH, round=rnd.id, last=batch(loop).last)


def measure_both(loop: Loop, rnd: Round) -> None:
    """Ask a round's candidate and the champion about the corrections."""
    candidate = loop.store.policies.candidate(rnd)
    if candidate is not None:
        for policy in (loop.champion, candidate):
            measure(loop, policy)


def measure(loop: Loop, policy: Policy) -> None:
    """Ask a policy about the fixed set of corrections, and keep what it answers."""
    known = loop.store.corrections.learned(policy.id)
    missing = [lesson for lesson in fixed(loop) if lesson.id not in known]
    if not missing:
        return
    with loop.serving(policy) as served:
        player: Player = plugins.load("loop", addressed(loop.config.student.part(0.0), served, policy.id))
        loop.board.step("corrections", total=len(missing))
        for lesson in missing:
            answer = _asked(player, policy, lesson)
            learned = has_learned(answer, lesson.wanted)
            loop.store.corrections.score(lesson.id, policy.id, answer, learned=learned)
            loop.board.advance()


def _asked(player: Player, policy: Policy, lesson: Lesson) -> Message:
    said = [message for message in lesson.before if message.role != "system"]
    messages = [Message(role="system", content=policy.system), *said]
    task = lesson.task or task_of((*said, lesson.wanted), lesson.catalogue, f"correction/{lesson.id}", Split.TRAIN)
    return player.open(task, 0).reply(messages, lesson.catalogue).message


def fixed(loop: Loop) -> list[Lesson]:
    """Give the corrections that every candidate is asked about."""
    return lessons(loop.store)[0][:FIXED]


def held(loop: Loop, found: Promotion, candidate: Policy, champion: Policy) -> Promotion:
    """Refuse a candidate that lost more of the corrections than it learned; say what it learned."""
    before, after = loop.store.corrections.learned(champion.id), loop.store.corrections.learned(candidate.id)
    both = before.keys() & after.keys()
    if not both:
        return found
    lost = [number for number in sorted(both) if before[number] and not after[number]]
    won = [number for number in sorted(both) if after[number] and not before[number]]
    told = f"learned {sum(after[number] for number in both)} of your {len(both)} corrections"
    if len(lost) > len(won):
        named = ", ".join(map(str, lost[:10]))
        return found.model_copy(
            update={"promoted": False, "reason": f"{told}, and lost more than it won (lost: {named}). {found.reason}"}
        )
    worse = "nothing else got worse" if found.promoted else "it is not promoted"
    return found.model_copy(update={"reason": f"{told}; {worse}. {found.reason}"})
