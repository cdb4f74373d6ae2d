"""Elements of SVG, everything in them escaped; colours are classes, so that a page and an exported file can differ."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from markupsafe import Markup, escape

BROAD: Final = 600
"""A drawing of this width is not drawn smaller than can be read: on a phone it is moved sideways."""
ATTRIBUTE: Final = Markup(' {}="{}"')
ELEMENT: Final = Markup("<{}{}>{}</{}>")


def element(name: str, *inside: str | Markup, **attributes: str | float) -> Markup:
    """Make an element; an underscore in an attribute's name stands for a hyphen, at its end for nothing."""
    attributes_text = joined(
        ATTRIBUTE.format(key.rstrip("_").replace("_", "-"), _spelled(value)) for key, value in attributes.items()
    )
    return ELEMENT.format(name, attributes_text, joined(inside), name)


def joined(parts: Iterable[str | Markup]) -> Markup:
    """Put parts together; what is no markup is escaped."""
    return Markup("").join(escape(part) for part in parts)


def text(said: str, x: float, y: float, *, anchor: str = "start", class_: str = "label") -> Markup:
    """Write a line of text."""
    return element("text", said, x=x, y=y, text_anchor=anchor, class_=class_)


def drawing(width: float, height: float, title: str, *inside: str | Markup) -> Markup:
    """Frame a drawing; its title is what a screen reader says."""
    return element(
        "svg",
        element("title", title),
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_spelled(width)} {_spelled(height)}",
        width=width,
        height=height,
        role="img",
        class_="chart broad" if width >= BROAD else "chart",
    )


def document(picture: Markup) -> str:
    """Make a file of a drawing: with its own colours, light or dark as its reader is."""
    style = (files("loop") / "ui" / "static" / "chart.css").read_text(encoding="utf-8")
    head, rest = str(picture).split(">", 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}><style>{style}</style>{rest}\n'


def _spelled(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
