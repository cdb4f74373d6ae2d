"""Learn from corrections: when it is time, whether the batch can be trusted, and what came of it.

A batch is what came since the last refresh, or since the last batch that was refused. One of which more than a tenth is
doubted is refused: the doubted ones are named, and the others wait for the next batch. A refresh is a round that plays
nothing before it trains: corrections in their share, all else replayed. The same gates judge it, and besides them the
corrections of earlier refreshes: a candidate that has lost more of these than it has won is not promoted, and what it
learned in their place is named and taught no more.
"""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from typing import Final

import structlog
from pydantic import JsonValue

from loop import plugins
from loop.parts import Loop
from loop.routing.topics import Example
from loop.runtime.gpu import addressed
from loop.stages import window
from loop.store import Store
from loop.traces.corrections import SUSPECTED, keep, lessons, settled
from loop.traces.importing import task_of
from loop.traces.lessons import Lesson, action_of, agree, alike
from loop.traces.precedents import likeness, words_of
from loop.types import Message, Player, Policy, Promotion, Record, Round, Split

log = structlog.get_logger()
REFRESH: Final = "corrections.refresh"
"""The event that says that a round learned from corrections, and up to which."""
REFUSED: Final = "corrections.refused"
"""The event that says that a batch was not learned, up to which correction, and which of them are doubted."""
FIXED: Final = 60
"""Corrections that every candidate is asked about: so many of the first that were ever learned, and of the latest."""
LIKE: Final = 0.3
"""How alike a new correction's request is to one that was lost, from 0 to 1, to be suspected."""


class Batch(Record):
    """The corrections, and those of the latest batch."""

    learnable: int
    fresh: int
    """Those that teach something and that no round has learned from, this batch's and what earlier ones left."""
    arrived: int
    """Those of this batch that teach something."""
    doubted: tuple[tuple[int, str], ...]
    """Numbers of those of this batch that speak against themselves, each with the reason."""
    last: int
    """The highest number of all."""

    @property
    def share(self) -> float:
        """How much of the batch is doubted."""
        whole = self.arrived + len(self.doubted)
        return len(self.doubted) / whole if whole else 0.0


def batch(loop: Loop) -> Batch:
    """Look at the corrections."""
    learnable, skipped = lessons(loop.store)
    refreshed = _last(loop.store, REFRESH)
    begins = max(refreshed, _refused(loop.store))
    numbers = [*(lesson.id for lesson in learnable), *(correction.id for correction in skipped)]
    return Batch(
        learnable=len(learnable),
        fresh=sum(lesson.id > refreshed for lesson in learnable),
        arrived=sum(lesson.id > begins for lesson in learnable),
        doubted=tuple(
            (correction.id, correction.reason)
            for correction in skipped
            if correction.doubted and correction.id > begins
        ),
        last=max(numbers, default=0),
    )


def _refused(store: Store) -> int:
    """Give the highest correction of batches that were refused and that nobody has looked at since."""
    looked, last = settled(store), 0
    for event in store.events.read(kind=REFUSED):
        doubted = event.fields["doubted"]
        items = doubted if isinstance(doubted, list) else []
        numbers = {int(str(item["correction"])) for item in items if isinstance(item, dict)}
        if not numbers or not looked.keys() >= numbers:
            last = max(last, int(str(event.fields["last"])))
    return last


def _last(store: Store, kind: str, *, but: int = -1) -> int:
    """Give the highest correction of which events of a kind speak, leaving one round out."""
    events = (event.fields for event in store.events.read(kind=kind))
    return max((int(str(fields["last"])) for fields in events if fields.get("round") != but), default=0)


def due(loop: Loop, now: float | None = None) -> bool:
    """Whether a round should learn from corrections: enough are new, or it is night and some are.

    After a batch was refused something must have come since.
    """
    rules = loop.config.training.refresh
    if rules.after is None and rules.hour is None:
        return False
    current = batch(loop)
    clock = dt.datetime.fromtimestamp(now or time.time()).astimezone()
    night = rules.hour is not None and clock.hour == rules.hour
    enough = rules.after is not None and current.fresh + len(current.doubted) >= rules.after
    return current.arrived > 0 and (enough or night) and trusted(loop, current)


def trusted(loop: Loop, current: Batch) -> bool:
    """Whether a batch may be learned; where not, the doubted ones are named, once."""
    if current.share <= loop.config.training.refresh.most_doubted:
        return True
    doubted: list[JsonValue] = [{"correction": number, "reason": reason} for number, reason in current.doubted]
    log.warning("corrections_refused", doubted=len(doubted), share=round(current.share, 3))
    loop.store.events.record(REFUSED, last=current.last, share=current.share, doubted=doubted)
    return False


def begin(loop: Loop, rnd: Round) -> None:
    """Keep what can be learned as rows, and note that this round learns them. Doing so twice is a no-op."""
    keep(loop.store)
    if not any(event.fields.get("round") == rnd.id for event in loop.store.events.read(kind=REFRESH)):
        loop.store.events.record(REFRESH, round=rnd.id, last=batch(loop).last)


def measure_both(loop: Loop, rnd: Round) -> None:
    """Ask a round's candidate and the champion about the corrections."""
    candidate = loop.store.policies.candidate(rnd)
    if candidate is not None:
        for policy in (loop.champion, candidate):
            measure(loop, policy)


