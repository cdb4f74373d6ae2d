"""The soundness ledger: for every task of a suite, whether it can be passed at all, and what is known against it.

A suite that even its own plans, or the teachers, cannot pass says nothing about a candidate (gorilla#1367: 27 of BFCL's
200 base entries were failed by all of 18 models). What is known to be unsound leaves every score; of what is left,
the share that can be passed is the suite's ceiling, and a suite with a low ceiling is no gate.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from loop.errors import ConfigError, LoopdError, nearest
from loop.plugins import judges_of
from loop.rollout.play import play
from loop.store import Store
from loop.store.soundness import UNSOUND, Attempts, Flaw, PlanReplay
from loop.types import Checker, Gate, Part, Play, Record, Rule, Split, Suite, Task
from task_generators.suites import SEALED, grown
from task_generators.suites import names as known_names
from task_generators.suites import suite as suite_named
from task_generators.suites.brought import BROUGHT
from task_generators.suites.defects import defects

SCRIPTED: Final = "scripted"
"""The teacher that plays the plan itself: its play is the replay, and says nothing about the user's words."""


MANNER: Final = frozenset({"dataflow", "economy"})
"""Checkers of how an end is reached. They are not held against the gold of others, which does not look first: that a
player can look first only a teacher's play shows."""


class LedgerLine(Record):
    """One task's line."""

    task: str
    arm: str
    source: str
    flaws: tuple[Flaw, ...]
    replay: PlanReplay
    attempts: Attempts = Attempts()

    @property
    def sound(self) -> bool:
        """Whether nothing is known that makes it impossible."""
        return all(flaw.kind != UNSOUND for flaw in self.flaws)

    @property
    def passable(self) -> bool:
        """Whether a teacher that does not see the plan passed it; where none has tried, whether the plan does."""
        return self.attempts.wins > 0 if self.attempts.plays else self.replay.passed


class SuiteLedger(Record):
    """A suite's lines, in its order."""

    suite: str
    entries: tuple[LedgerLine, ...]

    @property
    def sound(self) -> tuple[LedgerLine, ...]:
        """The tasks that count."""
        return tuple(entry for entry in self.entries if entry.sound)

    @property
    def ceiling(self) -> float:
        """The share of the sound tasks that can be passed; 0 where none is sound."""
        return sum(entry.passable for entry in self.sound) / len(self.sound) if self.sound else 0.0


def assess(
    suite: Suite,
    checkers: Sequence[Checker],
    rule: Rule,
    noted: Iterable[Flaw] = (),
    attempts: Mapping[str, Attempts] | None = None,
) -> SuiteLedger:
    """Replay a suite's plans and put together what is known. Nothing is stored.

    Args:
        suite: the suite; no model plays it, so a sealed one stays sealed.
        checkers: what a replay must pass, unless the suite names checkers of its own.
        rule: the rule that it is played under.
        noted: flaws from the store.
        attempts: of teachers that do not see the plan, by task.
    """
    flaws, judges = list(dict.fromkeys([*known_flaws(suite), *noted])), judges_of(suite, checkers)
    return SuiteLedger(
        suite=suite.name,
        entries=tuple(
            LedgerLine(
                task=task.id,
                arm=str(task.arm),
                source=task.source,
                flaws=tuple(flaw for flaw in flaws if flaw.task == task.id),
                replay=replay(task, judges, rule),
                attempts=(attempts or {}).get(task.id, Attempts()),
            )
            for task in suite.tasks
        ),
    )


def known_flaws(suite: Suite) -> Iterator[Flaw]:
    """List what `task_generators/suites/defects.toml` knows against a suite's tasks."""
    for task in suite.tasks:
        for defect in defects().get(task.source, ()):
            yield Flaw(task=task.id, kind=defect.kind, source=defect.source, note=defect.note)


def replay(task: Task, checkers: Sequence[Checker], rule: Rule) -> PlanReplay:
    """Play a task's plan and have it judged. What is held against its manner stands in the reason all the same."""
    owed = Play(id=task.id, round=0, task=task, player=Part(use=SCRIPTED), player_name=SCRIPTED, rule=rule)
    try:
        played = play(owed)
        verdicts = [checker.check(task, played) for checker in checkers] if played.failure is None else []
    except LoopdError as error:
        return PlanReplay(task=task.id, passed=False, reason=str(error))
    if played.failure is not None:
        return PlanReplay(task=task.id, passed=False, reason=played.failure.message)
    against = [verdict for verdict in verdicts if not verdict.passed]
    excused = MANNER if task.source else frozenset[str]()
    why = "; ".join(f"{verdict.checker}: {verdict.reason}" for verdict in against)
    return PlanReplay(task=task.id, passed={verdict.checker for verdict in against} <= excused, reason=why)


def take_stock(store: Store, suite: Suite, checkers: Sequence[Checker], rule: Rule) -> SuiteLedger:
    """Assess a suite and store what came out: `v_ledger` and `v_flaws` show it."""
    store.suites.save(suite)
    ledger = assess(suite, checkers, rule, store.soundness.flaws(), store.soundness.attempts(suite.id))
    store.soundness.note_all(flaw for entry in ledger.entries for flaw in entry.flaws)
    store.soundness.save_replays([entry.replay for entry in ledger.entries])
    return ledger


def require(store: Store, gates: Sequence[Gate], checkers: Sequence[Checker], rule: Rule, least: float) -> None:
    """Refuse to gate with suites that cannot judge.

    Raises:
        ConfigError: a gate's suite is sealed, or its ceiling is below `least`; says which, and what to type.
    """
    for name in dict.fromkeys(grown(gate.suite, store.suites.grown(gate.suite)) for gate in gates):
        suite = suite_named(name)
        if any(task.split is Split.SEALED for task in suite.tasks):
            raise ConfigError(f"Suite '{name}' is sealed: only a promotion opens it, and no gate may measure with it.")
        ledger = take_stock(store, suite, checkers, rule)
        if ledger.ceiling < least:
            raise ConfigError(_too_low(ledger, least))


def require_external(names: Sequence[str]) -> None:
    """Refuse suites from outside that there are not, or that only a promotion may count as opened.

    Raises:
        ConfigError: which, and the likeliest name.
    """
    known = [*known_names(), *BROUGHT]
    for name in names:
        if name not in known:
            raise ConfigError(f"gating.external: there is no suite '{name}'.{nearest(name, known)}")
        if name.endswith(SEALED):
            raise ConfigError(f"gating.external: '{name}' is sealed; gating.sealed says how often twins are played.")


def _too_low(ledger: SuiteLedger, least: float) -> str:
    count = sum(entry.passable for entry in ledger.sound)
    return (
        f"Suite '{ledger.suite}' cannot be a gate: only {count} of its {len(ledger.sound)} sound tasks can be passed "
        f"({ledger.ceiling:.1%}), and gating.min_ceiling asks for {least:.0%}. "
        f"See which: loopd suite show {ledger.suite} --tasks. "
        "Note an unsound task: loopd suite flaw SUITE TASK --note WHY. "
        f"Gate with it all the same: LOOPD_GATING__MIN_CEILING={max(0.0, int(ledger.ceiling * 100) / 100)}"
    )
