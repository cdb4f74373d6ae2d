"""`loopd doctor`: is everything in place? Each check says what was found and, where it is not right, what to do."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Final

import typer
from rich.text import Text

from loop.cli.access import Json, show
from loop.cli.checks import home, machine, models, service, settings, windows
from loop.cli.checks.found import Check, CheckResult
from loop.cli.terminal import Terminal
from loop.errors import CheckNegative, LoopdError

COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
CHECKS: Final[tuple[Check, ...]] = (
    *machine.CHECKS, *home.CHECKS, *settings.CHECKS, *models.CHECKS, *service.CHECKS,
    *windows.CHECKS,
)  # fmt: skip

app = typer.Typer(add_completion=False)


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Check this machine, the data and the configured teachers; nothing leaves the machine."""
    results = []
    for check in CHECKS:
        for result in guarded(check):
            results.append(result)
            if not as_json:
                _print(result)
    if as_json:
        show([result.model_dump() for result in results], as_json=True)
    counts = Counter(result.state for result in results)
    if counts["fail"]:
        raise CheckNegative(f"{counts['fail']} of {len(results)} checks failed; the lines above say what to do.")


def guarded(check: Check) -> Iterator[CheckResult]:
    """Run a check; one that cannot even look has failed."""
    try:
        yield from check()
    except (LoopdError, OSError, subprocess.SubprocessError) as error:
        fix = "Mend that, then look again: loopd doctor"
        yield CheckResult(check=check.__name__.replace("_", " "), state="fail", detail=str(error)[:500], fix=fix)


def _print(result: CheckResult) -> None:
    mark = Text.assemble((f"{result.state:>4}", COLOURS[result.state]), f"  {result.check}: {result.detail}")
    if result.fix:
        mark.append(f"\n      {result.fix}", style="bold")
    Terminal().print(mark, soft_wrap=True)
