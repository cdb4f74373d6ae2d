"""BFCL's single-turn entries as tasks: one question, functions of its own, and the answers that count as right.

The answers lie in the task's initial state, where no player looks: for every call that is due, every parameter's
acceptable values, `""` among them where it may be left out. No answers at all means that no call is right
(irrelevance), `null` that any call is (relevance). The plan takes the first value of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from loop.canonical import parse
from loop.types import PlannedCall, Split, Task, Turn
from task_generators.backends.bfcl import BadEntry, read_lines, tier_of
from task_generators.backends.functions_backend import FUNCTIONS, OTHER_LANGUAGES
from task_generators.backends.literals import spell_literal
from task_generators.backends.schemas import safe_names

SINGLE_TURN: Final = (
    *("simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
    *("irrelevance", "live_irrelevance", "live_relevance"),
)
"""Categories, as the data set spells them."""

WITHOUT_ANSWERS: Final[Mapping[str, tuple[()] | None]] = MappingProxyType(
    {"irrelevance": (), "live_irrelevance": (), "live_relevance": None}
)
"""Categories that have no answers, and what stands for them."""

UNANSWERABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "simple_java_36": "the list's elements are `any`, which BFCL reads as text, and its answer holds a number",
        "simple_java_65": "the list's elements are `any`, which BFCL reads as text, and its answer holds a boolean",
        "live_simple_106-63-0": "no value of a required argument is acceptable",
        "live_simple_112-68-0": "no value of an argument is acceptable, nor may it be left out",
        "live_multiple_862-181-3": "an argument is due that the function does not have",
        "live_multiple_964-207-0": "an argument is due that the function does not have, and a required one is not",
    }
)
"""Entries that BFCL's own checker lets nobody pass, and why: they are in no suite."""


def single_turn_tasks(category: str) -> Iterator[Task]:
    """Give a category's tasks, in the order of the data set; those that cannot be answered are left out.

    Raises:
        ConfigError: the data set is not installed.
        BadEntry: an entry cannot be read; the message names the file and line, or the entry.
    """
    answers = {} if category in WITHOUT_ANSWERS else _answers(category)
    for number, entry in enumerate(read_lines(f"BFCL_v4_{category}.json")):
        if entry["id"] in UNANSWERABLE:
            continue
        if category not in WITHOUT_ANSWERS and entry["id"] not in answers:
            raise BadEntry(f"{entry['id']} has no gold answer in possible_answer/BFCL_v4_{category}.json")
        try:
            yield _task(category, number, entry, answers.get(entry["id"], WITHOUT_ANSWERS.get(category)))
        except (KeyError, TypeError, AttributeError, IndexError, StopIteration, ValidationError) as error:
            raise BadEntry(f"BFCL_v4_{category}.json, {entry['id']}: {type(error).__name__}: {error}") from error


def _answers(category: str) -> dict[str, list[Any]]:
    lines = read_lines(f"possible_answer/BFCL_v4_{category}.json")
    try:
        return {line["id"]: list(line["ground_truth"]) for line in lines}
    except (KeyError, TypeError) as error:
        raise BadEntry(f"possible_answer/BFCL_v4_{category}.json: {type(error).__name__}: {error}") from error


def _task(category: str, number: int, entry: Mapping[str, Any], answers: Sequence[Any] | None) -> Task:
    documents = {document["name"]: document for document in entry["function"]}
    names = safe_names(list(documents))
    language = next((language for language in OTHER_LANGUAGES if category == f"simple_{language}"), "python")
    plan = tuple(_planned(answer, documents, names, language) for answer in answers or ())
    if answers is None:
        plan = (_some_call(next(iter(documents.values())), names),)
    return Task(
        generator="bfcl",
        family=category,
        tier=tier_of(len(plan)),
        seed=number,
        backends=(FUNCTIONS,),
        initial={
            FUNCTIONS: {
                "language": language,
                "functions": list(documents.values()),
                "answers": None if answers is None else list(answers),
            }
        },
        tools=tuple(names.values()),
        turns=(Turn(user=_words(entry["question"]), plan=plan),),
        split=Split.HELDOUT,
        leak_group=f"bfcl-{entry['id']}",
        source=entry["id"],
    )


def _words(question: Sequence[Sequence[Mapping[str, str]]]) -> str:
    """Say all that was said before the answer is due; where others than the user spoke, with who they are."""
    said = [message for turn in question for message in turn]
    if all(message["role"] == "user" for message in said):
        return "\n\n".join(message["content"] for message in said)
    return "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in said)


# --- the first of the right answers ----------------------------------------------------------------------------------


def _planned(
    answer: Mapping[str, Any], documents: Mapping[str, Any], names: Mapping[str, str], language: str
) -> PlannedCall:
    """Make the call that takes the first acceptable value of every parameter that may not be left out."""
    [(name, possible)] = answer.items()
    properties = documents[name]["parameters"]["properties"]
    required = documents[name]["parameters"].get("required", ())
    arguments = {
        parameter: _first(values)
        for parameter, values in possible.items()
        if parameter in properties and (parameter in required or "" not in values)
    }
    if language in OTHER_LANGUAGES:
        arguments = {name: _literal(value, language, properties[name]) for name, value in arguments.items()}
    return PlannedCall(name=names[name], arguments=arguments)


def _some_call(document: Mapping[str, Any], names: Mapping[str, str]) -> PlannedCall:
    """Make any call of a function, where whether to call is all that is asked."""
    parameters = document["parameters"]
    needed = {name: parameters["properties"][name] for name in parameters.get("required", ())}
    arguments = {name: (item.get("enum") or [parse(SAMPLES[item["type"]])])[0] for name, item in needed.items()}
    return PlannedCall(name=names[document["name"]], arguments=arguments)


SAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("string", "any"), '"some"'),
        **dict.fromkeys(("array", "tuple"), "[]"),
        "integer": "1",
        "float": "1.5",
        "boolean": "true",
        "dict": "{}",
    }
)
"""Some value of each type, as JSON."""


def _first(values: Sequence[Any]) -> Any:  # noqa: ANN401 - a JSON value
    """Take the first value; inside of it, each key's first."""
    return _inner(next((value for value in values if value != ""), ""))


def _inner(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, list):
        return [_inner(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _first(values) if isinstance(values, list) else values
        for key, values in value.items()
        if not (isinstance(values, list) and "" in values)
    }


def _literal(value: Any, language: str, document: Mapping[str, Any]) -> str:  # noqa: ANN401 - a JSON value
    return spell_literal(value, language, document["type"], (document.get("items") or {}).get("type"))
