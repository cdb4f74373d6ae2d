"""The renderings of BFCL's format sensitivity: how functions are described to a player, and how calls are written.

The prompts are written by BFCL's own functions, from its own texts.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any, Final, Literal
from xml.sax.saxutils import escape, quoteattr

from loop.types import Record
from task_generators.backends.excerpts import excerpt

FORMAT: Final = "format"
"""Where a task's functions say how an answer is to be written."""

RETURNED: Final = ("python", "json", "verbose_xml", "concise_xml")
DESCRIBED: Final = ("python", "xml", "json")


class PromptFormat(Record):
    """One rendering of the system prompt."""

    returned: Literal["python", "json", "verbose_xml", "concise_xml"]
    """How calls are to be written."""
    tagged: bool
    """Whether they stand in `<TOOLCALL>`."""
    described: Literal["python", "xml", "json"]
    """How the functions are described."""
    prompt: Literal["plaintext", "markdown"] = "plaintext"
    style: Literal["classic", "experimental"] = "classic"

    def __str__(self) -> str:
        """Spell it as BFCL does."""
        return (
            f"ret_fmt={self.returned}&tool_call_tag={self.tagged}&func_doc_fmt={self.described}"
            f"&prompt_fmt={self.prompt}&style={self.style}"
        )

    @property
    def family(self) -> str:
        """Name it as a family of tasks."""
        words = [self.returned, "tag" if self.tagged else "plain", self.described]
        words += [word for word in (self.prompt, self.style) if word in {"markdown", "experimental"}]
        return "-".join(words).replace("_", "-")


FORMATS: Final = (
    *(
        PromptFormat(returned=returned, tagged=tagged, described=described)
        for returned in RETURNED
        for tagged in (True, False)
        for described in DESCRIBED
    ),
    PromptFormat(returned="python", tagged=False, described="json", prompt="markdown"),
    PromptFormat(returned="python", tagged=False, described="json", style="experimental"),
)
"""BFCL's 26."""


def instruction(functions: list[dict[str, Any]], rendering: PromptFormat) -> str:
    """Write BFCL's system prompt for some functions, with its remark on their language."""
    hint = _hints()._get_language_specific_hint("simple_python")  # noqa: SLF001 - BFCL's own
    noted = [{**function, "description": function["description"] + hint} for function in functions]
    return str(_prompts().formulate_system_prompt(str(rendering), noted))


@cache
def _prompts() -> ModuleType:
    wanted = ("formulate_system_prompt", "format_function_doc", "parse_prompt_variation_params")
    inner = ("_generate_function_doc_xml", "_generate_function_doc_python")
    return excerpt("model_handler/utils.py", (*wanted, *inner))


@cache
def _hints() -> ModuleType:
    return excerpt("utils.py", ("_get_language_specific_hint", "is_java", "is_js"))


# --- how calls are written -------------------------------------------------------------------------------------------


def spelt(calls: Sequence[tuple[str, Mapping[str, Any]]], rendering: PromptFormat) -> str:
    """Write calls as a rendering wants them."""
    text = WRITERS[rendering.returned](calls)
    return f"<TOOLCALL>{text}</TOOLCALL>" if rendering.tagged else text


def _python(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    written = (f"{name}({', '.join(f'{name}={value!r}' for name, value in given.items())})" for name, given in calls)
    return f"[{', '.join(written)}]"


def _json(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return json.dumps([{"function": name, "parameters": dict(given)} for name, given in calls], ensure_ascii=False)


def _verbose(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    def param(name: str, value: Any) -> str:  # noqa: ANN401 - a JSON value
        return f"<param name={quoteattr(name)} value={quoteattr(_raw(value))} type={quoteattr(_type(value))}/>"

    functions = (
        f"<function name={quoteattr(name)}><params>{params}</params></function>"
        for name, given in calls
        for params in ("".join(param(*name) for name in given.items()),)
    )
    return f"<functions>{''.join(functions)}</functions>"


def _concise(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    def param(name: str, value: Any) -> str:  # noqa: ANN401 - a JSON value
        return f"<param name={quoteattr(name)} type={quoteattr(_type(value))}>{escape(_raw(value))}</param>"

    functions = (
        f"<function name={quoteattr(name)}>{''.join(param(*name) for name in given.items())}</function>"
        for name, given in calls
    )
    return f"<functions>{''.join(functions)}</functions>"


def _raw(value: Any) -> str:  # noqa: ANN401 - a JSON value
    return value if isinstance(value, str) else str(value)


def _type(value: Any) -> str:  # noqa: ANN401 - a JSON value
    return TYPES.get(type(value), "string")


TYPES: Final = MappingProxyType(
    {str: "string", bool: "boolean", int: "integer", float: "float", list: "array", dict: "dict", type(None): "null"}
)

WRITERS: Final = MappingProxyType({"python": _python, "json": _json, "verbose_xml": _verbose, "concise_xml": _concise})
