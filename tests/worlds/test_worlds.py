"""A world belongs to one play."""

import decimal
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import mpmath
import pytest

from loop.canonical import canonical, digest
from loop.errors import ConfigError
from loop.types import Call
from task_generators.backends.backend import backends
from task_generators.backends.bfcl import entries, entry_task
from task_generators.backends.catalogues import catalogue, tools_of
from task_generators.backends.mutants import gold_script, played
from task_generators.backends.worlds import MAX_CALLS, open_world

TREE = {
    "root": {
        "home": {
            "type": "directory",
            "contents": {
                "a": {"type": "directory", "contents": {"f.txt": {"type": "file", "content": "one\ntwo"}}},
                "b": {"type": "directory", "contents": {}},
            },
        }
    }
}


def do(world, tool, **arguments):
    return world.call(Call(name=tool, arguments=arguments))


def files():
    return open_world(("GorillaFileSystem",), {"GorillaFileSystem": TREE})


def test_there_are_nine_backends_two_memories_and_two_whose_tools_come_with_the_task():
    assert set(backends()) == {
        "Functions",
        "Traces",
        *("MemoryAPI_kv", "MemoryAPI_rec_sum"),
        *("GorillaFileSystem", "MathAPI", "MessageAPI", "SQL", "TicketAPI"),
        *("TradingBot", "TravelAPI", "TwitterAPI", "VehicleControlAPI"),
    }


def test_an_unknown_backend_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no backend 'TradingBott'. Did you mean 'TradingBot'"):
        open_world(("TradingBott",), {})
    with pytest.raises(ConfigError, match="no tool 'cdd'"):
        catalogue(("cdd",), ("GorillaFileSystem",))


def test_no_two_backends_have_a_tool_of_the_same_name():
    names = [name for backend in backends() for name in tools_of(backend)]
    assert len(names) == len(set(names)) == 152


def test_a_catalogue_keeps_the_order_of_the_names():
    assert [tool.name for tool in catalogue(("pwd", "cd"), ("GorillaFileSystem",)).tools] == ["pwd", "cd"]


def test_the_initial_state_is_not_touched():
    before = digest(TREE)
    world = files()
    do(world, "rm", file_name="a")
    do(world, "mkdir", dir_name="c")
    assert digest(TREE) == before


def test_sixteen_plays_of_one_task_at_once_do_not_meet():
    items = [item for name in ("base", "long_context") for item in entries(name)][::23]
    tasks = [entry_task(entry, gold) for entry, gold in items]
    scripts = [gold_script(task) for task in tasks]
    alone = [played(task, script) for task, script in zip(tasks, scripts, strict=True)]
    with ThreadPoolExecutor(16) as pool:
        for task, script, expected in zip(tasks, scripts, alone, strict=True):
            assert all(one == expected for one in pool.map(lambda _, t=task, s=script: played(t, s), range(16)))


def test_two_worlds_side_by_side_do_not_meet():
    tweets = [open_world(("TwitterAPI",), {"TwitterAPI": {"authenticated": True}}) for _ in range(2)]
    do(tweets[0], "post_tweet", content="hello")
    do(tweets[0], "mention", tweet_id=0, mentioned_usernames=["@bob"])
    assert do(tweets[1], "post_tweet", content="hello").value["mentions"] == []
    cars = [open_world(("VehicleControlAPI",), {"long_context": True}) for _ in range(2)]
    first = do(cars[0], "get_outside_temperature_from_google")
    assert do(cars[0], "get_outside_temperature_from_google") != first
    assert do(cars[1], "get_outside_temperature_from_google") == first


def test_cards_of_a_long_context_belong_to_one_play():
    travel = [open_world(("TravelAPI",), {"TravelAPI": {"access_token": "t"}, "long_context": True}) for _ in range(2)]
    cards = travel[0].state()["TravelAPI"]["credit_card_list"]
    card = next(card for card, kept in cards.items() if kept.get("balance", 0) > 5_000)
    booked = do(
        travel[0],
        "book_flight",
        access_token="t",
        card_id=card,
        travel_date="2026-05-01",
        travel_from="SFO",
        travel_to="LAX",
        travel_class="economy",
    )
    assert booked.ok
    assert travel[1].state()["TravelAPI"]["credit_card_list"][card] == cards[card]
    assert travel[0].state()["TravelAPI"]["credit_card_list"][card] != cards[card]


def test_precision_is_not_the_process():
    before = decimal.getcontext().prec, mpmath.mp.dps
    world = open_world(("MathAPI",), {})
    assert do(world, "square_root", number=2, precision=3).value == {"result": 1.41}
    assert do(world, "logarithm", value=100, base=10, precision=30).value == {"result": 2.0}
    assert (decimal.getcontext().prec, mpmath.mp.dps) == before


def test_a_result_is_a_copy():
    world = open_world(("TradingBot",), {})
    stock = do(world, "get_stock_info", symbol="AAPL").value
    stock["price"] = 0
    assert do(world, "get_stock_info", symbol="AAPL").value["price"] == 227.16


