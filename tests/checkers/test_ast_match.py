"""AST match judges single-turn calls as BFCL does; each forgiving rule forgives what it names, and nothing else."""

import json
import sys
from random import Random
from types import ModuleType, SimpleNamespace

import pytest

from checkers.ast_match import AstMatch
from checkers.single_turn.texts import RULES
from loop.types import Call, End, Message, Trajectory
from task_generators.backends.bfcl_single import SINGLE_TURN, WITHOUT_ANSWERS, single_turn_tasks
from task_generators.backends.functions_backend import FUNCTIONS
from task_generators.backends.schemas import original_names

STRICT = AstMatch(**dict.fromkeys(RULES, False))
FORGIVING = AstMatch()
NESTED = ["simple_java_64"]
"""Its answer has one text for an object's member where BFCL takes a list of them, and so compares letters."""
ANSWERED = [category for category in SINGLE_TURN if category not in WITHOUT_ANSWERS]


def play(task, *messages):
    """A play with one assistant message for each list of calls."""
    said = [Message(role="assistant", content="", calls=tuple(calls)) for calls in messages]
    return Trajectory(task=task.id, player="x", end=End.CLOSED, messages=(Message(role="user", content="?"), *said))


def gold(task):
    return [Call(name=call.name, arguments=call.arguments) for call in task.plan]


@pytest.fixture(scope="module")
def official():
    """BFCL's own checker. A file that it imports for a model's name is replaced: it needs every provider's client."""
    name = "bfcl_eval.constants.model_config"
    stand_in = ModuleType(name)
    stand_in.MODEL_CONFIG_MAPPING = {"x": SimpleNamespace(underscore_to_dot=False)}
    held, sys.modules[name] = sys.modules.get(name), stand_in
    try:
        from bfcl_eval.constants.enums import Language  # noqa: PLC0415 - needs the stand-in
        from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker  # noqa: PLC0415 - needs the stand-in
    finally:
        if held is None:
            del sys.modules[name]
    languages = {"python": Language.PYTHON, "java": Language.JAVA, "javascript": Language.JAVASCRIPT}

    def judges(task, calls):
        """Its verdict; None where it stops with an error of its own."""
        asked = task.initial[FUNCTIONS]
        names = original_names([document["name"] for document in asked["functions"]])
        answer = [{names.get(call.name, call.name): json.loads(json.dumps(dict(call.arguments)))} for call in calls]
        language = languages[asked["language"]]
        try:
            found = ast_checker(asked["functions"], answer, asked["answers"], language, task.family, "x")
        except (TypeError, AttributeError, KeyError, IndexError, NotImplementedError, ValueError):
            return None
        return found["valid"]

    return judges


# --- mutants ---------------------------------------------------------------------------------------------------------


def mutants(task, draw, count):
    """Answers that are near the right one, some of them right."""
    for _ in range(count):
        calls = [call.model_copy(update={"arguments": dict(call.arguments)}) for call in gold(task)]
        for _ in range(draw.choice([1, 1, 1, 2])):
            draw.choice(CHANGES)(task, calls, draw)
        yield calls


def alternatives(task, calls, draw):
    """Take other acceptable values, or leave out what may be."""
    by_name = original_names([document["name"] for document in task.initial[FUNCTIONS]["functions"]])
    for call, right in zip(calls, task.initial[FUNCTIONS]["answers"], strict=False):
        for name, values in right.get(by_name.get(call.name), {}).items():
            value = draw.choice(values) if values else ""
            if value == "" and draw.random() < 0.8:
                call.arguments.pop(name, None)
            else:
                call.arguments[name] = value


def changed(task, calls, draw):
    """Change one argument's value."""
    with_arguments = [call for call in calls if call.arguments]
    if with_arguments:
        call = draw.choice(with_arguments)
        name = draw.choice(sorted(call.arguments))
        call.arguments[name] = other(call.arguments[name], draw)


def lost(task, calls, draw):
    """Lose an argument, or gain one."""
    call = draw.choice(calls) if calls else None
    if call and call.arguments and draw.random() < 0.6:
        del call.arguments[draw.choice(sorted(call.arguments))]
    elif call:
        document = draw.choice(task.initial[FUNCTIONS]["functions"])
        name = draw.choice([*document["parameters"]["properties"], "unheard_of"])
        call.arguments.setdefault(name, draw.choice(["", "x", 0, True, None, [], {}]))


