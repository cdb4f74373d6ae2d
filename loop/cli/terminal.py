"""The terminal's door: whatever is printed passes here, and nothing that was read elsewhere steers the terminal.

Names of tools, verdicts, answers and errors come from models, providers and files. Control characters in them are
spelled as what they are, and nothing in them is taken for markup.
"""

from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from loop.redaction import shown


class Terminal(Console):
    """A console that prints text as text; styles and tables are the program's own."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - rich's own
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, with control characters spelled; those that rich makes itself stay."""
        for segment in super().render(renderable, options):
            harmless = segment.control or segment.text.isprintable()
            yield segment if harmless else Segment(shown(segment.text, lines=True), segment.style)


def say(text: str, *, err: bool = False) -> None:
    """Print lines of text."""
    typer.echo(shown(text, lines=True), err=err)