@pytest.mark.parametrize(
    ("backend", "call"),
    [
        ("TicketAPI", ("get_user_tickets", {})),
        ("TradingBot", ("get_watchlist", {})),
        ("TradingBot", ("get_order_history", {})),
        ("GorillaFileSystem", ("cat", {"file_name": "none"})),
        ("TravelAPI", ("compute_exchange_rate", {"base_currency": "A", "target_currency": "B", "value": 1})),
        ("VehicleControlAPI", ("get_outside_temperature_from_weather_com", {})),
    ],
)
def test_a_tools_own_error_is_a_result_that_is_not_ok(backend, call):
    initial = {"TradingBot": {"authenticated": False}}
    result = open_world((backend,), initial).call(Call(name=call[0], arguments=call[1]))
    assert not result.ok
    assert "error" in result.value


def test_null_leaves_an_optional_argument_out():
    assert do(files(), "find", path=".", name=None).value["matches"]


def test_a_directory_cannot_come_to_lie_in_itself():
    world = files()
    assert not do(world, "cp", source="a", destination="a").ok
    assert do(world, "find").ok
    assert world.state()


def test_a_tree_cannot_outgrow_its_limit():
    world = files()
    do(world, "mkdir", dir_name="L0")
    refused = 0
    for level in range(40):
        do(world, "mkdir", dir_name=f"L{level + 1}")
        do(world, "cp", source=f"L{level}", destination=f"M{level}")
        refused += not do(world, "mv", source=f"L{level}", destination=f"L{level + 1}").ok
        refused += not do(world, "cp", source=f"M{level}", destination=f"L{level + 1}").ok
    assert refused
    assert len(json.dumps(world.state())) < 20_000_000


def test_a_world_answers_no_more_than_its_limit():
    world = files()
    for _ in range(MAX_CALLS):
        assert do(world, "pwd").ok
    assert not do(world, "pwd").ok


def test_everything_shows_what_the_state_does_not():
    world = files()
    state, all_of_it = world.state(), world.everything()
    do(world, "cd", folder="b")
    assert world.state() == state
    assert world.everything() != all_of_it


def test_snapshots_compare_as_states_do():
    world, other = files(), files()
    kept = world.snapshot()
    assert other.stands_at(kept)
    do(other, "touch", file_name="g")
    assert not other.stands_at(kept)
    assert other.difference(kept).startswith("GorillaFileSystem/root/home/g is ''")
    assert world.stands_at(kept)


def test_worlds_have_one_mark_where_they_are_equal_and_only_there():
    rng, seen = random.Random(1), {}
    for _ in range(300):
        world = files()
        for _ in range(rng.randint(0, 3)):
            name = rng.choice(("touch", "mkdir", "cd", "rm"))
            wanted = {"touch": "file_name", "mkdir": "dir_name", "cd": "folder", "rm": "file_name"}[name]
            do(world, name, **{wanted: rng.choice("abc")})
        seen.setdefault(canonical(world.everything()), set()).add(world.mark())
    assert len(seen) > 20
    assert all(len(marks) == 1 for marks in seen.values())
    assert len(set.union(*seen.values())) == len(seen)


@pytest.mark.parametrize("balances", [(1, 2), (-1, -2), (1.5, 1.25), (0, 1e308)])
def test_a_number_is_part_of_the_mark(balances):
    marks = {
        open_world(("TradingBot",), {"TradingBot": {"account_info": {"balance": balance}}}).mark()
        for balance in balances
    }
    assert len(marks) == 2


def test_the_same_calls_answer_the_same_in_another_process():
    """Hash seeds, the order of sets, and the clock of another process change nothing."""
    program = (
        "from loop.canonical import canonical\n"
        "from loop.types import Call\n"
        "from task_generators.backends.worlds import open_world\n"
        "cards = {'1': {'balance': 9000}}\n"
        "w = open_world(('TravelAPI',), {'TravelAPI': {'access_token': 't', 'credit_card_list': cards}})\n"
        "c = dict(access_token='t', card_id='1', travel_date='2026-01-01', travel_from='SFO', travel_to='LAX')\n"
        "print(canonical(w.call(Call(name='book_flight', arguments={**c, 'travel_class': 'none'})).value))\n"
        "print(canonical(w.call(Call(name='book_flight', arguments={**c, 'travel_class': 'first'})).value))\n"
        "t = open_world(('TicketAPI',), {'TicketAPI': {'ticket_queue': [{'id': 1}]}})\n"
        "wrong = {'ticket_id': 1, 'updates': {'b': 1, 'c': 2, 'a': 3}}\n"
        "print(canonical(t.call(Call(name='edit_ticket', arguments=wrong)).value))\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


def test_who_is_of_age_does_not_depend_on_the_clock():
    world = open_world(("TravelAPI",), {"TravelAPI": {"user_first_name": "A", "user_last_name": "B"}})
    ask = {"first_name": "A", "last_name": "B", "passport_number": "US1"}
    assert do(world, "verify_traveler_information", **ask, date_of_birth="2008-01-01").value == {
        "verification_status": True
    }
    young = do(world, "verify_traveler_information", **ask, date_of_birth="2008-01-02").value
    assert young == {"verification_status": False, "verification_failure": "Traveler must be at least 18 years old."}
