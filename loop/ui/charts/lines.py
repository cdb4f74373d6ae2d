"""Rates over rounds: a line a part of the suites, its interval around it, promotions marked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from markupsafe import Markup

from loop.ui.charts.svg import drawing, element, text
from loop.ui.overview import Point

WIDTH: Final = 640
HEIGHT: Final = 260
LEFT: Final = 44
RIGHT: Final = 12
TOP: Final = 30
BOTTOM: Final = 30
Scale = Callable[[float], float]


def lines(series: Mapping[str, Sequence[Point]], title: str) -> Markup:
    """Draw rates, in 0..1, of every series over its rounds."""
    rounds = sorted({point.round for points in series.values() for point in points})
    across, up = _across(rounds), _up
    promoted = sorted({point.round for points in series.values() for point in points if point.promoted})
    return drawing(
        WIDTH,
        HEIGHT,
        title,
        *_grid(rounds, across),
        *(_promotion(across(number)) for number in promoted),
        *(part for n, points in enumerate(series.values()) for part in _series(n, points, across, up)),
        *_legend(list(series), promoted=bool(promoted)),
    )


def _across(rounds: Sequence[int]) -> Scale:
    low, high = (rounds[0], rounds[-1]) if rounds else (0, 1)
    inner = WIDTH - LEFT - RIGHT - 24
    return lambda number: LEFT + 12 + (inner / 2 if high == low else inner * (number - low) / (high - low))


def _up(rate: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate)


def _grid(rounds: Sequence[int], across: Scale) -> list[Markup]:
    parts = []
    for quarter in range(5):
        y = _up(quarter / 4)
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(text(f"{25 * quarter} %", LEFT - 6, y + 4, anchor="end"))
    every = max(1, -(-len(rounds) // 12))
    parts += [text(str(number), across(number), HEIGHT - 12, anchor="middle") for number in rounds[::every]]
    return parts


def _promotion(x: float) -> Markup:
    return element("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="promotion")


def _series(number: int, points: Sequence[Point], across: Scale, up: Scale) -> list[Markup]:
    upper = [f"{across(point.round):.1f},{up(point.high):.1f}" for point in points]
    lower = [f"{across(point.round):.1f},{up(point.low):.1f}" for point in reversed(points)]
    middle = [f"{across(point.round):.1f},{up(point.rate):.1f}" for point in points]
    colour = f"s{number % 6}"
    parts = [
        element("polygon", points=" ".join([*upper, *lower]), class_=f"band {colour}"),
        element("polyline", points=" ".join(middle), class_=f"line {colour}"),
    ]
    for point in points:
        title = f"round {point.round}: {point.rate:.1%} [{point.low:.1%}, {point.high:.1%}], {point.tasks} tasks"
        dot = {"cx": across(point.round), "cy": up(point.rate), "r": 5.0 if point.promoted else 3.0}
        title += ", promoted" if point.promoted else ""
        x = across(point.round)
        bar = element("line", x1=x, x2=x, y1=up(point.low), y2=up(point.high), class_=f"whisker {colour}")
        parts += [bar, element("circle", element("title", title), **dot, class_=f"dot {colour}")]
    return parts


def _legend(names: Sequence[str], *, promoted: bool) -> list[Markup]:
    parts, x = [], float(LEFT)
    for number, name in enumerate(names):
        parts.append(element("rect", x=x, y=8, width=12, height=12, rx=2, class_=f"fill s{number % 6}"))
        parts.append(text(name, x + 17, 18))
        x += 36 + 6.6 * len(name)
    if promoted:
        parts.append(element("line", x1=x + 6, x2=x + 6, y1=7, y2=21, class_="promotion"))
        parts.append(text("promoted", x + 13, 18))
    return parts
