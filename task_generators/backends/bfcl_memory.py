"""BFCL's memory: conversations in which the user says much, and later ones that ask about it.

A task is one scenario with one kind of memory, as BFCL plays it: first its conversations one after the other, each
begun with what the memory shows by then, then every question in a conversation of its own, which sees the memory as the
first part left it and leaves no trace. The checker `recall` counts the questions whose answer holds a right one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from loop.types import Split, Task, Tier, Turn
from task_generators.backends.bfcl import BadEntry, read_lines
from task_generators.backends.catalogues import tools_of
from task_generators.backends.memory_backend import KEYS, TEXT
from task_generators.backends.worlds import SHOWN

SCENARIOS: Final = ("customer", "finance", "healthcare", "notetaker", "student")

MEMORIES: Final[Mapping[str, str]] = {"memory_kv": KEYS, "memory_rec_sum": TEXT}
"""Categories, as the data set spells them, and their backends."""

QUESTIONS: Final = "questions"
"""Key of `Task.initial` beside the backends: for every turn, the acceptable answers; none where nothing is asked."""

FILE: Final = "BFCL_v4_memory.json"


def memory_tasks(category: str) -> Iterator[Task]:
    """Give a category's tasks, one a scenario.

    Raises:
        ConfigError: the data set is not installed.
        BadEntry: an entry cannot be read; the message names the file and line, or the scenario.
    """
    asked, right = read_lines(FILE), {line["id"]: line for line in read_lines(f"possible_answer/{FILE}")}
    for number, scenario in enumerate(SCENARIOS):
        conversations = read_lines(f"memory_prereq_conversation/memory_{scenario}.json")
        questions = [attempt for attempt in asked if attempt.get("scenario") == scenario]
        try:
            yield _task(
                category,
                number,
                conversations,
                [(question, right[question["id"]]["ground_truth"]) for question in questions],
            )
        except (KeyError, TypeError, AttributeError, IndexError, ValueError, ValidationError) as error:
            raise BadEntry(f"{FILE}, scenario {scenario}: {type(error).__name__}: {error}") from error


def _task(
    category: str,
    number: int,
    conversations: Sequence[Mapping[str, Any]],
    questions: Sequence[tuple[Mapping[str, Any], Any]],
) -> Task:
    backend, scenario = MEMORIES[category], SCENARIOS[number]
    begins = _instruction(category, scenario)
    turns = [turn for entry in conversations for turn in _conversation(entry, begins)]
    asked = [_question(entry, [str(accepted) for accepted in right], begins) for entry, right in questions]
    return Task(
        generator="bfcl",
        family=category,
        tier=Tier.VERYHARD,
        seed=number,
        backends=(backend,),
        initial={backend: {}, QUESTIONS: [*([] for _ in turns), *(list(map(str, right)) for _, right in questions)]},
        tools=tools_of(backend),
        turns=(*turns, *asked),
        split=Split.HELDOUT,
        leak_group=f"bfcl-memory-{scenario}",
        source=f"{category}-{scenario}",
    )


def _conversation(entry: Mapping[str, Any], begins: str) -> Iterator[Turn]:
    for index, messages in enumerate(entry["question"]):
        yield Turn(user=_words(messages), closing="Noted.", session=None if index else begins)


def _question(entry: Mapping[str, Any], right: Sequence[str], begins: str) -> Turn:
    [messages] = entry["question"]
    session = f"{begins}\n\n{_texts().ADDITIONAL_SYSTEM_PROMPT_FOR_AGENTIC_RESPONSE_FORMAT}"
    answer = f"{{'answer': {right[0]!r}, 'context': 'It was said before.'}}"
    return Turn(user=_words(messages), closing=answer, session=session, aside=True)


def _words(messages: Sequence[Mapping[str, str]]) -> str:
    return "\n\n".join(message["content"] for message in messages)


def _instruction(category: str, scenario: str) -> str:
    texts = _texts()
    unified = texts.MEMORY_BACKEND_INSTRUCTION_UNIFIED
    template = unified if category == "memory_rec_sum" else texts.MEMORY_BACKEND_INSTRUCTION_CORE_ARCHIVAL
    return str(template.format(scenario_setting=texts.MEMORY_AGENT_SETTINGS[scenario], memory_content=SHOWN))


def _texts() -> Any:  # noqa: ANN401 - BFCL is untyped
    from bfcl_eval.constants import default_prompts  # noqa: PLC0415 - the data set may not be installed

    return default_prompts
