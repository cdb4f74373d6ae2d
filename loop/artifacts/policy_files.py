"""Write a policy's directory: `data/policies/ID/`, beside the immutable adapter, from what the store says.

It is written when a candidate is decided on, and again by `loopd model card`: nothing in it is read back, so it may be
made anew at any time. Each file is written beside its place and renamed.
"""

from pathlib import Path

from loop.artifacts import cards
from loop.artifacts.cards import Report
from loop.errors import CannotCreate
from loop.gates.rules import rates
from loop.runtime.durable import replace_text
from loop.store import Store
from loop.types import GateResult, Policy


def report(store: Store, policy: Policy, source: str, adapter: Path | None) -> Report:
    """Gather what is known of a policy.

    Args:
        store: where.
        policy: whom.
        source: where the base model comes from, as the configuration has it.
        adapter: where its adapter lies; None without one.
    """
    rnd = store.gates.last_round(policy.id)
    gates = store.gates.results(rnd) if rnd else ()
    return Report(
        policy=policy,
        standing=store.policies.standing(policy.id),
        source=source,
        round=rnd.id if rnd else None,
        decision=store.promotions.last(policy.id),
        gates=gates,
        stock={result.gate: _stock(store, result) for result in gates},
        transfer=store.policies.transfer(policy.id),
        training=_beside(adapter, cards.TRAINING),
        data=_beside(adapter, cards.DATA),
    )


def write(report: Report, policies: Path) -> Path:
    """Write a policy's directory, or bring it up to date.

    Raises:
        CannotCreate: it cannot be written.
    """
    directory = policies / report.policy.id
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in cards.files(report).items():
            replace_text(directory / name, text)
    except OSError as error:
        raise CannotCreate(f"{directory} cannot be written: {error.strerror}") from error
    return directory


def _stock(store: Store, result: GateResult) -> dict[str, float]:
    stock = store.policies.all()[0][0]
    unsound = store.soundness.unsound(result.suite_id)
    scores = store.suites.scores(stock.id, result.suite_id, result.fingerprint)
    return rates([score for score in scores if score.task not in unsound])


def _beside(adapter: Path | None, name: str) -> str:
    """Read a document of the published adapter; adapters of older versions have none."""
    path = adapter / name if adapter else None
    return path.read_bytes().decode(errors="replace") if path is not None and path.is_file() else ""
