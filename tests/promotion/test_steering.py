"""The operator steers: arms by name and by weight, gates paused and seen to be."""

import pytest

from loop import plugins
from loop.errors import ConfigError, FailureKind, ProviderError
from loop.testing import Apprentice
from loop.types import Part, Record

ARM = str(plugins.load("task_generators", Part(use="files")).arms[0])


@pytest.fixture
def steered(rehearsal):
    rehearsal.live(rounds=0)
    return rehearsal


def shown(rehearsal):
    return {row["arm"]: (row["weight"], row["frozen"]) for row in rehearsal.json("curriculum", "show")["rows"]}


def test_an_arm_is_weighed_and_frozen_and_the_answer_says_what_holds_now(steered):
    assert steered.loopd("curriculum", "set", ARM, "--weight", "2.5").startswith(f"{ARM}: weight 2.5, drawn by its")
    assert shown(steered) == {ARM: (2.5, 0)}
    assert steered.loopd("curriculum", "freeze", ARM).startswith(f"{ARM}: weight 2.5, frozen")
    assert shown(steered) == {ARM: (2.5, 1)}
    steered.loopd("curriculum", "freeze", ARM, "--off")
    assert shown(steered) == {ARM: (2.5, 0)}


@pytest.mark.parametrize("arm", [ARM.removesuffix("y"), ARM.lower(), "Nowhere/looking/easy", "nonsense", ""])
def test_an_arm_that_nobody_makes_is_refused_with_the_nearest(steered, arm):
    for words in (("set", arm, "--weight", "2"), ("freeze", arm)):
        said = steered.loopd("curriculum", *words, code=1)
        assert f"has the arm '{arm}'. The nearest: " in said
    assert ARM in steered.loopd("curriculum", "freeze", ARM.removesuffix("y"), code=1)
    assert shown(steered) == {}


@pytest.mark.parametrize("weight", ["-1", "inf", "nan", "1001", "much"])
def test_a_weight_that_nothing_could_be_drawn_by_is_refused(steered, weight):
    steered.loopd("curriculum", "set", ARM, f"--weight={weight}", code=2)
    assert shown(steered) == {}


def test_a_pause_is_seen_where_one_looks(steered):
    steered.loopd("gate", "pause", "depth")
    assert "Paused gates: depth; nobody is promoted meanwhile. Resume: loopd gate resume depth" in steered.loopd(
        "status"
    )
    assert steered.json("status")["paused"] == ["depth"]
    for words, reason in ((("--reason", "a leak"), "a leak"), ((), "a leak"), (("--reason", "mended"), "mended")):
        steered.loopd("gate", "pause", "depth", *words)
        assert f"Paused gates: depth ({reason}); nobody is promoted" in steered.loopd("status")
    assert "There is no gate 'dept'. Did you mean 'depth'?" in steered.loopd("gate", "resume", "dept", code=1)
    steered.loopd("gate", "resume", "depth")
    assert "Paused" not in steered.loopd("status")
    assert steered.json("status")["paused"] == []


class Grounded(Apprentice):
    """A student whose server dies of every task of the travel agency."""

    def open(self, task, seed):
        if "TravelAPI" in task.backends and task.split == "train":
            raise ProviderError(FailureKind.BAD_INPUT, "no")
        return super().open(task, seed)


class Gone(Apprentice):
    """A student that is nowhere."""

    def open(self, task, seed):
        raise ProviderError(FailureKind.BAD_INPUT, "no")


def lost_plays(rehearsal):
    query = "select round, count(*) as n from play where state = 'dead' and policy is not null group by 1 order by 1"
    return {row["round"]: row["n"] for row in rehearsal.json("sql", query)["rows"]}


def test_arms_that_nobody_can_play_are_parked_with_an_event_and_tried_again(rehearsal):
    told = rehearsal.home / "loopd.toml"
    told.write_text(told.read_text().replace("loop.testing:Apprentice", f"{__name__}:Grounded"))
    rehearsal.live(rounds=5)
    lost = lost_plays(rehearsal)
    assert {1, 2} <= lost.keys()
    assert not {3, 4} & lost.keys()
    with rehearsal.store() as store:
        parked = [event.fields for event in store.events.read(kind="curriculum.parked")]
    assert parked
    assert {fields["arm"].split("/")[0] for fields in parked} == {"TravelAPI"}
    rows = rehearsal.json("curriculum", "show")["rows"]
    assert {row["backends"] for row in rows if row["rests_until"] is not None} == {"TravelAPI"}
    arm = parked[0]["arm"]
    rehearsal.loopd("curriculum", "freeze", arm, "--off")
    assert {row["arm"]: row["rests_until"] for row in rehearsal.json("curriculum", "show")["rows"]}[arm] is None


def test_a_round_in_which_nothing_could_be_played_parks_nothing(rehearsal):
    told = rehearsal.home / "loopd.toml"
    told.write_text(told.read_text().replace("loop.testing:Apprentice", f"{__name__}:Gone"))
    rehearsal.live(rounds=2)
    with rehearsal.store() as store:
        assert not [*store.events.read(kind="curriculum.parked")]


class Unserved(Record):
    """A player that takes no address."""

    temperature: float = 0
    top_p: float = 1
    max_tokens: int = 1


@pytest.mark.parametrize(
    ("player", "said"),
    [
        ("my.players:Student", "no module 'my.players'.*PYTHONPATH=DIRECTORY"),
        ("loop.testing:Nobody", "cannot be loaded"),
        (f"{__name__}:Unserved", "has no field 'url'"),
        ("loop.testing:FAKE", "cannot be loaded|has no field"),
        ("apprentise", "no 'apprentise' in teachers"),
    ],
)
def test_a_students_player_that_no_worker_could_build_is_refused_at_the_start(rehearsal, player, said):
    told = rehearsal.home / "loopd.toml"
    told.write_text(told.read_text().replace("loop.testing:Apprentice", player))
    with pytest.raises(ConfigError, match=said):
        rehearsal.live(rounds=0)
