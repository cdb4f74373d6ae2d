"""Distance of a policy to its base, measured on its own plays of a suite where a gate asks for it."""

import json
from collections.abc import Iterator, Sequence

import structlog

from loop.errors import ProviderError
from loop.parts import Loop
from loop.routing.topics import Example
from loop.stages import window
from loop.store.suites import Unmeasured
from loop.types import Policy, Precision
from loop.types.jobs import Distance, Halted, Meter

KL = "kl"
"""The measure's name: mean KL(policy || base), in nats a token."""
log = structlog.get_logger()


def measure_missing(loop: Loop, policy: Policy, suite_id: str, fingerprint: str) -> None:
    """Give every score of a policy on a suite the distance that it lacks; each is kept as it arrives.

    Raises:
        ProviderError: the child went away again and again without getting further.
    """
    missing = loop.store.suites.unmeasured(policy.id, suite_id, fingerprint, KL)
    if not missing:
        return
    loop.board.step("distance to the base", total=len(missing))
    try:
        whole = all(
            _measure(loop, policy, speaker, fingerprint, plays) for speaker, plays in _by_speaker(loop, policy, missing)
        )
    except ProviderError as error:
        log.warning("meter_lost", message=str(error), left=len(missing))
        if len(loop.store.suites.unmeasured(policy.id, suite_id, fingerprint, KL)) == len(missing):
            raise
        whole = False
    if not whole:
        measure_missing(loop, policy, suite_id, fingerprint)


def _by_speaker(
    loop: Loop, policy: Policy, missing: Sequence[Unmeasured]
) -> Iterator[tuple[Policy, Sequence[Unmeasured]]]:
    """Sort plays by who speaks in them: the policy, or a member of a routed set."""
    if policy.routing is None:
        yield policy, missing
        return
    speakers = [loop.speakers.of(policy, Example.of(loop.store.tasks.get(score.task)))[0] for score in missing]
    for speaker in {speaker.id: speaker for speaker in speakers}.values():
        yield speaker, [play for play, who in zip(missing, speakers, strict=True) if who.id == speaker.id]


def _measure(loop: Loop, policy: Policy, speaker: Policy, fingerprint: str, missing: Sequence[Unmeasured]) -> bool:
    """Measure them; false where that waits for the loop's window."""
    if speaker.adapter is None and speaker.precision is Precision.BASE:
        loop.store.suites.add_measures(policy.id, fingerprint, {each: {KL: 0.0} for each in missing})  # it is the base
        return True
    window.wait(loop)
    with loop.time.work():
        return _through_meter(loop, policy, speaker, fingerprint, missing)


def _through_meter(
    loop: Loop, policy: Policy, speaker: Policy, fingerprint: str, missing: Sequence[Unmeasured]
) -> bool:
    by_trajectory = {each.trajectory: each for each in missing}
    for line in loop.stop.each(loop.gpu.measuring(_job(loop, speaker, missing))):
        if isinstance(line, Distance):
            loop.store.suites.add_measures(policy.id, fingerprint, {by_trajectory[line.id]: {KL: line.kl}})
            loop.board.advance()
        if isinstance(line, Halted):
            return False
    return True


def _job(loop: Loop, policy: Policy, missing: Sequence[Unmeasured]) -> Meter:
    rows = loop.paths.scratch / "distance.jsonl"
    with rows.open("w", encoding="utf-8") as file:
        for score in missing:
            trajectory = loop.store.trajectories.get(score.trajectory).trajectory
            play = trajectory.model_dump(mode="json", include={"messages", "catalogue"})
            file.write(json.dumps({"id": score.trajectory, **play}, ensure_ascii=False) + "\n")
    return Meter(
        base=loop.base.fits(policy).path,
        adapter=loop.paths.adapter(policy),
        precision=policy.precision,
        template=policy.template,
        rows=rows,
    )
