"""Pages from templates: everything that was read is escaped, and a page may load nothing but our own files."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from loop.redaction import shown
from loop.ui.charts.bars import duration

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with none, a browser would not say where a form comes from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
SHORT: Final = 8


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("loop.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"short": _short, "percent": _percent, "when": _when, "visible": _visible, "duration": duration}
    return made


def page(template: str, values: Mapping[str, Any], *, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Fill a template."""
    return HTMLResponse(_templates().get_template(template).render(values), status_code=status, headers=HEADERS)


def _short(digest: str | None) -> str:
    return (digest or "")[:SHORT]


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.1f} %"


def _when(moment: datetime | str | None) -> str:
    if moment is None:
        return ""
    read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{read:%Y-%m-%d %H:%M}"


def _visible(text: str) -> str:
    """Spell control characters and those that turn the direction of writing."""
    return shown(text, lines=True)
