"""A world that was read off traces: tools find rows, write to them, or answer as they did."""

import pytest

from loop.types import Call
from task_generators.backends.worlds import open_world

TEXT = {"type": "string"}
WORLD = {
    "tools": [
        {"name": name, "description": "", "parameters": {"type": "object", "properties": dict.fromkeys(given, TEXT)}}
        for name, given in (("find", ("city", "kind")), ("reserve", ("name", "time")), ("hours", ("day",)))
    ],
    "rows": [
        {"name": "Mua", "city": "Oakland", "kind": "American"},
        {"name": "Baan Thai", "city": "Oakland", "kind": "Thai"},
        {"name": "Thanh Long", "city": "San Francisco", "kind": "Vietnamese"},
    ],
    "rules": {"find": {"act": "find", "columns": ["city", "kind"]}, "reserve": {"act": "write", "columns": ["name"]}},
    "answers": [["hours", {"day": "Friday"}, {"until": "18:00"}]],
}


@pytest.fixture
def world():
    return open_world(("Traces",), {"Traces": WORLD})


def ask(world, tool, /, **arguments):
    result = world.call(Call(name=tool, arguments=arguments))
    return result.ok, result.value


def test_a_search_gives_the_rows_in_which_its_arguments_stand(world):
    assert ask(world, "find", city="oakland", kind="Thai") == (True, [WORLD["rows"][1]])
    assert ask(world, "find", city="Oakland") == (True, WORLD["rows"][:2])
    assert ask(world, "find", city="Rome") == (True, [])


def test_a_write_is_remembered_and_changes_the_state(world):
    before = world.state()
    assert ask(world, "reserve", name="Mua", time="18:00") == (True, [{**WORLD["rows"][0], "time": "18:00"}])
    assert world.state() != before
    assert world.state() == {"Traces": {"made": [{"tool": "reserve", **WORLD["rows"][0], "time": "18:00"}]}}


def test_what_names_no_row_writes_nothing(world):
    before = world.state()
    assert ask(world, "reserve", name="Nowhere", time="18:00") == (True, [])
    assert world.state() == before


def test_any_other_tool_answers_as_it_did_or_says_that_it_cannot(world):
    assert ask(world, "hours", day="Friday") == (True, {"until": "18:00"})
    ok, value = ask(world, "hours", day="Sunday")
    assert not ok
    assert "nothing was recorded" in value["error"]


def test_only_the_tools_that_came_along_can_be_called(world):
    for name in ("remembers", "tool", "_find", "__init__"):
        assert not ask(world, name)[0]


def test_a_task_without_a_world_has_no_tools():
    assert not ask(open_world(("Traces",), {}), "find", city="Oakland")[0]
