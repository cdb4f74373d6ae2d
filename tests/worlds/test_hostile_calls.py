"""Nothing that a player sends runs anything but a documented tool, and every refusal is a result that it can read."""

import os
import sys
import time
from pathlib import Path

import pytest

from loop.calls import NotACall, read_call
from loop.types import Call
from task_generators.backends.worlds import open_world

BACKENDS = ("GorillaFileSystem", "MathAPI", "TradingBot", "TicketAPI", "TwitterAPI")

SPELT = [
    "__import__('os').system('touch CANARY')",
    "__import__('os')",
    "open('CANARY', 'w')",
    "eval('1')",
    "exec('import os')",
    "compile('1', '', 'eval')",
    "getattr(ls, '__self__')",
    "ls.__self__.__class__()",
    "ls.__globals__['os'].system('touch CANARY')",
    "().__class__.__bases__[0].__subclasses__()",
    "cd(folder=__import__('os').getcwd())",
    "cd(folder=open('/etc/passwd').read())",
    "cd(folder=(lambda: 'a')())",
    "cd(folder=[x for x in 'a'][0])",
    "cd(folder=f'{1+1}')",
    "cd(folder='a' if True else 'b')",
    "cd(folder=(x := 'a'))",
    "cd(folder='a' + 'b')",
    "cd(folder='a' * 10**9)",
    "cd(folder=10**10**7)",
    "power(base=9**9**9, exponent=2)",
    "add(a=1, b=-(1))if 1 else 0",
    "add(a=1, b=1j)",
    "add(a=1, b=1e999)",
    "add(a=1, b=float('nan'))",
    "add(a=1, b=99999999999999999999999999)",
    "cd(*['a'])",
    "cd(**{'folder': 'a'})",
    "cd(folder='a', folder='b')",
    "cd('a', 'b', 'c')",
    "cd(folder={'a', 'b'})",
    "cd(folder=b'a')",
    "cd(folder={1: 2})",
    "cd(folder=...)",
    "cd(folder=await_)",
    "cd(folder=ls())",
    "cd(folder=mean(numbers=[1]))",
    "cd;ls()",
    "cd(folder='a');ls()",
    "cd(folder='a')\nls()",
    "import os",
    "del cd",
    "cd = ls",
    "assert False",
    "raise SystemExit",
    "lambda: cd",
    "[cd(folder='a')]",
    "{'cd': cd}",
    "cd(folder='a')[0]",
    "cd(folder='a').x",
    "a.b.c.d(folder='a')",
    "os.system('touch CANARY')",
    "cd(folder='a'",
    "",
    "    ",
    "cd",
    "(" * 5_000 + ")" * 5_000,
    "-" * 20_000 + "1",
    "cd(folder=" + "[" * 3_000 + "]" * 3_000 + ")",
    "cd(folder=" + "-" * 20_000 + "1)",
    "cd(folder=" + "9" * 20_000 + ")",
    "x" * 100_000,
    "cd(folder='\0')\0",
    "cd(folder=(yield))",
]
"""Texts that pretend to be a call."""

NAMED = [
    *("__init__", "__class__", "__dict__", "__eq__", "__getattribute__", "_load_scenario", "_random"),
    *("_navigate_to_directory", "root", "_current_dir", "long_context", "stocks", "cd ", " cd", "CD", "cd\0", "cd()"),
    *("cd.__call__", "GorillaFileSystem.cd", "\uff43\uff44", "\u0441d", "c\u200bd", "eval", "exec", "exit", "quit"),
    *("os.system", "subprocess.run", "", "a" * 100_000),
]
"""Names that are no tools: private, dunder, attributes, confusables."""


def deep(levels):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value


