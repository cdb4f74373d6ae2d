"""A table of coloured cells: rows by columns, each with its figure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from loop.ui.charts.svg import drawing, element, text
from loop.ui.overview import Cell, Moved

CELL_WIDTH: Final = 62
CELL_HEIGHT: Final = 30
LETTER: Final = 6.6
"""Width of a letter, about."""
STEPS: Final = 10
"""Shades of a colour."""
TIERS: Final = ("easy", "moderate", "hard", "veryhard")


class Drawn(NamedTuple):
    """How one cell looks."""

    figure: str
    shade: str
    title: str


Cells = Mapping[tuple[str, str], Drawn]
"""By row and column."""


def heat(cells: Mapping[tuple[str, str], Cell], title: str) -> Markup:
    """Draw the student's pass rate by backend and tier."""
    tiers = [tier for tier in TIERS if any(tier == column for _, column in cells)]
    backends = sorted({row for row, _ in cells})
    drawn = {
        where: Drawn(
            f"{100 * cell.rate:.0f}",
            f"h{round(STEPS * cell.rate)}",
            f"{where[0]}, {where[1]}: {cell.rate:.0%} over {cell.plays} plays, {cell.arms} arms",
        )
        for where, cell in cells.items()
    }
    return _matrix(drawn, backends, tiers, title)


def transfer(cells: Mapping[tuple[str, str], Moved], title: str) -> Markup:
    """Draw what training on one backend (rows) did to another (columns), in points of its pass rate."""
    trained, measured = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
    drawn = {
        where: Drawn(
            f"{100 * cell.difference:+.0f}",
            _signed(cell.difference),
            f"{where[0]} to {where[1]}: {100 * cell.difference:+.1f} points, {cell.rounds} rounds",
        )
        for where, cell in cells.items()
    }
    return _matrix(drawn, trained, measured, title, slant=True)


def _signed(difference: float) -> str:
    steps = min(STEPS // 2, round(abs(difference) * 20))
    return f"{'up' if difference > 0 else 'down'}{steps}" if steps else "same"


def _matrix(cells: Cells, down: Sequence[str], across: Sequence[str], title: str, *, slant: bool = False) -> Markup:
    slanted = 0.72 * LETTER * max(map(len, across), default=0)
    left = 14 + LETTER * max(map(len, down), default=0)
    top = 24 + (slanted if slant else 0)
    x = {name: left + CELL_WIDTH * n for n, name in enumerate(across)}
    y = {name: top + CELL_HEIGHT * n for n, name in enumerate(down)}
    names = [text(name, left - 8, at + 19, anchor="end") for name, at in y.items()]
    headings = [_heading(name, at + CELL_WIDTH / 2, top - 8, slant=slant) for name, at in x.items()]
    drawn = [_cell(cell, x[column], y[row]) for (row, column), cell in cells.items()]
    width = left + CELL_WIDTH * len(across) + (slanted if slant else 8)
    return drawing(width, top + CELL_HEIGHT * len(down) + 6, title, *names, *headings, *drawn)


def _heading(name: str, x: float, y: float, *, slant: bool) -> Markup:
    if not slant:
        return text(name, x, y, anchor="middle")
    return element("text", name, x=x, y=y, class_="label", transform=f"rotate(-45 {x:.1f} {y:.1f})")


def _cell(drawn: Drawn, x: float, y: float) -> Markup:
    box = element(
        "rect", x=x + 1, y=y + 1, width=CELL_WIDTH - 2, height=CELL_HEIGHT - 2, rx=4, class_=f"cell {drawn.shade}"
    )
    figure = text(drawn.figure, x + CELL_WIDTH / 2, y + 19, anchor="middle", class_=f"figure on-{drawn.shade}")
    return element("g", element("title", drawn.title), box, figure)
