"""Jinja as chat templates expect it: the functions that transformers gives them, in an immutable sandbox.

A template has no clock: what serving rendered yesterday, training has to render today (rule 2). One that asks for
the date always gets the same one.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

TODAY: Final = datetime(2024, 7, 26, tzinfo=UTC)
"""The date that Llama 3's template falls back on where it is not told another."""


class GenerationTag(Extension):
    """`{% generation %}`: marks what the assistant says, for trainers that ask the template. It changes no text."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Scope:
        """Keep the body."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """Build the environment of one template."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", GenerationTag]
    )
    made.filters["tojson"] = tojson
    made.globals |= {"raise_exception": _raise, "strftime_now": TODAY.strftime}
    return made


def tojson(  # a filter takes what comes
    value: Any,  # noqa: ANN401
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates pass it as they like
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Spell a value as JSON. Unlike Jinja's own filter it leaves HTML's characters as they are."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
