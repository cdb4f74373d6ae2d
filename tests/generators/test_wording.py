"""Wording: three sets of frames that share nothing, values that suites keep to themselves, closings that answer."""

import json
import re
from functools import cache
from importlib.resources import files
from itertools import pairwise

import pytest

from checkers.answer import Answer
from loop.errors import ConfigError
from loop.plan import closing, run
from loop.plugins import find, known, load
from loop.rollout.play import play
from loop.types import Intent, Novelty, Part, Play, Split
from task_generators.backends.worlds import open_world
from task_generators.writing import words
from task_generators.writing.draws import ValuePool, draws
from task_generators.writing.generator import Generator
from task_generators.writing.wording import BLANK, read, variants, wording

SHIPPED = [path.name for path in files("task_generators.wording").iterdir()]
FILES = sorted(name.removesuffix(".toml") for name in SHIPPED if name.endswith(".toml") and name != "manners.toml")
LEAST = {Split.TRAIN: 16, Split.HELDOUT: 5, Split.SEALED: 3}
GENERATORS = tuple(
    kind() for name in known("task_generators") if issubclass(kind := find("task_generators", name), Generator)
)


MOVES = [
    pytest.param(phrasing, id=f"{name}-{move}")
    for name in FILES
    for move, phrasing in wording(name).items()
    if not move.startswith(("found_", "told_")) and phrasing.training
]
"""Every move of every file, but for what is only a part of one (what a pair carries) or only a closing."""


def skeleton(sentence):
    """A sentence without its values: its words, and where a value stands."""
    return ("^", *re.findall(r"\{\}|[a-z0-9']+", BLANK.sub("{}", sentence).lower()), "$")


@cache
def pairs(sentence):
    return frozenset(pairwise(skeleton(sentence)))


@pytest.mark.parametrize("phrasing", MOVES)
def test_a_move_has_enough_frames_in_each_set_and_says_it_in_200_ways(phrasing):
    assert all(len(phrasing.of(split)) >= least for split, least in LEAST.items())
    sentences = {sentence for frame in phrasing.training for sentence in variants(frame)}
    politeness = wording("manners")["before"], wording("manners")["after"]
    manners = [len({s for frame in each.training for s in variants(frame)}) for each in politeness]
    assert len(sentences) * (1 + manners[0]) * (1 + manners[1]) >= 200
    assert len(sentences) >= 30


@pytest.mark.parametrize("phrasing", MOVES)
def test_no_two_sets_share_a_frame_nor_half_of_its_pairs_of_words(phrasing):
    sets = [{s for frame in phrasing.of(split) for s in variants(frame)} for split in Split]
    for mine, others in ((1, (0,)), (2, (0, 1))):
        for sentence in sets[mine]:
            for other in (each for place in others for each in sets[place]):
                alike = len(pairs(sentence) & pairs(other)) / len(pairs(sentence) | pairs(other))
                assert alike < 0.55, (sentence, other)


@pytest.mark.parametrize("phrasing", MOVES)
def test_every_frame_of_a_move_has_the_same_blanks(phrasing):
    if phrasing in wording_of("no_tool"):
        return
    blanks = {frozenset(BLANK.findall(frame)) for split in Split for frame in phrasing.of(split)}
    needed = frozenset.intersection(*blanks)
    assert {each - needed - {"row", "table", "number", "Side", "side"} for each in blanks} == {frozenset()}


def wording_of(move):
    return [wording(name)[move] for name in FILES if move in wording(name)]


def test_no_frame_of_training_stands_in_another_set_of_any_file():
    trained = {skeleton(s) for name in FILES for p in wording(name).values() for f in p.training for s in variants(f)}
    others = {
        skeleton(s): s
        for name in FILES
        for move, p in wording(name).items()
        if not move.startswith(("found_", "told_"))
        for split in (Split.HELDOUT, Split.SEALED)
        for f in p.of(split)
        for s in variants(f)
    }
    assert [text for words_of, text in others.items() if words_of in trained] == []


# --- values ----------------------------------------------------------------------------------------------------------

POOLS = {name: pool for name, pool in vars(words).items() if isinstance(pool, ValuePool)}


@pytest.mark.parametrize("name", POOLS)
def test_a_quarter_of_a_pool_is_for_suites_alone(name):
    pool = POOLS[name]
    assert set(pool.training) | set(pool.suites) == set(pool.all)
    assert not set(pool.training) & set(pool.suites)
    assert len(pool.suites) == len(pool.all) // 4


def test_numbers_days_and_prices_of_suites_are_not_those_of_training():
    mine, theirs = draws("a"), draws("b", suites=True)
    for draw in (
        lambda rng: rng.number(2, 90),
        lambda rng: rng.price(),
        lambda rng: rng.day(),
        lambda rng: rng.near(50),
        lambda rng: rng.digits(4),
    ):
        assert not {draw(mine) for _ in range(400)} & {draw(theirs) for _ in range(400)}


