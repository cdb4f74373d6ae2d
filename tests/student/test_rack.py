import mlx.core as mx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loop.compute.layout import PAGE, Work, lay_out, pages_of
from loop.student.engine.attention import Shelf
from loop.student.engine.rack import Rack

K, D = 2, 3
lengths = st.integers(1, 3 * PAGE)
number = st.integers(0, 100)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), lengths, number),
        st.tuples(st.just("go on"), lengths, number),
        st.tuples(st.just("share"), lengths, number),
        st.tuples(st.just("end"), lengths, number),
        st.tuples(st.just("shrink"), lengths, number),
    ),
    max_size=25,
)


def rack():
    return Rack([Shelf(mx.zeros((0, K, PAGE, D)), mx.zeros((0, K, PAGE, D))) for _ in range(2)], token_bytes=1)


class Tails:
    """Tails on a rack, and the numbers that were written to each."""

    def __init__(self):
        self.rack = rack()
        self.pages, self.numbers = [], []
        self.next = 0.0

    def begin(self, length, _):
        self.pages.append([])
        self.numbers.append([])
        self.write(-1, length)

    def go_on(self, length, which):
        self.write(which % len(self.pages), length)

    def share(self, length, which):
        which %= len(self.pages)
        length = min(length, len(self.numbers[which]))
        self.pages.append(self.rack.share(self.pages[which], length))
        self.numbers.append(self.numbers[which][:length])
        self.write(-1, 1 + length % 70)

    def end(self, _, which):
        which %= len(self.pages)
        self.rack.release(self.pages.pop(which))
        del self.numbers[which]

    def shrink(self, *_):
        self.rack.shrink(self.pages)
        assert self.rack.count == len({page for pages in self.pages for page in pages})

    def write(self, which, length):
        start = len(self.numbers[which])
        self.rack.reserve([(self.pages[which], start + length)])
        new = [self.next + index for index in range(length)]
        self.next += length
        spots = lay_out([Work(self.pages[which], start, length, None, 0)], K).spots
        written = mx.broadcast_to(mx.array(new)[:, None, None, None], (length, K, 1, D))
        for shelf in self.rack.shelves:
            shelf.write(spots, written, -written)
        self.numbers[which] += new

    def check(self):
        for pages, numbers in zip(self.pages, self.numbers, strict=True):
            assert len(pages) >= pages_of(len(numbers))
            for shelf in self.rack.shelves:
                held = np.array(shelf.keys)[pages].swapaxes(0, 1).reshape(K, -1, D)[:, : len(numbers)]
                assert (held == np.array(numbers)[None, :, None]).all()
                held = np.array(shelf.values)[pages].swapaxes(0, 1).reshape(K, -1, D)[:, : len(numbers)]
                assert (held == -np.array(numbers)[None, :, None]).all()


@given(steps)
def test_every_tail_holds_what_was_written_to_it_whatever_others_do(taken):
    tails = Tails()
    for name, length, which in taken:
        if tails.pages or name in ("begin", "shrink"):
            getattr(tails, name.replace(" ", "_"))(length, which)
        tails.check()
    while tails.pages:
        tails.end(0, 0)
    assert len(tails.rack._free) == tails.rack.count
    tails.shrink()
    assert tails.rack.nbytes == 0


def test_what_two_tails_begin_with_is_there_once():
    tails = Tails()
    tails.begin(3 * PAGE, 0)
    for _ in range(4):
        tails.pages.append(tails.rack.share(tails.pages[0], 2 * PAGE + 1))
    assert tails.rack.count - len(tails.rack._free) == 3 + 4
    assert len({tuple(pages[:2]) for pages in tails.pages}) == 1


def test_it_grows_by_an_eighth_at_least_where_it_may_and_else_by_what_it_must():
    roomy, tight = rack(), rack()
    roomy.most = 100
    for each in (roomy, tight):
        each.reserve([([], 16 * PAGE)])
        assert each.count == 16
        each.reserve([([], 1)])
    assert (roomy.count, tight.count) == (18, 17)
