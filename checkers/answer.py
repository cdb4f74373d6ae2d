"""Answer: does every turn end with what it wants to hear?

A turn that asks is closed with the answer, a command with what was done, a missing parameter with a question, and a
request that no tool fits with saying so (`Turn.intent`). What a message must tell is in `Turn.answer`; the values are
had by running the task's plan, as the outcome checker does. What it must not tell is anything that was neither said nor
seen, nor done. Closings carry loss like calls, so that a "Done." to a question is learned as an answer to it.

Where nothing is known of a turn's intent, only what is wrong under every one is held against the message: silence, a
refusal after success, and numbers or names that nothing supplies.
"""

import re
from collections import Counter, defaultdict
from typing import ClassVar, Final, NamedTuple

from pydantic import JsonValue

from checkers.closing import binding, claims, speech
from checkers.closing.ground import QUOTED, Ground
from checkers.closing.values import ClosingText
from checkers.evidence.origins import read
from checkers.evidence.plans import PlanRun, plan_of
from checkers.evidence.turns import PlayedTurn, among_played, turns_of
from checkers.evidence.words import contains
from loop.types import Intent, Record, Task, Trajectory, Turn, Verdict

__all__ = ["Answer"]

MAX_TEXT: Final = 50_000
"""Characters of a message that is still read."""

MAX_SHOWN: Final = 160


class ClosingFault(NamedTuple):
    """What is wrong with a closing: `kind` for queries, the rest in words."""

    kind: str
    detail: str


class Scene(NamedTuple):
    """A turn that was played and closed, and where it stands."""

    task: Task
    plan: PlanRun
    number: int
    """Of the turn, from 0."""
    played: PlayedTurn
    closing: ClosingText
    voice: ClosingText
    """The closing without what it quotes of what was said or seen: that is not its own word."""
    ground: Ground
    """What was said and seen up to the closing."""

    @property
    def turn(self) -> Turn:
        """The task's turn."""
        return self.task.turns[self.number]

    @property
    def values(self) -> tuple[JsonValue, ...]:
        """What the closing is to tell."""
        return self.plan.turns[self.number].answer

    @property
    def asked(self) -> str:
        """What the user said so far."""
        return "\n".join(turn.user for turn in self.task.turns[: self.number + 1])


class Answer(Record):
    """Judges what each turn's last message says."""

    version: ClassVar[int] = 2

    @property
    def name(self) -> str:
        """The name in the store."""
        return "answer"

    def check(self, task: Task, trajectory: Trajectory) -> Verdict:
        """Hold turn after turn's closing to what the turn wants; the first that is wrong is the reason."""
        played, plan, ground = turns_of(trajectory), plan_of(task), Ground()
        if plan.fault:
            return self._verdict(task, 0, ClosingFault("task", f"the task's plan cannot be run: {plan.fault}"))
        for number in range(len(task.turns)):
            if number == len(played):
                return self._verdict(task, number, ClosingFault("unplayed", "the play ended before this turn"))
            if fault := _fault(task, plan, number, played[number], ground):
                return self._verdict(task, number, fault)
        return self._verdict(task, len(task.turns), None)

    def doomed(self, task: Task, trajectory: Trajectory) -> bool:
        """Whether a turn that was played is closed wrongly."""
        return among_played(self.check(task, trajectory), trajectory)

    def _verdict(self, task: Task, right: int, fault: ClosingFault | None) -> Verdict:
        return Verdict(
            checker=self.name,
            version=self.version,
            passed=fault is None,
            score=right / len(task.turns),
            reason=f"turn {right + 1}: {fault.detail}" if fault else "every turn is closed with what it wants to hear",
            evidence={"turn": right + 1, "kind": fault.kind} if fault else {},
        )


def _fault(task: Task, plan: PlanRun, number: int, played: PlayedTurn, ground: Ground) -> ClosingFault | None:
    """Judge one turn's closing. The ground holds what came before the turn, and grows by it."""
    ground.add(played.user.content)
    ground.count(Counter(call.name for call in played.calls).values())
    for step in played.steps:
        for call, answer in zip(step.said.calls, step.answers, strict=False):
            claims.learn(ground, call, read(answer.content))
    for call in plan.turns[number].calls:  # what it does is done, by whatever call
        ground.add(dict(call.arguments))
    if not played.closed:
        return ClosingFault("unclosed", "it has no closing message")
    text = played.steps[-1].said.content
    if not text.strip():
        return ClosingFault("empty", "its closing message is empty")
    if len(text) > MAX_TEXT:
        return ClosingFault("long", f"its closing message is longer than {MAX_TEXT} characters")
    closing = ClosingText(text=text)
    scene = Scene(task, plan, number, played, closing, _unquoted(closing, ground), ground)
    fault = JUDGES[scene.turn.intent](scene)
    return fault and fault._replace(detail=f"{fault.detail}: {_shown(text)}")


def _unquoted(closing: ClosingText, ground: Ground) -> ClosingText:
    """Put a pronoun where a message quotes what was said or seen."""
    known = ground.text

    def pronoun(quoted: re.Match[str]) -> str:
        text = (quoted[1] or quoted[2] or quoted[3] or "").casefold()
        return "it." if text.strip() in known else quoted[0]

    return ClosingText(text=QUOTED.sub(pronoun, closing.plain))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]}…")