NAMES = {*words.TOPICS.suites, *words.PLACES.suites, *words.FIRST_NAMES.suites, *words.SYMBOLS.suites}
EVERY_FILE = (*FILES, "manners")
USUAL = {
    word
    for name in EVERY_FILE
    for phrasing in wording(name).values()
    for frame in (*phrasing.training, *phrasing.closing)
    for word in re.findall(r"[A-Za-z]+", frame)
} | {"driver", "check", "history", "business", "patient"}
"""Words that users and worlds have whatever the values are."""


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_training_never_shows_a_name_that_suites_keep_and_suites_show_them(generator):
    for arm in generator.arms:
        for seed in range(3):
            assert shown(generator.make(arm, seed)) & NAMES - USUAL == set(), arm
    kept = [shown(generator.make(arm, 1, Split.HELDOUT)) & NAMES - USUAL for arm in generator.arms]
    assert any(kept) or generator.name in {"maths", "travel", "vehicle"}


def shown(task):
    """The words of a task: what users say, and what is in the world."""
    told = " ".join(turn.user for turn in task.turns)
    return set(re.findall(r"[A-Za-z0-9]+", f"{told} {json.dumps(dict(task.initial))}"))


# --- turns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.name)
def test_a_turn_says_what_it_wants_and_its_closing_is_no_done(generator):
    for arm in generator.arms:
        task = generator.make(arm, 3)
        assert task.novelty is None
        for turn in task.turns:
            assert turn.intent is not Intent.OPEN
            assert turn.closing != "Done."
            assert bool(turn.answer) or turn.intent in {Intent.REPORT, Intent.DECLINE}
            assert "{" not in turn.user


def test_families_that_are_never_trained_are_in_suites_only():
    for generator in GENERATORS:
        assert not set(generator.arms) & set(generator.unseen)
        for arm in generator.unseen:
            assert generator.make(arm, 1, Split.HELDOUT).novelty is Novelty.FAMILY
            with pytest.raises(Exception, match="is never trained"):
                generator.make(arm, 1)
    assert {arm.backends[0] for generator in GENERATORS for arm in generator.unseen} == {
        arm.backends[0] for generator in GENERATORS for arm in generator.arms
    }


def test_known_words_are_those_of_training_and_new_words_are_others():
    maker = load("task_generators", Part(use="trading"))
    known_words = maker.model_copy(update={"frames": "training"})
    quote = wording("trading")["quote"]
    frames = {split: {skeleton(s) for frame in quote.of(split) for s in variants(frame)} for split in Split}
    for one, novelty, split in ((known_words, Novelty.KNOWN, Split.TRAIN), (maker, Novelty.WORDS, Split.HELDOUT)):
        arm = next(arm for arm in one.arms if arm.family == "buy")
        tasks = [one.make(arm, seed, Split.HELDOUT) for seed in range(60)]
        turns = [turn for task in tasks for turn in task.turns]
        quotes = [turn for turn in turns if [call.name for call in turn.plan] == ["get_stock_info"]]
        assert {task.novelty for task in tasks} == {novelty}
        assert quotes
        for turn in quotes:
            symbol = turn.plan[0].arguments["symbol"]
            bare = skeleton(re.sub(rf"\b{symbol}\b", "{}", turn.user))
            assert any(set(frame[1:-1]) <= set(bare) for frame in frames[split])


def test_a_closing_tells_what_the_results_hold():
    maker = load("task_generators", Part(use="trading"))
    arm = next(arm for arm in maker.arms if arm.family == "buy")
    task = next(t for t in (maker.make(arm, seed) for seed in range(50)) if t.turns[0].intent is Intent.ANSWER)
    _, results = run(task, open_world(task.backends, task.initial))[0]
    assert str(results[0].value["price"]) in closing(task.turns[0], results)
    played = play(Play(id="1", round=1, task=task, player=Part(use="scripted"), player_name="scripted"))
    assert Answer().check(task, played).passed


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[make", "cannot be read as wording"),
        ("[make]\ntraining = 3", r"\[make\]: 'training'"),
        ("[make]\ntraning = 'x'", r"\[make\]: 'traning'"),
        ("[make]\ntraining = 'a [b'", "bracket or a brace"),
        ("[make]\ntraining = 'a {b'", "bracket or a brace"),
        ("[make]\ntraining = '''\na\na\n'''", "stands there twice"),
        ("[make]\ntraining = '" + "[a|b|c|d]" * 6 + "'", "more than 512"),
    ],
)
def test_a_broken_file_is_one_error_that_names_it(tmp_path, text, told):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        read(tmp_path / "own.toml")
