"""Words are spelled so that whatever stands in a text is found by them."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loop.store.words import LONGEST, MOST, WORD, Sought, sought, spelled

TEXTS = st.lists(
    st.one_of(
        st.text(max_size=12), st.sampled_from(["file", "FILES", "naïve", "ΟΔΟΣ", "你好世界", "x" * 60, "_", " ", "-"])
    ),
    max_size=8,
).map("".join)


@given(TEXTS, st.data())
def test_a_piece_of_a_text_that_begins_a_word_is_found(text, data):
    starts = [found.start() for found in WORD.finditer(text)]
    assume(starts)
    start = data.draw(st.sampled_from(starts))
    asked = sought(text[start : data.draw(st.integers(start + 1, len(text)))])
    words = spelled([text]).split()
    assert set(asked.whole) <= set(words) or len(asked.whole[-1]) == 1
    assert any(word.startswith(asked.begun) for word in words)


@given(TEXTS)
def test_every_index_takes_words_apart_alike(text):
    for word in spelled([text]).split():
        assert word.isascii()
        assert word.isalnum()
        assert word == word.lower()
        assert len(word) <= LONGEST


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("Refund the order", Sought(("refund", "the"), "order")),
        ("order.", Sought(("order",), "")),
        ("order t", Sought(("order",), "")),
        ("x", Sought(("x",), "")),
        ('{"amount": 12.50}', Sought(("amount", "12", "50"), "")),
        (" %_- ", None),
        ("", None),
    ],
)
def test_a_phrase_is_taken_apart(phrase, found):
    assert sought(phrase) == found


def test_a_play_has_so_many_words_at_most():
    assert len(spelled(f"w{n}" for n in range(MOST + 5)).split()) == MOST
