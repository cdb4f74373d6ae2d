"""What the samplers choose: floors kept, nothing twice, the edge of skill preferred, nothing asked of closed arms."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.parking import lost, rests, returned
from curriculum.posterior import inherit, update
from curriculum.sampler import More
from curriculum.spread import spread
from curriculum.thompson import Thompson
from loop import plugins
from loop.errors import ConfigError
from loop.types import Arm, ArmKey, Part, Tier
from task_generators.suites import FIRST_SEED

ALL = frozenset(Tier)
NAMES = ("Math", "SQL", "Trading", "Travel")


def key(*backends, family="f", tier=Tier.EASY):
    return ArmKey(backends=backends, family=family, tier=tier)


def known(arm, wins, plays, number=0):
    return update(Arm(key=arm), wins, plays, number)


def picked(sampler, arms, keys, tasks=400, number=1):
    return Counter(request.arm for request in sampler.pick(arms, keys, tasks, random.Random(1), number))


@pytest.mark.parametrize("name", ["thompson", "uniform", "hardest"])
def test_samplers_are_found_by_name(name):
    sampler = plugins.load("curriculum", Part(use=name, settings={"samples": 8, "most_samples": 16}))
    assert len(sampler.pick((), [key("Math")], 5, random.Random(0), 1)) == 5


keys_of = st.lists(
    st.builds(
        key,
        st.sampled_from(NAMES),
        family=st.sampled_from(["a", "b", "c"]),
        tier=st.sampled_from(list(Tier)),
    )
    | st.builds(
        lambda pair, tier: key(*pair, tier=tier), st.permutations(NAMES).map(lambda p: p[:2]), st.sampled_from(Tier)
    ),
    min_size=1,
    max_size=30,
    unique=True,
)


@given(keys_of, st.integers(0, 300), st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_every_backend_gets_its_floor_whatever_the_arms_say(keys, tasks, number, data):
    arms = [
        known(each, data.draw(st.integers(0, 9)), 9).model_copy(
            update={"frozen": data.draw(st.booleans()), "weight": data.draw(st.sampled_from([0.0, 1.0, 50.0]))}
        )
        for each in keys
    ]
    requests = Thompson().pick(arms, keys, tasks, random.Random(number), number)
    backends = {backend for each in keys for backend in each.backends}
    due = min(-(-tasks // 10), tasks // len(backends))
    assert len(requests) == tasks
    for backend in backends:
        assert sum(backend in request.arm.backends for request in requests) >= due


@given(keys_of, st.integers(0, 300), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_no_task_twice_in_a_round_and_seeds_are_of_training(keys, tasks, seed):
    requests = Thompson().pick((), keys, tasks, random.Random(seed), 1)
    assert len({(str(request.arm), request.seed) for request in requests}) == tasks
    assert all(0 <= request.seed < min(FIRST_SEED.values()) for request in requests)


def test_the_same_round_asks_for_the_same_tasks():
    keys = [key(name, family=family) for name in NAMES for family in "abc"]
    one, other = (Thompson().pick((), keys, 50, random.Random(4), 1) for _ in range(2))
    assert one == other
    assert one != Thompson().pick((), keys, 50, random.Random(5), 1)


def test_most_plays_go_to_the_edge_of_skill():
    easy, edge, lost = (key("Math", family=family) for family in ("easy", "edge", "lost"))
    arms = [known(easy, 100, 100, 1), known(edge, 50, 100, 1), known(lost, 0, 100, 1)]
    chosen = picked(Thompson(), arms, [easy, edge, lost])
    assert chosen[edge] > 0.8 * 400


def test_a_stale_arm_is_visited_again():
    fresh, stale = key("Math", family="fresh"), key("Math", family="stale")
    arms = [known(fresh, 50, 100, 9), known(stale, 1000, 1000, 1)]
    assert picked(Thompson(), arms, [fresh, stale], number=10)[stale] >= 0.08 * 400
    assert picked(Thompson(stale=0), arms, [fresh, stale], number=10)[stale] < 0.05 * 400


def test_an_unseen_arm_is_looked_at():
    seen, new = [key("Math", family=f"s{n}") for n in range(40)], key("Math", family="new")
    arms = [known(each, 50, 100, 1) for each in seen]
    assert picked(Thompson(), arms, [*seen, new])[new] >= 0.1 * 400


def test_an_arm_that_fell_since_the_promotion_comes_before_its_equal():
    fell, steady = key("Math", family="fell"), key("Math", family="steady")
    arms = [known(fell, 500, 1000, 1).model_copy(update={"at_promotion": 0.9}), known(steady, 500, 1000, 1)]
    chosen = picked(Thompson(stale=0), arms, [fell, steady], tasks=1000)
    assert chosen[fell] / chosen[steady] == pytest.approx(1 + 4 * 0.4, rel=0.25)


def test_an_operator_weighs_and_freezes():
    plain, heavy, frozen = (key("Math", family=family) for family in ("plain", "heavy", "frozen"))
    arms = [known(each, 500, 1000, 1) for each in (plain, heavy, frozen)]
    arms[1] = arms[1].model_copy(update={"weight": 3.0})
    arms[2] = arms[2].model_copy(update={"frozen": True})
    chosen = picked(Thompson(), arms, [plain, heavy, frozen], tasks=1000)
    assert chosen[frozen] == 0
    assert chosen[heavy] / chosen[plain] == pytest.approx(3, rel=0.3)


def test_a_tier_opens_when_the_one_below_is_mastered():
    tiers = {tier: key("Math", tier=tier) for tier in Tier}
    keys = list(tiers.values())
    assert set(picked(Thompson(), [known(tiers[Tier.MODERATE], 4, 10)], keys)) == {
        tiers[Tier.EASY],
        tiers[Tier.MODERATE],
    }
    mastered = [known(tiers[Tier.MODERATE], 19, 20)]
    assert set(picked(Thompson(), mastered, keys)) == set(keys) - {tiers[Tier.VERYHARD]}
    assert set(picked(Thompson(free=ALL), [], keys)) == set(keys)


def test_the_first_tier_of_a_family_is_open_wherever_it_begins():
    keys = [key("Math", tier=Tier.HARD), key("Math", tier=Tier.VERYHARD)]
    assert set(picked(Thompson(), [], keys)) == {keys[0]}


def test_a_pair_opens_when_both_its_backends_are_mastered_alone():
    one, other, pair = key("Math"), key("SQL"), key("Math", "SQL")
    half = [known(one, 19, 20)]
    assert pair not in picked(Thompson(), half, [one, other, pair])
    assert pair in picked(Thompson(), [*half, known(other, 19, 20)], [one, other, pair])
    assert pair in picked(Thompson(), [], [pair])


def frozen(arm):
    return Arm(key=arm, frozen=True)


def test_what_was_frozen_before_it_was_ever_played_keeps_nothing_closed():
    tiers = {tier: key("Math", tier=tier) for tier in Tier}
    sampler, keys = Thompson(free=frozenset()), list(tiers.values())
    assert set(picked(sampler, [], keys)) == {tiers[Tier.EASY]}
    assert set(picked(sampler, [frozen(tiers[Tier.EASY])], keys)) == {tiers[Tier.MODERATE]}
    behind = [frozen(tiers[Tier.EASY]), known(tiers[Tier.MODERATE], 19, 20)]
    assert set(picked(sampler, behind, keys)) == {tiers[Tier.MODERATE], tiers[Tier.HARD]}
    one, other, pair = key("Math"), key("SQL"), key("Math", "SQL")
    assert pair in picked(Thompson(), [frozen(one), known(other, 19, 20)], [one, other, pair])


def test_families_open_one_after_the_other_as_those_before_them_are_mastered():
    first, second, third = (key("Math", family=family) for family in ("chain", "area", "rest"))
    other, harder = key("SQL", family="same"), key("Math", family="area", tier=Tier.HARD)
    keys = [second, harder, first, third, other]
    sampler = Thompson(families=frozenset({"chain"}))
    assert set(picked(sampler, [], keys)) == {first, other}, "a backend without one of them begins with its first"
    assert set(picked(sampler, [known(first, 10, 20)], keys)) == {first, other}
    assert set(picked(sampler, [known(first, 19, 20)], keys)) == {first, second, other}
    both = [known(first, 19, 20), known(second, 19, 20)]
    assert set(picked(sampler, both, keys)) == {*keys}
    assert set(picked(sampler, [frozen(first)], keys)) == {second, other}
    assert set(picked(Thompson(), [], keys)) == {*keys} - {harder}


def test_a_backend_without_an_open_arm_keeps_its_floor():
    pair = key("Math", "SQL")
    chosen = picked(Thompson(), [], [key("Math"), pair], tasks=100)
    assert chosen[pair] >= 10


def test_small_rounds_serve_every_backend_in_turn():
    keys = [key(name) for name in NAMES]
    rounds = [picked(Thompson(), [], keys, tasks=2, number=number) for number in range(4)]
    assert {each.backends[0] for chosen in rounds for each in chosen} == set(NAMES)


def test_arms_that_are_not_allowed_are_left_alone():
    chosen = picked(Thompson(), [known(key("SQL"), 5, 10)], [key("Math")])
    assert set(chosen) == {key("Math")}


def test_nothing_to_choose_from_says_what_to_change():
    with pytest.raises(ConfigError, match="allow more backends"):
        Thompson().pick((), (), 4, random.Random(0), 1)


def test_teachers_play_alone_where_the_student_has_no_chance():
    lost, able, new = key("Math"), key("SQL"), key("Travel")
    requests = Thompson().teach([known(lost, 0, 8), known(able, 4, 8)], [lost, able, new], 20, random.Random(0))
    assert {request.arm for request in requests} == {lost}
    assert all(request.teacher and request.samples == 0 for request in requests)
    assert Thompson().teach([known(able, 4, 8)], [able, new], 20, random.Random(0)) == ()


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        ({"plays": 8, "wins": 1}, More()),
        ({"plays": 5, "wins": 0}, More(samples=3)),
        ({"plays": 8, "wins": 0}, More(samples=8)),
        ({"plays": 16, "wins": 0, "teachers": 2}, More(teacher=True)),
        ({"plays": 16, "wins": 0}, More()),
        ({"plays": 16, "wins": 0, "teachers": 2, "teacher_plays": 1}, More(teacher=True)),
        ({"plays": 16, "wins": 0, "teachers": 2, "teacher_plays": 2, "teacher_wins": 1}, More()),
        ({"plays": 16, "wins": 0, "teachers": 2, "teacher_plays": 2}, More(suspected=True)),
    ],
)
def test_who_plays_more(tally, expected):
    assert Thompson(samples=8).more(**tally) == expected
    assert Thompson(samples=8, most_samples=16).more(**tally) == expected


def test_a_quickstart_asks_the_teacher_after_four_losses():
    assert Thompson(samples=4).more(plays=4, wins=0, teachers=1) == More(teacher=True)


def test_a_first_round_hardly_ever_leaves_an_open_arm_without_a_look():
    tiers = (Tier.EASY, Tier.MODERATE, Tier.HARD)
    keys = [key(name, family=family, tier=tier) for name in NAMES[:3] for family in "ab" for tier in tiers]
    sampler = Thompson(samples=4, unseen=0, free=frozenset(tiers))
    rounds = [{each.arm for each in sampler.pick((), keys, 48, random.Random(seed), 1)} for seed in range(200)]
    assert sum(len(keys) - len(seen) for seen in rounds) <= 3  # drawn one by one it is 230


def test_a_first_round_with_a_task_for_every_arm_leaves_none_without_a_look():
    tiers = (Tier.EASY, Tier.MODERATE, Tier.HARD)
    keys = [key(name, family=family, tier=tier) for name in NAMES[:3] for family in "ab" for tier in tiers]
    sampler = Thompson(samples=4, free=frozenset(tiers))
    for seed in range(200):
        assert {each.arm for each in sampler.pick((), keys, 24, random.Random(seed), 1)} == set(keys)


def test_a_new_champion_is_looked_at_in_every_arm_before_a_teacher_is_asked():
    arms = [inherit(known(key("Math", family=f"f{n}"), 0, 8, 1)) for n in range(6)]
    keys = [arm.key for arm in arms]
    assert Thompson().teach(arms, keys, 20, random.Random(0)) == ()
    assert {each.arm for each in Thompson().pick(arms, keys, 6, random.Random(0), 2)} == set(keys)
    played = [update(arms[0], 0, 4, 2), *arms[1:]]
    assert {each.arm for each in Thompson().teach(played, keys, 20, random.Random(0))} == {keys[0]}


def test_what_a_rounds_own_plays_open_is_looked_at_within_the_round():
    keys = [key("Math", tier=tier) for tier in (Tier.MODERATE, Tier.HARD, Tier.VERYHARD)]
    able, begun = known(keys[0], 8, 8), known(keys[0], 2, 8)
    sampler = Thompson(samples=4)
    assert sampler.look([], [begun], keys, random.Random(0)) == ()
    assert sampler.look([able], [able], keys, random.Random(0)) == (), "it was open before"
    [request] = sampler.look([begun], [able], keys, random.Random(0))
    assert (request.arm, request.samples, request.teacher) == (keys[1], 4, False)
    assert sampler.look([begun], [able, known(keys[1], 0, 4)], keys, random.Random(0)) == ()
    [further] = sampler.look([begun], [able, known(keys[1], 4, 4)], keys, random.Random(0))
    assert further.arm == keys[2]


def test_what_a_champion_has_opened_is_open_for_the_next_one():
    keys = [key("Math", tier=tier) for tier in (Tier.MODERATE, Tier.HARD)]
    able = inherit(known(keys[0], 6, 8))
    assert able.rate < Thompson().mastered
    assert picked(Thompson(), [able], keys)[keys[1]]


def test_arms_that_come_first_leave_every_backend_its_floor():
    members = np.repeat(np.eye(3, dtype=bool), [8, 1, 1], axis=1)
    chosen = spread(np.ones(10), members, 10, 0.2, np.random.default_rng(0), np.arange(8))
    assert (members[:, chosen].sum(axis=1) >= 2).all()
    assert len(set(chosen[chosen < 8].tolist())) == 6


def test_arms_are_drawn_as_often_as_their_weights_say():
    drawn = Counter(
        spread(np.array([1.0, 0.0, 2.0, 5.0]), np.ones((1, 4), bool), 80, 0.0, np.random.default_rng(0)).tolist()
    )
    assert drawn == {0: 10, 2: 20, 3: 50}


def test_an_arm_whose_plays_are_all_lost_is_parked_and_tried_again_less_and_less_often():
    arm, tried = Arm(key=key("Math")), []
    for number in range(1, 200):
        if not rests(arm, number):
            tried.append(number)
            arm = lost(arm, number)
    gaps = [later - sooner - 1 for sooner, later in pairwise(tried)]
    assert gaps[:8] == [0, 2, 4, 8, 16, 32, 32, 32]
    assert not rests(returned(arm), 200)
    assert lost(returned(arm), 200).rests_until is None


@pytest.mark.parametrize("name", ["thompson", "uniform", "hardest"])
def test_a_parked_arm_draws_nothing_and_the_others_all_the_more(name):
    keys = [key("Math", family=family) for family in "abc"] + [key("SQL")]
    dead = lost(lost(Arm(key=keys[0]), 3), 4)
    sampler = plugins.load("curriculum", Part(use=name))
    drawn = picked(sampler, [dead], keys, number=5)
    assert drawn[keys[0]] == 0
    assert sum(drawn.values()) == 400
    assert picked(sampler, [dead], keys, number=dead.rests_until)[keys[0]] > 0


def test_a_backend_all_of_whose_arms_are_parked_has_no_floor_until_it_is_tried_again():
    dead = [lost(lost(Arm(key=key("Math", family=family)), 1), 2) for family in "ab"]
    keys = [*(arm.key for arm in dead), key("SQL")]
    assert picked(Thompson(floor=0.1), dead, keys, number=3) == {key("SQL"): 400}
    assert picked(Thompson(floor=0.1), dead, keys, number=5)[keys[0]] > 0


def test_where_everything_is_parked_everything_is_tried():
    dead = [lost(lost(Arm(key=key("Math", family=family)), 1), 2) for family in "ab"]
    assert len(picked(Thompson(), dead, [arm.key for arm in dead], number=3)) == 2
