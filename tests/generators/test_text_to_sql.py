"""Single-shot text-to-SQL: the gold passes, nothing else does, and the loop refuses to learn it unjudged."""

import pytest

from checkers.sql_match import SqlMatch
from loop.errors import NotFound
from loop.rollout.play import play
from loop.types import Novelty, Part, Play, Split
from task_generators.text_to_sql import TextToSql
from task_generators.writing.generator import split_of

GENERATOR = TextToSql()
EVERY = [*((arm, split) for arm in GENERATOR.arms for split in Split), (GENERATOR.unseen[0], Split.HELDOUT)]


def played(task, use):
    return play(Play(id="1", round=1, task=task, player=Part(use=use), player_name=use))


@pytest.mark.parametrize(("arm", "split"), EVERY, ids=str)
def test_the_right_statement_passes_and_silence_does_not(arm, split):
    task = GENERATOR.make(arm, 5, split)
    verdict = SqlMatch().check(task, played(task, "scripted"))
    assert verdict.passed, verdict.reason
    assert all(verdict.evidence.values())
    assert not SqlMatch().check(task, played(task, "idle")).passed


@pytest.mark.parametrize("arm", GENERATOR.arms, ids=str)
def test_tasks_are_drawn_by_seed_and_keep_to_their_split(arm):
    tasks = [GENERATOR.make(arm, seed) for seed in range(30)]
    assert len({task.id for task in tasks}) == 30
    assert tasks[3] == GENERATOR.make(arm, 3)
    for split in Split:
        task = GENERATOR.make(arm, 3, split)
        assert split_of(task.leak_group) is split
        assert task.novelty is (None if split is Split.TRAIN else Novelty.WORDS)
        assert not task.tools
        assert "CREATE TABLE" in task.turns[0].user


def test_the_unseen_family_is_never_trained():
    with pytest.raises(NotFound, match="shot-count"):
        GENERATOR.make(GENERATOR.unseen[0], 1)


def test_the_loop_refuses_the_generator_without_its_checker(rehearsal):
    rehearsal.also("")
    text = (rehearsal.home / "loopd.toml").read_text()
    (rehearsal.home / "loopd.toml").write_text(text.replace('use = "files"', 'use = "text_to_sql"', 1))
    with pytest.raises(Exception, match=r'add \[\[checkers\]\] use = "sql_match"'):
        rehearsal.live(sampling={"backends": ["SQL"]})