GIVEN = [
    ("cd", {}),
    ("cd", {"folder": None}),
    ("cd", {"folder": 5}),
    ("cd", {"folder": ["a"]}),
    ("cd", {"folder": {"a": 1}}),
    ("cd", {"folder": "a", "self": "b"}),
    ("cd", {"folder": "a", "__class__": "b"}),
    ("cd", {"folder": "x" * 1_000_000}),
    ("cd", {"x" * 1_000_000: 1}),
    ("echo", {"content": "x" * 100_000, "file_name": "f"}),
    ("ls", {"a": "yes"}),
    ("ls", {"a": deep(500)}),
    ("mean", {"numbers": deep(100)}),
    ("mean", {"numbers": ["a"]}),
    ("mean", {"numbers": [10**30]}),
    ("mean", {"numbers": [float("nan")]}),
    ("mean", {"numbers": [float("inf")]}),
    ("power", {"base": 10, "exponent": 10**9}),
    ("power", {"base": 10.0, "exponent": 10**9}),
    ("power", {"base": -8, "exponent": 0.5}),
    ("power", {"base": 0, "exponent": -1}),
    ("multiply", {"a": 1e308, "b": 10}),
    ("logarithm", {"value": 10, "base": 3, "precision": 10**9}),
    ("logarithm", {"value": -1, "base": 1, "precision": 5}),
    ("square_root", {"number": 2, "precision": 10**9}),
    ("square_root", {"number": 2, "precision": -5}),
    ("round_number", {"number": 15, "decimal_places": -(10**9)}),
    ("place_order", {"order_type": "Buy", "symbol": "AAPL", "price": True, "amount": 1}),
    ("get_ticket", {"ticket_id": 1.5}),
    ("edit_ticket", {"ticket_id": 1, "updates": {"__class__": "x"}}),
    ("post_tweet", {"content": "a", "tags": "not a list"}),
    ("get_transaction_history", {"start_date": "'; DROP TABLE"}),
    ("mkdir", {"dir_name": ""}),
    ("mkdir", {"dir_name": "."}),
    ("mkdir", {"dir_name": ".."}),
    ("mkdir", {"dir_name": "n" * 256}),
    ("mkdir", {"dir_name": "a/b"}),
    ("touch", {"file_name": ""}),
    ("touch", {"file_name": "."}),
    ("touch", {"file_name": ".."}),
    ("touch", {"file_name": "n" * 256}),
    ("mv", {"source": "a", "destination": "a"}),
    ("mv", {"source": "a", "destination": ""}),
    ("mv", {"source": "a", "destination": "."}),
    ("mv", {"source": "a", "destination": ".."}),
    ("mv", {"source": "a", "destination": "n" * 256}),
    ("mv", {"source": ".", "destination": "a"}),
    ("mv", {"source": "..", "destination": "a"}),
    ("mv", {"source": "", "destination": "a"}),
    ("cp", {"source": "a", "destination": "a"}),
    ("cp", {"source": "a", "destination": ""}),
    ("cp", {"source": "a", "destination": "."}),
    ("cp", {"source": "a", "destination": ".."}),
    ("cp", {"source": "a", "destination": "n" * 256}),
    ("cp", {"source": ".", "destination": "a"}),
    ("cat", {"file_name": "x" * 60_000}),
    ("rm", {"file_name": "."}),
    ("rmdir", {"dir_name": ".."}),
    ("echo", {"content": "x", "file_name": "a"}),
    ("edit_ticket", {"ticket_id": 1, "updates": {"x" * 50_000: 1}}),
]
"""Arguments that no tool takes."""


@pytest.mark.parametrize("text", SPELT, ids=range(len(SPELT)))
def test_a_text_that_is_no_literal_call_is_refused_and_runs_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    modules, began = set(sys.modules), time.monotonic()
    with pytest.raises(NotACall):
        read_call(text, {"cd": ("folder",)})
    assert time.monotonic() - began < 2
    assert not list(Path(tmp_path).iterdir())
    assert set(sys.modules) == modules


@pytest.fixture(scope="module")
def world():
    inner = {"type": "directory", "contents": {}}
    tree = {"root": {"r": {"type": "directory", "contents": {"a": inner, "f": {"type": "file", "content": "x"}}}}}
    trading = {"authenticated": True, "account_info": {"account_id": 1, "balance": 1e6, "binding_card": 1}}
    return open_world(BACKENDS, {"GorillaFileSystem": tree, "TradingBot": trading})


@pytest.mark.parametrize("name", NAMED, ids=range(len(NAMED)))
def test_a_name_that_is_no_tool_reaches_no_simulator(world, name):
    before, result = world.everything(), world.call(Call(name=name, arguments={"folder": "a"}))
    assert not result.ok
    assert "There is no tool" in result.value["error"]
    assert len(result.value["error"]) <= 2_000
    assert world.everything() == before


@pytest.mark.parametrize(("name", "arguments"), GIVEN, ids=range(len(GIVEN)))
def test_arguments_that_a_tool_does_not_take_change_nothing(world, name, arguments):
    before, began = world.everything(), time.monotonic()
    result = world.call(Call.model_construct(name=name, arguments=arguments))
    assert not result.ok
    assert 0 < len(result.value["error"]) <= 2_000
    assert time.monotonic() - began < 2
    assert world.everything() == before


def test_the_corpus_is_large_enough():
    assert len(SPELT) >= 60
    assert len(SPELT) + len(NAMED) + len(GIVEN) >= 100


def test_gold_calls_are_read_by_name_and_by_place():
    assert read_call("cd('docs')", {"cd": ("folder",)}) == Call(name="cd", arguments={"folder": "docs"})
    assert read_call("f(a=(1, 'x'), b={'c': [None, True, -1.5]})") == Call(
        name="f", arguments={"a": [1, "x"], "b": {"c": [None, True, -1.5]}}
    )


def test_the_process_is_as_it_was(world):
    assert world.call(Call(name="pwd")).ok
    assert os.getpid()