# --- by intent -------------------------------------------------------------------------------------------------------


def _open(scene: Scene) -> ClosingFault | None:
    """Judge a message of which nothing is known but what the turn's calls answered."""
    done = scene.turn.plan and scene.played.calls and not claims.failed(scene.played)
    return (_refused(scene) if done else None) or _made_up(scene)


def _answer(scene: Scene) -> ClosingFault | None:
    """Judge the answer to a question: every value that was asked for, of the right thing, and no other."""
    for value in scene.values:
        if (part := scene.closing.missing(value, scene.turn.user)) is not None:
            return ClosingFault("missing", f"it does not tell {part!r}")
        scene.ground.add(value)  # a plan may derive one that stands nowhere
    nothing = any(not value for value in scene.values) and not speech.lacks_tools(scene.closing.folded)
    refused = None if nothing or claims.failed(scene.played) else _refused(scene)
    return refused or _misbound(scene) or _made_up(scene) or _unfounded(scene)


def _report(scene: Scene) -> ClosingFault | None:
    """Judge what is said after a command."""
    said = scene.voice.sentences
    excused = claims.failed(scene.played) and claims.goes_on(scene.closing, claims.deeds(scene.played))
    if not excused and (fault := _refused(scene)):
        return fault
    if not excused and (word := speech.mishap(scene.voice.folded)) and word not in scene.ground.text:
        return ClosingFault("refusal", "it tells of a mishap that there was not")
    if speech.only_asks(said):
        return ClosingFault("question", "it asks instead of saying what was done")
    if speech.only_promises(said):
        return ClosingFault("promise", "it says what will be done, not what was")
    return _made_up(scene) or _unfounded(scene) or _beside(scene)


def _clarify(scene: Scene) -> ClosingFault | None:
    """Judge a question for what is missing."""
    if not speech.asks(scene.closing.sentences):
        return ClosingFault("no question", "something is missing, and it does not ask")
    wanted = [str(value) for value in scene.values]
    if wanted and not speech.asks_for(scene.closing.folded, wanted):
        return ClosingFault("no question", f"it does not ask for {' or '.join(wanted)[:MAX_SHOWN]}")
    return None


def _decline(scene: Scene) -> ClosingFault | None:
    """Judge what is said where no tool fits."""
    if any(speech.refusal(sentence) for sentence in scene.closing.sentences):
        return None
    return ClosingFault("no refusal", "no tool fits, and it does not say so")


JUDGES: Final = {
    Intent.OPEN: _open,
    Intent.ANSWER: _answer,
    Intent.REPORT: _report,
    Intent.CLARIFY: _clarify,
    Intent.DECLINE: _decline,
}


# --- what may be wrong with it ---------------------------------------------------------------------------------------


def _refused(scene: Scene) -> ClosingFault | None:
    """Find a refusal. One that a result or an answer says in these words is handed on, not made."""
    words = speech.refusal(scene.voice.folded)
    if words is None or words in scene.ground.text:
        return None
    return ClosingFault("refusal", "it says that it could not, after it did")


def _made_up(scene: Scene) -> ClosingFault | None:
    """Find a number or a name that was neither said nor seen."""
    strange = scene.ground.strange_number(scene.closing) or scene.ground.strange_name(scene.closing)
    return ClosingFault("made up", f"nothing that was said or seen has {strange[:MAX_SHOWN]!r}") if strange else None


def _misbound(scene: Scene) -> ClosingFault | None:
    """Find a value that is told of another thing, a thing too many, a choice of the wrong one."""
    bound = binding.pairs(scene.turn, scene.plan.calls, scene.plan.results)
    if pair := binding.crossed(scene.closing, bound):
        return ClosingFault("crossed", f"{str(pair[1])[:MAX_SHOWN]} is not that of {pair[0][:MAX_SHOWN]!r}")
    if added := binding.added_item(scene.closing, scene.values):
        return ClosingFault("added", f"{added[:MAX_SHOWN]!r} is not among what was asked for")
    if wrong := binding.chosen_wrongly(scene.closing, scene.values, _choices(scene.turn)):
        return ClosingFault("choice", f"it picks {wrong[:MAX_SHOWN]!r}")
    return None


def _choices(turn: Turn) -> list[str]:
    """Name the things that the user gave to choose from: what one argument of a tool takes in several calls."""
    taken: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for call in turn.plan:
        for name, value in call.arguments.items():
            if isinstance(value, str) and contains(turn.user.casefold(), value.casefold()):
                taken[call.name, name].add(value)
    return sorted({value for values in taken.values() if len(values) > 1 for value in values})


def _unfounded(scene: Scene) -> ClosingFault | None:
    """Find a claim of something that was not done."""
    detail = claims.unfounded(scene.voice, claims.deeds(scene.played), scene.asked, scene.ground)
    return ClosingFault("claim", detail) if detail else None


def _beside(scene: Scene) -> ClosingFault | None:
    """Find a thing that the turn is not about."""
    strange = claims.beside(scene.closing, claims.deeds(scene.played), scene.turn.user)
    return ClosingFault("claim", f"the turn is not about {strange}") if strange else None