def moved(task, calls, draw):
    """Drop, double, shuffle or rename calls."""
    what = draw.randrange(4)
    if what == 0 and calls:
        calls.pop(draw.randrange(len(calls)))
    elif what == 1 and calls:
        calls.append(draw.choice(calls).model_copy())
    elif what == 2:
        draw.shuffle(calls)
    elif calls:
        place = draw.randrange(len(calls))
        calls[place] = calls[place].model_copy(update={"name": draw.choice([*task.tools, "nothing"])})


CHANGES = (alternatives, changed, changed, changed, lost, moved)


def other(value, draw):
    """A value near this one: another spelling, type, order or number."""
    if isinstance(value, bool):
        return draw.choice([not value, str(value), int(value), str(value).lower()])
    if isinstance(value, int | float):
        return draw.choice([value + 1, -value, float(value), int(value), str(value), [value], value + 0.5, f"{value}L"])
    if isinstance(value, str):
        return draw.choice(
            [
                value.upper(),
                value.replace(" ", ""),
                f" {value}.",
                value.replace("*", ""),
                value.replace("_", "-"),
                f"'{value}'",
                f'"{value}"',
                value + "x",
                value[:-1],
                "",
                [value],
                None,
                value.replace(", ", ","),
                f"new {value}",
                value.replace("true", "false"),
            ]
        )
    if isinstance(value, list):
        inner = [other(item, draw) if draw.random() < 0.4 else item for item in value]
        return draw.choice([value[::-1], value[1:], [*value, *value[:1]], inner, inner, str(value), {}, [value]])
    if isinstance(value, dict) and value:
        key = draw.choice(sorted(value))
        less = {name: inner for name, inner in value.items() if name != key}
        return draw.choice([less, {**value, "more": 1}, {**value, key: other(value[key], draw)}, [value], str(value)])
    return draw.choice(["", "x", 0, {}, [], {"a": 1}])


def differing(official, categories, every, count):
    found, plays = [], 0
    for category in categories:
        for number, task in enumerate(single_turn_tasks(category)):
            if number % every == 0:
                for calls in mutants(task, Random(f"{category}{number}"), count):
                    mine, theirs = STRICT.check(task, play(task, calls)), official(task, calls)
                    plays += 1
                    if mine.passed is not bool(theirs):
                        found.append((task.source, theirs, mine.reason, calls))
    return found, plays


def test_gold_passes_in_every_category_with_and_without_the_rules(official):
    tasks = [task for category in ANSWERED for task in list(single_turn_tasks(category))[::7]]
    assert [task.source for task in tasks if not FORGIVING.check(task, play(task, gold(task))).passed] == []
    assert [task.source for task in tasks if not STRICT.check(task, play(task, gold(task))).passed] == NESTED
    assert [task.source for task in tasks if not official(task, gold(task))] == NESTED


def test_strict_verdicts_are_those_of_bfcl(official):
    found, plays = differing(official, ANSWERED, 8, 8)
    assert plays >= 2_000
    assert found == []


@pytest.mark.slow
def test_strict_verdicts_are_those_of_bfcl_on_every_entry(official):
    found, plays = differing(official, ANSWERED, 1, 12)
    assert plays >= 25_000
    assert found == []


# --- the forgiving rules ---------------------------------------------------------------------------------------------


def asked(kind, right, words="", inner=None):
    """A question whose one function has one argument."""
    task = next(single_turn_tasks("simple_python"))
    document = {"type": kind, "description": "", **({"items": {"type": inner}} if inner else {})}
    parameters = {"type": "dict", "properties": {"x": document}, "required": ["x"]}
    functions = [{"name": "f.g", "description": "", "parameters": parameters}]
    initial = {FUNCTIONS: {"language": "python", "functions": functions, "answers": [{"f.g": {"x": right}}]}}
    turn = task.turns[0].model_copy(update={"user": words, "plan": ()})
    return task.model_copy(update={"initial": initial, "tools": ("f_g",), "turns": (turn,)})


