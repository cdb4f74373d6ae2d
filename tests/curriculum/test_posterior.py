"""The posterior of an arm: what it learns, forgets and hands on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from curriculum.posterior import HERITAGE, PRIOR, fallen, inherit, interval, update
from loop.types import Arm, ArmKey, Tier

ARM = Arm(key=ArmKey(backends=("TradingBot",), family="buy", tier=Tier.EASY))
plays = st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
lives = st.lists(plays, max_size=12)

FEW = settings(max_examples=40, deadline=None)


def lived(life):
    arm = ARM
    for number, (wins, played) in enumerate(life):
        arm = update(arm, wins, played, number)
    return arm


@FEW
@given(lives)
def test_the_posterior_stays_a_distribution_and_counts_everything(life):
    arm = lived(life)
    assert arm.alpha >= PRIOR
    assert arm.beta >= PRIOR
    assert (arm.wins, arm.plays) == (sum(w for w, _ in life), sum(n for _, n in life))
    assert 0 < arm.rate < 1


@FEW
@given(plays)
def test_the_first_plays_make_the_textbook_posterior(played):
    wins, count = played
    arm = update(ARM, wins, count, 3)
    assert (arm.alpha, arm.beta) == (PRIOR + wins, PRIOR + count - wins)


@FEW
@given(lives, plays, plays)
def test_a_round_learned_in_two_parts_is_a_round_learned_at_once(life, one, other):
    arm, number = lived(life), len(life)
    parts = update(update(arm, *one, number), *other, number)
    whole = update(arm, one[0] + other[0], one[1] + other[1], number)
    assert parts == whole or (parts.alpha, parts.beta) == pytest.approx((whole.alpha, whole.beta))


@FEW
@given(st.integers(1, 30))
def test_evidence_fades_by_a_tenth_a_round(rounds):
    old = update(ARM, 8, 8, 0)
    arm = update(old, 0, 1, rounds)
    assert arm.alpha - PRIOR == pytest.approx(8 * 0.9**rounds)


def test_the_posterior_follows_a_student_that_changes():
    arm = lived([(0, 8)] * 10 + [(8, 8)] * 10)
    assert arm.wins / arm.plays == 0.5
    assert arm.rate > 0.6


@FEW
@given(lives)
def test_a_round_without_plays_touches_nothing(life):
    arm = lived(life)
    assert update(arm, 0, 0, 99) is arm


@pytest.mark.parametrize(("wins", "count"), [(5, 4), (-1, 4), (0, -1)])
def test_impossible_counts_are_refused(wins, count):
    with pytest.raises(ValueError, match="wins in"):
        update(ARM, wins, count, 0)


@FEW
@given(lives)
def test_a_new_champion_inherits_the_rate_but_little_evidence(life):
    arm = lived(life)
    heir = inherit(arm)
    assert heir.alpha + heir.beta - 2 * PRIOR <= HERITAGE + 1e-9
    before, after = (each.alpha - PRIOR for each in (arm, heir))
    evidence = arm.alpha + arm.beta - 2 * PRIOR
    assert after == pytest.approx(before * min(1, HERITAGE / evidence) if evidence else 0)
    assert heir.at_promotion == (heir.rate if arm.plays else None)
    assert heir.inherited is (arm.plays > 0)
    assert not update(heir, 1, 1, 99).inherited
    assert inherit(heir) == heir


@FEW
@given(lives)
def test_an_arm_falls_only_since_the_last_promotion(life):
    arm = inherit(lived([*life, (8, 8)]))
    worse = update(arm, 0, 40, 99)
    assert fallen(ARM) == 0
    assert fallen(worse) == pytest.approx(arm.at_promotion - worse.rate)


@FEW
@given(lives, st.floats(0.5, 0.99))
def test_the_interval_is_scipys(life, level):
    arm = lived(life)
    assert interval(arm, level) == pytest.approx(stats.beta.interval(level, arm.alpha, arm.beta))
