"""Take traces into the store: scrubbed, in batches that are kept whole or not at all, each only once."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from loop.canonical import canonical
from loop.store import Store
from loop.store.traces import PLAYER, Kept, Provenance
from loop.traces.inspection import content_of
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.privacy.scrubbing import Scrubbed, scrubbed
from loop.traces.privacy.secrets import secret_in
from loop.traces.trace import LocatedTrace, NotATrace, Trace, UnreadableRow
from loop.types import Catalogue, End, Message, Record, Split, Task, Tier, Trajectory, Turn

BATCH: Final = 200
"""Traces of one transaction: a kill loses the reading of so many at most."""
BACKEND: Final = "Traces"
"""The backend of a trace's task; see `task_generators.backends.traces_backend`."""
GENERATOR: Final = "traces"
LONGEST: Final = {Tier.EASY: 2, Tier.MODERATE: 4, Tier.HARD: 8}
"""Calls up to which a conversation belongs to a tier."""

Tell = Callable[[LocatedTrace | UnreadableRow, int], None]
"""Is told every row that was read, and how many were stored so far."""


class ImportRules(Record):
    """How traces are taken in."""

    scrub: bool = True
    """Replace personal data."""
    region: str = "US"
    """Whose rules a phone number without a country code follows (ISO 3166)."""
    licence: str = ""
    """Under which licence the traces are."""
    heldout: float = 0.1
    """Share of the users (or, where nobody is named, of the conversations) that is never trained on."""
    tools: Catalogue = Catalogue()
    """The tools of traces that do not show any."""


class Imported(Record):
    """What an import came to."""

    read: int
    stored: int
    known: int
    """Traces that were there already."""
    refused: int
    reasons: dict[str, int]
    replaced: dict[str, int]
    """Traces with personal values of each kind, which were replaced."""


def take(
    store: Store,
    located: Iterable[LocatedTrace | UnreadableRow],
    rules: ImportRules,
    pseudonyms: Pseudonyms,
    tell: Tell = lambda _found, _stored: None,
) -> Imported:
    """Import traces.

    What was imported before is known by its content and passed over before it is looked into, so an import that was
    killed goes on where it was when it is typed again.
    """
    importer = _Importer(store, rules, pseudonyms, tell)
    waiting = iter(located)
    while batch := list(islice(waiting, BATCH)):
        importer.add(batch)
    return importer.result()


class _Importer:
    def __init__(self, store: Store, rules: ImportRules, pseudonyms: Pseudonyms, tell: Tell) -> None:
        self.store, self.rules, self.pseudonyms, self.tell = store, rules, pseudonyms, tell
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.replaced: Counter[str] = Counter()

    def add(self, batch: Sequence[LocatedTrace | UnreadableRow]) -> None:
        """Take a batch in, in one transaction."""
        named: dict[str, LocatedTrace] = {}
        for trace in batch:
            if isinstance(trace, LocatedTrace):
                named.setdefault(self._identity(trace.trace), trace)
        known = self.store.traces.known(list(named))
        self.counts["read"] += len(batch)
        traces = sum(isinstance(trace, LocatedTrace) for trace in batch)
        self.counts["known"] += traces - len(named) + len(known)
        kept = [made for name, item in named.items() if name not in known and (made := self._kept(name, item))]
        self.counts["stored"] += self.store.traces.keep(self._split(kept))
        for trace in batch:
            if isinstance(trace, UnreadableRow):
                self._refuse(trace)
            else:
                self.tell(trace, self.counts["stored"])

    def result(self) -> Imported:
        """Sum up."""
        counts = {name: self.counts[name] for name in ("read", "stored", "known", "refused")}
        reasons, replaced = dict(self.reasons.most_common(20)), dict(sorted(self.replaced.items()))
        return Imported(**counts, reasons=reasons, replaced=replaced)

    def _identity(self, trace: Trace) -> str:
        return self.pseudonyms.identity(canonical(content_of(trace)))

    def _kept(self, name: str, located: LocatedTrace) -> Kept | None:
        try:
            clean = self._clean(located.trace)
            self.replaced.update(list(clean.replaced))
            return kept_of(name, located, clean, self.rules)
        except NotATrace as error:
            self._refuse(UnreadableRow(located.place, str(error)))
            return None

    def _clean(self, trace: Trace) -> Scrubbed:
        if secret := secret_in(trace):
            raise NotATrace(f"it holds a credential ({secret}); take it out, and revoke it")
        return scrubbed(trace, self.pseudonyms, self.rules.region) if self.rules.scrub else Scrubbed(trace, {})

    def _refuse(self, refused: UnreadableRow) -> None:
        self.counts["refused"] += 1
        self.reasons[refused.reason[:120]] += 1
        self.tell(refused, self.counts["stored"])

    def _split(self, kept: Sequence[Kept]) -> list[Kept]:
        """Leave every leak group in the split in which it lies already."""
        fixed = self.store.tasks.splits(sorted({trace.task.leak_group for trace in kept}))
        return [_moved(trace, fixed.get(trace.task.leak_group, trace.task.split)) for trace in kept]


def _moved(kept: Kept, split: Split) -> Kept:
    if kept.task.split is split:
        return kept
    task = kept.task.model_copy(update={"split": split})
    return kept.model_copy(update={"task": task, "trajectory": kept.trajectory.model_copy(update={"task": task.id})})


def kept_of(name: str, located: LocatedTrace, clean: Scrubbed, rules: ImportRules) -> Kept:
    """Give a trace the form in which it is stored.

    Raises:
        NotATrace: nobody asks anything in it.
    """
    trace = clean.trace
    catalogue = trace.catalogue if trace.catalogue.tools else rules.tools
    group = f"trace/{trace.user or trace.conversation or name[:32]}"
    task = task_of(trace.messages, catalogue, group, split_of(group, rules.heldout))
    provenance = Provenance(
        format=located.format,
        source=located.place.source,
        line=located.place.line,
        licence=rules.licence,
        conversation=trace.conversation,
        speaker=trace.user,
        model=trace.model,
        happened=trace.happened,
        replaced=clean.replaced,
    )
    return Kept(id=name, task=task, trajectory=trajectory_of(task, trace, catalogue), provenance=provenance)


def trajectory_of(task: Task, trace: Trace, catalogue: Catalogue) -> Trajectory:
    """Give a trace's messages the form of a play of its task."""
    return Trajectory(
        task=task.id,
        player=PLAYER,
        catalogue=catalogue,
        messages=trace.messages,
        end=End.CLOSED,
        started=trace.happened,
    )


def task_of(messages: Sequence[Message], catalogue: Catalogue, group: str, split: Split, source: str = "") -> Task:
    """Say what the users of a conversation ask, with the tools that were shown. Nobody knows a plan.

    Raises:
        NotATrace: nobody asks anything.
    """
    said = [message for message in messages if message.role == "user"]
    late = {name for message in said for name in message.adds}
    if not said:
        raise NotATrace("no user says anything in it")
    calls = sum(len(message.calls) for message in messages)
    return Task(
        generator=GENERATOR,
        family=GENERATOR,
        tier=next((tier for tier, most in LONGEST.items() if calls <= most), Tier.VERYHARD),
        seed=0,
        backends=(BACKEND,),
        initial={},
        tools=tuple(tool.name for tool in catalogue.tools if tool.name not in late),
        turns=tuple(Turn(user=message.content, adds=message.adds) for message in said),
        split=split,
        leak_group=group,
        source=source,
    )


def split_of(group: str, share: float) -> Split:
    """Draw a leak group's split from its name."""
    drawn = int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 16**8
    return Split.HELDOUT if drawn < share else Split.TRAIN
