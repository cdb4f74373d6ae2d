"""What one check of `loopd doctor` found."""

from collections.abc import Callable, Iterator
from typing import Literal

from loop.types import Record

State = Literal["ok", "warn", "fail"]


class CheckResult(Record):
    """What one check found; where it is not right, what to do."""

    check: str
    state: State
    detail: str
    fix: str = ""


Check = Callable[[], Iterator[CheckResult]]


def judged(check: str, right: bool, detail: str, fix: str, *, otherwise: State = "warn") -> CheckResult:  # noqa: FBT001
    """Say that it is right, or what to do."""
    return CheckResult(check=check, state="ok" if right else otherwise, detail=detail, fix="" if right else fix)
