"""A judge's opinion of traces, and a committee's labels for what filters refused.

A judge is a teacher with a written rubric. It is asked twice about each trace; how often it agrees with itself, and
with people's labels where there are some, is told beside its verdicts, and it is never what decides: its verdicts are
kept beside the filters' and no filter waits for them.

A committee labels messages that filters refused: every teacher says what the assistant should say next, proposals in
which a filter finds fault fall out, and the one that most of the others made is taken.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

from loop.canonical import canonical
from loop.errors import ProviderError
from loop.store.traces import Kept
from loop.traces.filtering import WHOLE, Filter, faulty
from loop.traces.mending import Mended, change
from loop.types import Message, Record, Trajectory, Usage, Verdict
from teachers.base.teacher import Teacher
from teachers.judging.committee import proposals
from teachers.judging.judgement import judge

RUBRIC: Final = (
    "Every call is for a tool that fits what the user wants, with values that the user said or a result told. The "
    "assistant says nothing that contradicts a result, answers what was asked, and ends when the user's wish is met."
)


class Opinion(NamedTuple):
    """What a judge says of one trace."""

    id: str
    verdict: Verdict
    agreed: bool
    """Whether it said the same when it was asked again."""
    usage: Usage


class Agreement(Record):
    """How far a judge can be trusted."""

    NAME: ClassVar[str] = "trace-judge"
    judged: int
    good: int
    agreed: int
    """Traces of which it said the same twice."""
    labelled: int
    """Traces for which people's labels are known."""
    like_people: int
    """Of these, those of which it says what people say."""
    unanswered: int
    usage: Usage

    @property
    def words(self) -> str:
        """Say it in one line."""
        people = f", with people in {self.like_people} of {self.labelled}" if self.labelled else ""
        return f"{self.good} of {self.judged} are good; it agrees with itself in {self.agreed}{people}"


def opinions(teacher: Teacher, rubric: str, traces: Iterable[Kept]) -> Iterator[Opinion | ProviderError]:
    """Ask a judge twice about each trace. Where it gives no answer, the reason is given in its place."""
    for kept in traces:
        play = kept.trajectory
        try:
            one, two = (judge(teacher, rubric, play.messages, play.catalogue) for _ in range(2))
        except ProviderError as error:
            yield error
            continue
        good = one.good and two.good
        verdict = Verdict(
            checker=Agreement.NAME,
            version=1,
            passed=good,
            score=float(good),
            reason=one.reason if one.good == good else two.reason,
            evidence={"judge": teacher.name, "answers": [one.good, two.good], "rubric": rubric[:500]},
        )
        yield Opinion(kept.id, verdict, one.good == two.good, one.usage + two.usage)


def agreement(opinions: Iterable[Opinion | ProviderError], labels: Mapping[str, bool]) -> Agreement:
    """Sum up what a judge said, beside people's labels by trace."""
    listed = list(opinions)
    judged = [item for item in listed if isinstance(item, Opinion)]
    known = [judgement for judgement in judged if judgement.id in labels]
    return Agreement(
        judged=len(judged),
        good=sum(judgement.verdict.passed for judgement in judged),
        agreed=sum(judgement.agreed for judgement in judged),
        labelled=len(known),
        like_people=sum(number.verdict.passed == labels[number.id] for number in known),
        unanswered=len(listed) - len(judged),
        usage=sum((judgement.usage for judgement in judged), Usage()),
    )


def voted(trajectory: Trajectory, teachers: Sequence[Teacher], chosen: Sequence[Filter]) -> Mended:
    """Have a committee say anew what filters refused, message after message; the rest stays as it is.

    A message keeps its place: what it calls was not run then, so where a result follows it must be the proposal's too.
    """
    plain = [kept for kept in chosen if not kept.studies]
    wrong = _wrong(trajectory, plain)
    if WHOLE in wrong:
        return Mended(trajectory=trajectory, changes=())
    messages, changes = [*trajectory.messages], []
    for index in sorted(wrong):
        before = messages[:index]
        made = [
            proposal.message
            for proposal in proposals(teachers, before, trajectory.catalogue)
            if proposal.message is not None
        ]
        sound = [one for one in made if _fits(trajectory, messages, index, one, plain)]
        if sound:
            taken = _most_wanted(sound)
            votes = sum(_said(layer) == _said(taken) for layer in made)
            changes.append(change(index, "voted", messages[index], f"{votes} of {len(made)} teachers say so"))
            messages[index] = Message(role="assistant", content=taken.content, calls=taken.calls)
    return Mended(trajectory=trajectory.model_copy(update={"messages": tuple(messages)}), changes=tuple(changes))


def _wrong(trajectory: Trajectory, chosen: Sequence[Filter]) -> frozenset[int]:
    return faulty(kept.verdict(trajectory, list(kept.faults(trajectory))) for kept in chosen)


def _fits(
    trajectory: Trajectory, messages: Sequence[Message], index: int, proposed: Message, chosen: Sequence[Filter]
) -> bool:
    """Whether no filter finds fault with a proposal where it would stand."""
    said = Message(role="assistant", content=proposed.content, calls=proposed.calls, fault=proposed.fault)
    tried = trajectory.model_copy(update={"messages": (*messages[:index], said, *messages[index + 1 :])})
    return index not in _wrong(tried, chosen)


def _most_wanted(proposed: Sequence[Message]) -> Message:
    """Take the proposal that most made; among equals the first member's."""
    votes = Counter(_said(message) for message in proposed)
    return max(proposed, key=lambda message: votes[_said(message)])


def _said(message: Message) -> str:
    calls = [canonical([call.name, dict(call.arguments)]) for call in message.calls]
    return "\n".join(calls) or " ".join(message.content.casefold().split())
