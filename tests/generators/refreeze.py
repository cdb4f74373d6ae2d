"""Write the digests of tasks and suites anew, after a decision to change them. A program, no test."""

import json
from pathlib import Path

from loop.plugins import find, known
from task_generators.suites import names, suite
from task_generators.writing.generator import Generator

HERE = Path(__file__).parent


def tasks() -> dict[str, str]:
    """One training task of each arm."""
    found = [find("task_generators", name) for name in known("task_generators")]
    makers = [kind() for kind in found if issubclass(kind, Generator)]
    return {str(arm): maker.make(arm, 7).id for maker in makers for arm in maker.arms}


def write(name: str, digests: dict[str, str]) -> None:
    """Write digests by name, one a line."""
    (HERE / name).write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")


write("frozen_tasks.json", tasks())
write("frozen_suites.json", {name: suite(name).id for name in names()})
