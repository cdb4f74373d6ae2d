"""How stories are told, and that the family in the documents is one."""

import re
from collections import Counter
from pathlib import Path

import pytest

from loop.errors import NotFound
from loop.types import Split, Tier
from task_generators.files import TOOLS
from task_generators.writing.draws import draws
from task_generators.writing.generator import Domain, Generator, split_of
from task_generators.writing.story import Family, Move, Story, Stuck, call, tell


def steps(count):
    return Move(lambda story: story.turn("Go.", *[call("ls")] * count), count)


def blank(rng):
    return Story(rng, {"GorillaFileSystem": {}})


@pytest.mark.parametrize("tier", Tier)
def test_moves_of_one_and_two_calls_fill_every_tier(tier):
    shapes = {
        (len(story.turns), story.steps)
        for story in (tell(Family("f", blank, (steps(1), steps(2))), tier, draws(str(n))) for n in range(200))
    }
    assert len(shapes) >= 3


def test_a_family_that_cannot_fill_a_tier_says_so():
    with pytest.raises(NotFound, match="'f' has no moves that add up to 'veryhard'"):
        tell(Family("f", blank, (steps(1),)), Tier.VERYHARD, draws("1"))


def test_a_move_that_plans_other_calls_than_it_says_is_a_bug():
    with pytest.raises(AssertionError, match="does not plan 2 calls"):
        tell(Family("f", blank, (Move(lambda story: story.turn("Go.", call("ls")), 2),)), Tier.EASY, draws("1"))


def test_a_story_without_a_fitting_move_is_told_anew():
    with pytest.raises(Stuck):
        tell(Family("f", blank, (Move(steps(1).write, 1, lambda story: False),)), Tier.EASY, draws("1"))


def test_splits_have_their_shares():
    counts = Counter(split_of(f"group-{number}") for number in range(20_000))
    assert abs(counts[Split.TRAIN] / 20_000 - 0.7) < 0.02
    assert abs(counts[Split.HELDOUT] / 20_000 - 0.2) < 0.02


def test_the_family_in_the_documents_makes_tasks(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "generators.md").read_text()
    (tmp_path / "dated.toml").write_text(re.search(r"```toml\n(.*?)```", text, re.DOTALL)[1])
    names: dict = {"__file__": str(tmp_path / "dated.py")}
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], names)

    class Dated(Generator):
        domains = (Domain(("GorillaFileSystem",), TOOLS, (names["DATED"],)),)

    made = Dated()
    assert {arm.tier for arm in made.arms} == set(Tier)
    assert all(made.make(arm, 1).plan for arm in made.arms)
    assert made.make(made.arms[0], 1, Split.HELDOUT).turns[0].user != made.make(made.arms[0], 1).turns[0].user
