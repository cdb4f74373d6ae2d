"""Rows that are chosen as a training goes: each once, every group alike, and what is got wrong sooner."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.templates.spans import TokenSpan
from loop.training.job import TrainingExample
from loop.training.masks import RowTurn, TrainingRow
from loop.training.needs import Sought, turns_of
from loop.types import Call, Catalogue, Message


def made(number, kinds, group="a", learned=3):
    turns = tuple(RowTurn(frozenset({10 * kind, 10 * kind + 1}), learned) for kind in kinds)
    tokens = tuple(range(2 + learned * len(kinds)))
    return TrainingRow(f"{group}{number}", tokens, (False, *[True] * (len(tokens) - 2)), group, turns=turns)


def tenth(steps):
    return max(1, steps // 10)


def lost(rows, of_kind):
    """What each learned token loses where a turn of a kind loses so much."""
    kinds = {row.id: [min(turn.traits) // 10 for turn in row.turns] for row in rows}
    return {
        row.id: np.concatenate(
            [
                np.full(turn.learned, of_kind[kind] / turn.learned)
                for turn, kind in zip(row.turns, kinds[row.id], strict=True)
            ]
        )
        for row in rows
    }


def gone(course, of_kind):
    steps = []
    for number in range(course.count):
        rows = course.step(number)
        course.learn(lost(rows, of_kind))
        steps.append([row.id for row in rows])
    return steps


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 5), st.integers(1, 3), st.integers(0, 3))
def test_no_row_comes_twice_and_groups_take_turns(count, take, size, groups, seed):
    rng = random.Random(seed)
    rows = [made(n, [rng.randrange(4)] * rng.randrange(1, 3), "abc"[n % groups]) for n in range(count)]
    steps = gone(Sought(rows, take, size, tenth, seed), dict.fromkeys(range(4), 1.0))
    names = [name for step in steps for name in step]
    assert len(names) == len(set(names))
    assert abs(len(names) - min(take, count)) <= size
    had, offered = Counter(name[0] for name in names), Counter(row.group for row in rows)
    for group, there in offered.items():
        assert abs(had[group] - len(names) * there / count) <= size + 1, "the mix stays as it is"


def test_what_is_got_wrong_comes_more_often_and_without_losses_all_alike():
    rows = [made(number, [number % 8]) for number in range(800)]
    kinds = {row.id: number % 8 for number, row in enumerate(rows)}

    def shown(of_kind):
        steps = gone(Sought(rows, 200, 4, tenth, 1), of_kind)
        return Counter(kinds[name] for step in steps for name in step)

    wrong = shown({kind: 4.0 if kind == 5 else 0.01 for kind in range(8)})
    assert wrong[5] > 2.5 * max(count for kind, count in wrong.items() if kind != 5)
    assert min(wrong.values()) >= 8, "the lots still show everything"
    alike = shown(dict.fromkeys(range(8), 1.0))
    assert max(alike.values()) < 2.5 * min(alike.values())


def test_what_was_learned_since_is_left_alone():
    rows = [made(number, [number % 8]) for number in range(800)]
    course, shown = Sought(rows, 200, 4, tenth, 1), []
    for number in range(course.count):
        step = course.step(number)
        course.learn(lost(step, {kind: 4.0 if kind == 5 and number < 20 else 0.01 for kind in range(8)}))
        shown += [(number, row.id) for row in step]
    kinds = {row.id: number % 8 for number, row in enumerate(rows)}
    late = Counter(kinds[name] for number, name in shown if number >= 35)
    assert late[5] <= 2 * sorted(late.values())[len(late) // 2]


def test_what_was_never_shown_comes_before_what_is_known_to_be_right():
    rows = [made(number, [number % 40 if number < 120 else 0]) for number in range(600)]
    course, kinds, seen, wrong = Sought(rows, 160, 4, tenth, 1), {}, set(), []
    for row in rows:
        kinds[row.id] = min(row.turns[0].traits) // 10
    for number in range(course.count):
        step = course.step(number)
        course.learn({row.id: np.full(3, 0.01 if kinds[row.id] in seen else 1.0) for row in step})
        wrong.append(sum(kinds[row.id] not in seen for row in step))
        seen |= {kinds[row.id] for row in step}
    assert seen == set(range(40)), "a fifth of the rows shows them, and by lot half of them would be left"
    assert sum(wrong[4:26]) >= 0.9 * sum(wrong[4:])


def test_gone_through_again_it_goes_on_as_it_would_have():
    rng = random.Random(2)
    rows = [made(number, [rng.randrange(6), rng.randrange(6)], "ab"[number % 2]) for number in range(120)]
    of_kind = {kind: float(kind) for kind in range(6)}
    whole = Sought(rows, 80, 4, tenth, 3)
    steps = gone(whole, of_kind)
    for stop in (1, 2, 9, 19):
        later = Sought(rows, 80, 4, tenth, 3)
        later.again(whole.told[:stop])
        assert [row.id for row in later.step(stop)] == steps[stop]


def test_an_engine_that_tells_nothing_leaves_it_to_novelty():
    rows = [made(number, [number % 8 if number % 3 else 0]) for number in range(300)]
    course = Sought(rows, 100, 4, tenth, 1)
    for number in range(course.count):
        assert course.step(number)
        course.learn({})
    assert len(course.told) == course.count


def test_turns_are_told_by_what_is_asked_and_hold_all_that_is_learned():
    def said(*calls):
        return Message(role="assistant", content="" if calls else "Done.", calls=calls)

    messages = (
        Message(role="system", content="s"),
        Message(role="user", content="Make a folder plum"),
        said(Call(name="mkdir", arguments={"dir_name": "plum"})),
        Message(role="tool", content="{}", name="mkdir", ok=True),
        said(),
        Message(role="user", content="Show it"),
        said(),
    )
    other = (
        *messages[:1],
        Message(role="user", content="Make a folder pear"),
        said(Call(name="mkdir", arguments={"dir_name": "pear"})),
    )
    spans = [TokenSpan((1, 2, 3), message.role == "assistant", place) for place, message in enumerate(messages)]
    first, second = turns_of(TrainingExample(id="x", messages=messages, catalogue=Catalogue()), spans)
    (alike,) = turns_of(TrainingExample(id="y", messages=other, catalogue=Catalogue()), spans[:3])
    assert (first.learned, second.learned) == (6, 3)
    assert first.traits == alike.traits, "only the literal differs"
    assert not first.traits & second.traits


@pytest.mark.parametrize("take", [1, 3])
def test_fewer_rows_than_a_step_are_one_step(take):
    course = Sought([made(number, [0]) for number in range(2)], take, 4, tenth, 0)
    assert course.count == 1
    assert 1 <= len(course.step(0)) <= 2
