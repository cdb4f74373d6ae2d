"""What a row adds: less the more of it is there, and the best one first."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loop.dataset.coverage import Coverage, Ranking, traits
from loop.dataset.mix import Skill, select
from loop.dataset.rules import MixRules
from loop.types import Accepted, Catalogue, End, From, PlannedCall, Split, Task, Tier, Trajectory, Turn, TurnAttempt

NAMES = ("reef", "gate", "lab", "tax.doc")
ASKED = {
    "touch": ("Make a file named {}.", "I want a new file called {}."),
    "mkdir": ("Make a directory {}.", "I need a folder {} here."),
    "rm": ("Please get rid of {}.",),
}


def turn(tool, phrase, name):
    return Turn(user=ASKED[tool][phrase].format(name), plan=(PlannedCall(name=tool, arguments={"name": name}),))


def row(number, *turns):
    task = Task(
        generator="g", family="f", tier=Tier.EASY, seed=number, backends=("Files",), initial={}, tools=("rm",),
        turns=turns, split=Split.TRAIN, leak_group=f"{number}",
    )  # fmt: skip
    played = Trajectory(task=task.id, player="scripted", end=End.CLOSED, catalogue=Catalogue(), messages=())
    return Accepted(id=f"{number}", task=task, trajectory=played)


asked = st.builds(
    lambda how, name: turn(*how, name),
    st.sampled_from([(tool, phrase) for tool, phrases in ASKED.items() for phrase in range(len(phrases))]),
    st.sampled_from(NAMES),
)
pools = st.lists(st.lists(asked, min_size=1, max_size=3), min_size=1, max_size=12)


def test_a_request_is_described_by_its_words_and_what_was_done_not_by_the_names_in_it():
    assert traits(turn("touch", 0, "reef")) == traits(turn("touch", 0, "tax.doc"))
    assert not traits(turn("touch", 0, "reef")) & traits(turn("mkdir", 0, "reef"))
    read = Turn(
        user="Read ride.txt.", plan=(PlannedCall(name="cat", arguments={"file": From(step=0, path=("read",))}),)
    )
    assert traits(read) != traits(turn("rm", 0, "gate"))
    assert len(traits(read)) == 1


@given(pools)
@settings(max_examples=40, deadline=None)
def test_what_a_row_adds_only_falls_and_the_best_comes_first(pool):
    rows = [row(number, *turns) for number, turns in enumerate(pool)]
    coverage, left = Coverage(rows, len(rows)), {each.id for each in rows}
    ranking = Ranking(sorted(left), coverage)
    while left:
        before = {name: coverage.gain(name) for name in left}
        best = ranking.best()
        assert before[best] == max(before.values())
        coverage.add(best)
        left.remove(best)
        assert all(0 <= coverage.gain(name) <= before[name] <= 1 for name in left)


def test_every_way_to_ask_has_its_share():
    pool = [
        row(number, turn(tool, phrase, NAMES[number % 4]))
        for number, (tool, phrase) in enumerate(20 * [("mkdir", 0), ("mkdir", 1)] + 10 * [("touch", 0), ("touch", 1)])
    ]

    def missed(seed, *, cover):
        rules = MixRules(max_rows=24, newest_share=0, near_duplicate=1, cover=cover)
        chosen = select(pool, rules, seed).rows
        requests = Counter(each.task.turns[0].user[:9] for each in pool if each.id in chosen)
        return sum(abs(requests[asked] - share) for asked, share in fair.items())

    fair = {"Make a di": 8, "I need a ": 8, "Make a fi": 4, "I want a ": 4}
    assert max(missed(seed, cover=True) for seed in range(9)) == 0
    assert max(missed(seed, cover=False) for seed in range(9)) >= 8


def test_what_the_champion_gets_wrong_is_shown_more_often():
    pool = [row(number, turn("touch", number % 2, NAMES[number % 4])) for number in range(80)]
    played = tuple(
        TurnAttempt(turn=turn("touch", phrase, "oak"), right=phrase == 1) for phrase in (0, 1) for _ in range(8)
    )

    def shown(**rules):
        dataset = select(
            pool, MixRules(max_rows=30, newest_share=0, near_duplicate=1, **rules), 0, skill=Skill(asked=played)
        )
        assert (dataset.counts["turns_played"], dataset.counts["turns_failed"]) == (16, 8)
        return sum(each.task.turns[0].user.startswith("Make") for each in pool if each.id in dataset.rows)

    assert 14 <= shown(stress=0) <= 16
    assert 20 <= shown() <= 23