def needs(task, value):
    """The rules that the value needs; None where it fails."""
    verdict = FORGIVING.check(task, play(task, [Call(name="f_g", arguments={"x": value})]))
    return verdict.evidence["needs"] if verdict.passed else None


HOME = asked("string", ["12 Main Street"], "I live at 12 Main Street, Springfield")


@pytest.mark.parametrize(
    ("task", "value", "rules"),
    [
        (asked("string", ["April 1, 2024"]), "april 1 2024", []),
        (asked("string", ["Paris, France"]), "Paris", None),
        (asked("string", ["New York, USA"]), "New York, United States", ["country_aliases"]),
        (asked("string", ["Boston, United States of America"]), "Boston, U.S.", ["country_aliases"]),
        (asked("string", ["San Francisco, CA"]), "San Francisco, Canada", None),
        (HOME, "12 Main Street, Springfield", ["supersets"]),
        (HOME, "12 Main Street, Shelbyville", None),
        (asked("string", ["open now"], "it is not open now"), "not open now", None),
        (asked("string", ["steak"], "find an Indian steak recipe"), "Indian steak", ["supersets"]),
        (asked("string", ["coffee"], "coffee, and make it black"), "black coffee", None),
        (asked("string", ["coffee"], "no coffee today"), "no coffee", None),
        (asked("integer", ["3*x"]), "3x", ["implicit_multiplication"]),
        (asked("array", [[12.0, 15.0]], inner="float"), [12, 15.0], ["whole_numbers"]),
        (asked("array", [[12.0, 15.5]], inner="float"), [12, 15], None),
        (asked("array", [[12, 15]], inner="integer"), [12.0, 15], None),
        (asked("integer", ["3x**2"]), "3*x^2", ["implicit_multiplication"]),
        (asked("integer", ["3x**2"]), "3*x^3", None),
        (asked("dict", [{"a": [{"b": ["New Delhi", "Delhi"]}]}]), {"a": {"b": "delhi"}}, ["nested"]),
        (asked("dict", [{"a": [{"b": ["USA"]}]}]), {"a": {"b": "United States"}}, ["together"]),
        (asked("dict", [{"a": [{"b": ["New Delhi"]}]}]), {"a": {"c": "delhi"}}, None),
    ],
)
def test_each_rule_forgives_what_it_names_and_nothing_else(task, value, rules):
    assert needs(task, value) == rules


@pytest.mark.parametrize(
    ("rule", "task", "value"),
    [
        ("nested", asked("dict", [{"a": [{"b": ["x"]}]}]), {"a": {"b": "x"}}),
        ("implicit_multiplication", asked("integer", ["3*x"]), "3x"),
        ("country_aliases", asked("string", ["USA"]), "United States"),
        ("supersets", asked("string", ["big red"], "a big red car"), "big red car"),
    ],
)
def test_each_rule_can_be_switched_off(rule, task, value):
    trajectory = play(task, [Call(name="f_g", arguments={"x": value})])
    assert FORGIVING.check(task, trajectory).passed
    assert not AstMatch(**{rule: False}).check(task, trajectory).passed
    assert AstMatch(**{**dict.fromkeys(RULES, False), rule: True}).check(task, trajectory).passed


# --- whether to call, and when ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("category", "right"), [("irrelevance", False), ("live_relevance", True)])
def test_without_answers_only_calling_counts(category, right):
    task = next(single_turn_tasks(category))
    assert FORGIVING.check(task, play(task, [Call(name=task.tools[0])])).passed is right
    assert FORGIVING.check(task, play(task, [])).passed is not right


def test_a_call_that_was_begun_is_no_answer_without_a_call():
    task = next(single_turn_tasks("irrelevance"))
    begun = Message(role="assistant", content="<tool_call>{", fault="no JSON")
    found = FORGIVING.check(task, Trajectory(task=task.id, player="x", end=End.CLOSED, messages=(begun,)))
    assert not found.passed
    assert "no JSON" in found.reason


def test_only_the_first_message_that_calls_is_judged():
    task = next(single_turn_tasks("parallel"))
    first, second = ([call] for call in gold(task)[:2])
    assert not FORGIVING.check(task, play(task, first, second)).passed
    assert FORGIVING.check(task, play(task, [*first, *second], first)).passed