def measure(loop: Loop, policy: Policy) -> None:
    """Ask a policy about corrections, and keep what it answers."""
    known = loop.store.corrections.learned(policy.id)
    missing = [lesson for lesson in asked_about(loop) if lesson.id not in known]
    if not missing:
        return
    loop.board.step("corrections", total=len(missing))
    speakers = {lesson.id: loop.speakers.of(policy, _example(lesson))[0] for lesson in missing}
    for speaker in dict.fromkeys(speakers[lesson.id].id for lesson in missing):
        mine = [lesson for lesson in missing if speakers[lesson.id].id == speaker]
        _measure(loop, policy, speakers[mine[0].id], mine)


def _measure(loop: Loop, policy: Policy, speaker: Policy, asked: Sequence[Lesson]) -> None:
    window.wait(loop)
    with loop.serving(speaker) as served:
        player: Player = plugins.load("loop", addressed(loop.config.student.part(0.0), served, policy.id))
        for lesson in asked:
            answer = _asked(player, policy, lesson)
            learned = alike(answer, lesson.wanted)
            loop.store.corrections.score(lesson.id, policy.id, answer, learned=learned)
            loop.board.advance()


def _example(lesson: Lesson) -> Example:
    first = next((message.content for message in lesson.before if message.role == "user"), "")
    return Example(tools=tuple(tool.name for tool in lesson.catalogue.tools), text=first)


def _asked(player: Player, policy: Policy, lesson: Lesson) -> Message:
    said = [message for message in lesson.before if message.role != "system"]
    messages = [Message(role="system", content=policy.system), *said]
    task = lesson.task or task_of((*said, lesson.wanted), lesson.catalogue, f"correction/{lesson.id}", Split.TRAIN)
    return player.open(task, 0).reply(messages, lesson.catalogue).message


def asked_about(loop: Loop) -> list[Lesson]:
    """Give the corrections that every candidate is asked about: the first that were ever learned, and the latest."""
    learnable, _ = lessons(loop.store)
    return list({lesson.id: lesson for lesson in (*learnable[:FIXED], *learnable[-FIXED:])}.values())


def held(store: Store, rnd: Round, decision: Promotion, contestants: tuple[Policy, Policy]) -> Promotion:
    """Refuse a candidate that lost more of the earlier corrections than it won; say what it learned.

    Args:
        store: what the policies answered.
        rnd: the round that the candidate is of.
        decision: what the gates decided.
        contestants: the champion and the candidate.
    """
    before, after = (store.corrections.learned(policy.id) for policy in contestants)
    both = sorted(before.keys() & after.keys())
    if not both:
        return decision
    earlier = _last(store, REFRESH, but=rnd.id)
    lost = [number for number in both if number <= earlier and before[number] and not after[number]]
    won = [number for number in both if number <= earlier and after[number] and not before[number]]
    learned = f"learned {sum(after[number] for number in both)} of your {len(both)} corrections"
    if len(lost) > len(won):
        suspects = _name_suspects(store, rnd, lost, contestants[1])
        named = f"lost: {', '.join(map(str, lost[:10]))}" + (f"; for the sake of {suspects}" if suspects else "")
        reason = f"{learned}, and lost more of the earlier ones than it won ({named}). {decision.reason}"
        return decision.model_copy(update={"promoted": False, "reason": reason})
    worse = "nothing else got worse" if decision.promoted else "it is not promoted"
    return decision.model_copy(update={"reason": f"{learned}; {worse}. {decision.reason}"})


def _name_suspects(store: Store, rnd: Round, lost: Sequence[int], candidate: Policy) -> str:
    """Write down, once, which new corrections a candidate follows where it lost earlier ones."""
    noted = [item for item in store.events.read(kind=SUSPECTED) if item.fields.get("round") == rnd.id]
    if not noted:
        suspects: dict[int, str] = dict(_suspects(store, rnd, lost, candidate))
        suspected: list[JsonValue] = [{"correction": number, "reason": reason} for number, reason in suspects.items()]
        if suspected:
            noted = [store.events.record(SUSPECTED, round=rnd.id, suspected=suspected)]
    listed = noted[0].fields["suspected"] if noted else []
    numbers = (item["correction"] for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()
    return ", ".join(map(str, numbers))


def _suspects(store: Store, rnd: Round, lost: Sequence[int], candidate: Policy) -> Iterator[tuple[int, str]]:
    """Find, for each correction that was lost, the new one whose answer the candidate gives in its place."""
    learnable, _ = lessons(store)
    earlier, answers = _last(store, REFRESH, but=rnd.id), store.corrections.answers(candidate.id)
    new = [lesson for lesson in learnable if lesson.id > earlier]
    for lesson in (lesson for lesson in learnable if lesson.id in lost):
        answer = answers[lesson.id]
        near = [(likeness(words_of(lesson), words_of(item)), item) for item in new if _follows(answer, item, lesson)]
        share, nearest = max(near, key=lambda pair: pair[0], default=(0.0, None))
        if nearest is not None and share >= LIKE:
            yield nearest.id, f"round {rnd.id} learned it and lost correction {lesson.id}, which it answers like this"


def _follows(answer: Message, new: Lesson, lost: Lesson) -> bool:
    """Whether an answer does what a new correction wants and an earlier one does not."""
    same = action_of(answer) == action_of(new.wanted) and (bool(answer.calls) or alike(answer, new.wanted))
    return same and not agree(new.wanted, lost.wanted) and new.stage == lost.stage
