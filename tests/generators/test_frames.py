"""What suites have of training's words: nothing, but where a part says so."""

import pytest

from loop.types import Novelty, Split, Suite
from task_generators.suites import GENERATED, frames, suite
from task_generators.suites.frames import Frames, FrameShare, shares, trained
from task_generators.writing.wording import variants, wording

SEALED = [f"{name}-sealed" for name in GENERATED]
OWN = {Novelty.WORDS, Novelty.FAMILY}


@pytest.fixture(scope="module")
def told():
    return shares([suite(name) for name in (*GENERATED, *SEALED)])


def test_nothing_held_out_or_sealed_is_worded_like_training(told):
    own = [share for share in told if share.part in OWN]
    assert [share for share in own if share.trained] == []
    assert {share.suite for share in own} >= {*GENERATED, *SEALED}
    assert sum(share.turns for share in own) > 10_000


def test_what_is_said_to_be_in_known_words_is_in_training_s(told):
    """This is how the test above is known to see anything."""
    known = [share for share in told if share.part is Novelty.KNOWN]
    assert sum(share.trained for share in known) > 0.97 * sum(share.turns for share in known)
    assert all(share.allowed for share in told)


@pytest.mark.parametrize("backend", ["trading", "travel", "tickets", "messages", "files", "vehicle", "sql"])
def test_a_training_sentence_planted_in_a_sealed_task_is_found(backend):
    held = suite(f"{backend}-veryhard-sealed")
    task, move = held.tasks[0], next(iter(wording(backend).values()))
    for sentence in variants(move.training[0])[:5]:
        user = f"Good day. {sentence.format_map(Anything())}"
        planted = task.model_copy(update={"turns": (task.turns[0].model_copy(update={"user": user}),)})
        (share,) = shares([Suite(name="planted", tasks=(planted,))])
        assert share == FrameShare(suite="planted", part=task.novelty, turns=1, trained=1, example=user)
        assert not share.allowed


class Anything(dict[str, str]):
    """A number is a value anywhere."""

    def __missing__(self, name: str) -> str:
        return "7" if name != "numbers" else "7, 8 and 9"


def test_a_frame_is_found_whatever_its_values_are_and_however_it_is_spelt():
    looking = Frames(["[Buy|Get] {count} of {symbol}[|, please].", "{value}[|.| please]"])
    values = frozenset({"zeta", "corp"})
    assert looking.has("Thank you. buy 12 of Zeta Corp, please! What now?", values)
    assert looking.has("Get 12 of\nZETA", values)


def test_other_words_between_are_another_frame_and_blanks_alone_are_none():
    looking = Frames(["[Buy|Get] {count} of {symbol}[|, please].", "{value}[|.| please]"])
    values = frozenset({"zeta"})
    others = ("ZETA, please", 'Say "Buy 12 of ZETA." to him', "Sell 12 of ZETA.")
    for text in ("Buy 12 more of ZETA", "Buy 12 of it.", *others):
        assert not looking.has(text, values)


def test_what_others_wrote_is_counted_but_no_fault():
    written = suite("depth-hard")
    assert {share.part for share in shares([written])} == {None, Novelty.KNOWN, Novelty.WORDS}
    assert FrameShare(suite="bfcl-base", part=None, turns=9, trained=3).allowed


def test_training_has_thousands_of_frames():
    assert sum(map(len, trained()._by_word.values())) > 1500
    assert Split.TRAIN not in {task.split for name in GENERATED for task in suite(name).tasks}
    assert frames.NO_MOVES == ("manners",)
