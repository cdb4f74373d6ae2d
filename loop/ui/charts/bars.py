"""Bars a round: what its dataset was mixed of, and where its time went."""

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from loop.ui.charts.svg import drawing, element, text
from loop.ui.overview import RoundTimeline, TimeSpan

WIDTH: Final = 640
LEFT: Final = 40
ROW: Final = 24
SOURCES: Final = ("student", "teachers", "traces", "corrections")
WORK: Final = ("plays", "training", "gates")
HOUR: Final = 3600
MINUTE: Final = 60


def mix(rounds: Sequence[Mapping[str, int]], title: str) -> Markup:
    """Draw how many rows of each source each round trained on."""
    most = max((sum(counts.get(name, 0) for name in SOURCES) for counts in rounds), default=0) or 1
    parts = [part for n, counts in enumerate(rounds) for part in _mixed(counts, 30 + ROW * n, most)]
    used = [name for name in SOURCES if any(counts.get(name) for counts in rounds)]
    return drawing(WIDTH, 36 + ROW * len(rounds), title, *_legend(used, SOURCES), *parts)


def _mixed(counts: Mapping[str, int], y: float, most: int) -> list[Markup]:
    parts, x = [text(str(counts["round"]), LEFT - 8, y + 14, anchor="end")], float(LEFT)
    total = sum(counts.get(name, 0) for name in SOURCES)
    for number, name in enumerate(SOURCES):
        width = (WIDTH - LEFT - 60) * counts.get(name, 0) / most
        if width > 0:
            title = f"round {counts['round']}: {counts[name]} rows of {name} ({counts[name] / total:.0%})"
            parts.append(_bar(x, y, width, number, title))
        x += width
    return [*parts, text(str(total), x + 6, y + 14)]


def timeline(courses: Sequence[RoundTimeline], title: str) -> Markup:
    """Draw what each round's time was spent on, and how much of it on nothing."""
    most = max((course.seconds for course in courses), default=0) or 1
    parts = [part for n, course in enumerate(courses) for part in _timed(course, 30 + ROW * n, most)]
    return drawing(WIDTH, 36 + ROW * len(courses), title, *_legend(WORK, WORK), *parts)


def _timed(course: RoundTimeline, y: float, most: float) -> list[Markup]:
    scale = (WIDTH - LEFT - 130) / most
    whole = element("rect", x=LEFT, y=y + 2, width=course.seconds * scale, height=ROW - 6, rx=2, class_="idle")
    parts = [text(str(course.round), LEFT - 8, y + 14, anchor="end"), whole]
    parts += [_spanned(course.round, span, y, scale) for span in course.spans]
    label = f"{duration(course.seconds)}, {course.idle:.0%} idle"
    return [*parts, text(label, LEFT + course.seconds * scale + 6, y + 14)]


def _spanned(number: int, span: TimeSpan, y: float, scale: float) -> Markup:
    title = f"round {number}: {span.what} for {duration(span.seconds)}"
    return _bar(LEFT + span.start * scale, y, max(span.seconds * scale, 1.0), WORK.index(span.what), title)


def _bar(x: float, y: float, width: float, colour: int, title: str) -> Markup:
    return element(
        "rect", element("title", title), x=x, y=y + 2, width=width, height=ROW - 6, rx=2, class_=f"fill s{colour}"
    )


def _legend(names: Sequence[str], order: Sequence[str]) -> list[Markup]:
    parts, x = [], float(LEFT)
    for name in names:
        parts.append(element("rect", x=x, y=8, width=12, height=12, rx=2, class_=f"fill s{order.index(name)}"))
        parts.append(text(name, x + 17, 18))
        x += 36 + 6.6 * len(name)
    return parts


def duration(seconds: float) -> str:
    """Spell a duration as people say it."""
    if seconds >= HOUR:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / MINUTE:.1f} min" if seconds >= MINUTE else f"{seconds:.1f} s"
