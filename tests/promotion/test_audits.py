"""Some wins are looked at once more: what does not hold leaves the dataset, and is told."""

import pytest

from loop.types import Verdict

REFUSING = """
from checkers.outcome import Outcome

__all__ = ["Changed"]


class Changed(Outcome):
    '''Accepts every play when it first judges it, and none when it is asked again.'''

    @property
    def name(self):
        return "changed"

    def check(self, task, trajectory):
        verdict = super().check(task, trajectory)
        again = trajectory.messages and verdict.passed and _asked_before(trajectory)
        return verdict.model_copy(update={"passed": False, "reason": "second thoughts"}) if again else verdict


_seen = set()


def _asked_before(trajectory):
    key = trajectory.model_dump_json()
    known = key in _seen
    _seen.add(key)
    return known
"""


@pytest.fixture
def changing(rehearsal, monkeypatch, tmp_path):
    """A rehearsal with a checker that is of another mind when it is asked again."""
    (tmp_path / "changed_checker.py").write_text(REFUSING)
    monkeypatch.syspath_prepend(tmp_path)
    settings = rehearsal.home / "loopd.toml"
    settings.write_text(settings.read_text() + '[[checkers]]\nuse = "changed_checker:Changed"\n')
    return rehearsal


def test_wins_are_audited_and_hold(rehearsal):
    rehearsal.live()
    rows = rehearsal.json("sql", "select held, checker, reason from v_audits where round = 1")["rows"]
    assert [(row["held"], row["checker"]) for row in rows] == [(1, None)] * 2
    with rehearsal.store() as store:
        assert not list(store.events.read(kind="audit.failed"))
        assert not store.audits.owed(store.rounds.get(1), [("outcome", 2)], 2)


def test_a_win_that_does_not_hold_leaves_the_dataset_and_is_told(changing):
    now = changing.live()
    rows = changing.json("sql", "select trajectory, held, checker, reason from v_audits")["rows"]
    assert [(row["held"], row["checker"], row["reason"]) for row in rows] == [(0, "changed", "second thoughts")] * 2
    out = {row["trajectory"] for row in rows}
    ids = ", ".join(f"'{each}'" for each in out)
    shown = changing.json("sql", f"select accepted from v_trajectories where trajectory in ({ids})")["rows"]
    assert [row["accepted"] for row in shown] == [0, 0]
    with changing.store() as store:
        assert {event.fields["trajectory"] for event in store.events.read(kind="audit.failed")} == out
        dataset = store.datasets.of(store.rounds.get(1))
        assert dataset
        assert not out & set(dataset.rows)
    assert "second thoughts" in now.audits
    with changing.store() as store:
        late = Verdict(checker="late", version=1, passed=True, score=1, reason="fine")
        store.verdicts.record(next(iter(out)), [late])
    query = f"select sum(accepted) as n from v_trajectories where trajectory in ({ids})"
    assert changing.json("sql", query)["rows"] == [{"n": 0}]


def test_no_wins_are_audited_where_none_are_asked_for(rehearsal):
    settings = rehearsal.home / "loopd.toml"
    settings.write_text(settings.read_text().replace("[audit]\nwins = 2", "[audit]\nwins = 0"))
    rehearsal.live()
    assert rehearsal.json("sql", "select count(*) as n from v_audits")["rows"] == [{"n": 0}]
