from hypothesis import given
from hypothesis import strategies as st

from loop.student.engine.drafts import LENGTHS, Drafts

TEXTS = st.lists(st.lists(st.integers(0, 3), max_size=60), max_size=4)


def heard(texts, **options):
    drafts = Drafts(**options)
    for text in texts:
        drafts.heard(text, 0)
    return drafts


def places(texts, last):
    """Where these tokens are followed by something, in the order in which they were heard."""
    size = len(last)
    return [text[at:] for text in texts for at in range(size, len(text)) if text[at - size : at] == last]


@given(TEXTS, st.lists(st.integers(0, 3), max_size=20), st.integers(0, 20))
def test_a_guess_is_what_followed_the_longest_end_where_it_was_heard_last(texts, end, most):
    guess = heard(texts).after(end, most)
    known = [size for size in LENGTHS if size <= len(end) and places(texts, end[-size:])]
    if not known:
        assert guess == []
    else:
        assert guess == places(texts, end[-known[0] :])[-1][: min(known[0], most)]


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 60))
def test_a_text_may_be_told_as_it_grows(text, cut):
    growing = Drafts()
    live = text[:cut]
    growing.heard(live, 0)
    for token in text[cut:]:
        live.append(token)
        growing.heard(live, len(live) - 1)
    assert growing._after == heard([text])._after


def test_the_oldest_is_forgotten_first():
    drafts = heard([[1, 2, 3], [4, 5, 6]], kept=1)
    assert drafts.after([1, 2], 4) == []
    assert drafts.after([4, 5], 4) == [6]


def test_what_is_seen_again_counts_as_new():
    drafts = heard([[1, 2, 3], [4, 5, 6], [1, 2, 7], [8, 9, 10]], kept=2)
    assert drafts.after([1, 2], 4) == [7]
    assert drafts.after([4, 5], 4) == []
