"""BFCL's two memories that need no model: keys and values with a search over the keys, and one text.

What a player keeps here outlasts its conversation: `shows` is what the next one sees from its beginning. The simulators
are BFCL's own; what they lack without their package's other dependencies (a parent that writes files, a search library)
stands beside them. The third of BFCL's memories, over vectors, wants an embedding model and is left out.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, Final

from pydantic import JsonValue

from loop.types import Record, Tool
from task_generators.backends.backend import Simulator
from task_generators.backends.bfcl_backend import tools_of_module
from task_generators.backends.excerpts import excerpt

KEYS: Final = "MemoryAPI_kv"
TEXT: Final = "MemoryAPI_rec_sum"

KEPT: Final = frozenset({"core_memory", "archival_memory", "memory"})
"""Attributes of BFCL's simulators that are their state."""

MAX_TEXT: Final = 10_000
"""Characters of the one text, as BFCL has it."""

MAX_KEY: Final = 255

MAX_FOUND: Final = 50
"""Keys that a search answers: as many as there can be."""

SATURATION: Final = 1.5
LENGTH: Final = 0.75
FLOOR: Final = 1.0
"""k1, b and delta of BM25+, as BFCL's search has them."""

_Simulator: Any = object
"""The simulator that follows in the order of resolution."""


class Bm25Plus:
    """Ranks short texts for a query (Lv and Zhai 2011, "Lower-bounding term frequency normalization")."""

    def __init__(self, corpus: Sequence[Sequence[str]]) -> None:
        """Count words.

        Raises:
            ValueError: there is nothing to search in.
        """
        if not corpus:
            raise ValueError("there is nothing to search in")
        self._texts = [Counter(words) for words in corpus]
        self._lengths = [len(words) for words in corpus]
        self._mean = sum(self._lengths) / len(corpus) or 1.0
        self._holding = Counter(word for text in self._texts for word in text)

    def get_scores(self, query: Sequence[str]) -> list[float]:
        """Score every text."""
        return [
            sum(self._score(text, length, word) for word in query)
            for text, length in zip(self._texts, self._lengths, strict=True)
        ]

    def _score(self, text: Mapping[str, int], length: int, word: str) -> float:
        if not self._holding[word]:
            return 0.0
        rarity = math.log((len(self._texts) + 1) / self._holding[word])
        often, long = text.get(word, 0), SATURATION * (1 - LENGTH + LENGTH * length / self._mean)
        return rarity * (FLOOR + often * (SATURATION + 1) / (long + often))


class Memory(_Simulator):  # type: ignore[misc]  # BFCL is untyped
    """What both have: a state that the task gives instead of a file, and what is shown of it."""

    def _load_scenario(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:  # noqa: FBT001, FBT002 - BFCL's signature
        """Begin with what the task says was kept."""
        del long_context
        for name in self.remembers().keys() & scenario.keys():
            setattr(self, name, scenario[name])

    def remembers(self) -> dict[str, JsonValue]:
        """Give what is kept."""
        return {
            name: value for name, value in vars(self).items() if name in {"core_memory", "archival_memory", "memory"}
        }

    def shows(self) -> str:
        """Say what a new conversation sees of it."""
        return str(self._dump_core_memory_to_context())


class Keyed(Memory):
    """Keys of a bounded length, and a search that answers no more than there is."""

    def core_memory_add(self, key: str, value: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Keep a value for the time being."""
        return super().core_memory_add(_key(key), value)

    def archival_memory_add(self, key: str, value: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Keep a value for good."""
        return super().archival_memory_add(_key(key), value)

    def core_memory_key_search(self, query: str, k: int = 5) -> Any:  # noqa: ANN401 - BFCL's result
        """Search the keys."""
        return super().core_memory_key_search(query, _few(k))

    def archival_memory_key_search(self, query: str, k: int = 5) -> Any:  # noqa: ANN401 - BFCL's result
        """Search the keys."""
        return super().archival_memory_key_search(query, _few(k))


def _key(key: str) -> str:
    if len(key) > MAX_KEY:
        raise ValueError(f"a key has {MAX_KEY} characters at most")
    return key


def _few(many: float) -> int:
    return min(max(int(many), 0), MAX_FOUND)


class Summed(Memory):
    """A text that stays as short as its tools say: BFCL's replacement may make it grow without end."""

    memory: str

    def memory_replace(self, old_text: str, new_text: str) -> Any:  # noqa: ANN401 - BFCL's result
        """Replace a text in it."""
        before = len(self.memory)
        grown = before + self.memory.count(old_text) * (len(new_text) - len(old_text))
        if not old_text:
            return {"error": "The text to replace is empty."}
        if grown > MAX_TEXT:
            return {"error": f"Entry will be too long after replacing: {MAX_TEXT} characters at most."}
        return super().memory_replace(old_text, new_text)


class MemoryBackend(Record):
    """One of BFCL's memories. The initial state: what was kept before, in the simulator's own attributes."""

    name: str
    module: str
    """BFCL's module; its file of function documents has the same name."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool, by name, in the order of the documents."""
        return tools_of_module(self.module)

    def open(self, initial: Mapping[str, JsonValue], *, long_context: bool) -> Simulator:
        """Make one play's own instance."""
        instance = _class(self.name, self.module)()
        instance._load_scenario(initial, long_context=long_context)  # noqa: SLF001 - BFCL's only way in
        return instance


BACKENDS: Final = (MemoryBackend(name=KEYS, module="memory_kv"), MemoryBackend(name=TEXT, module="memory_rec_sum"))

MENDS: Final[Mapping[str, type]] = {KEYS: Keyed, TEXT: Summed}


@cache
def _class(name: str, module: str) -> type:
    """Make the class of a memory's instances: BFCL's own behind its mend."""
    return type(name, (MENDS[name], getattr(_own(name, module), name)), {})


def _own(name: str, module: str) -> ModuleType:
    return excerpt(
        f"eval_checker/multi_turn_eval/func_source_code/{module}.py",
        (name,),
        given={"MemoryAPI": object, "BM25Plus": Bm25Plus},
    )
