"""Grounding: can what a person wants of an answer be right, by what was said, what tools answered, what was asked?

Each check looks at one correction by itself and gives the reason why it is doubted. What corrections say of each other
is `loop.traces.precedents`.
"""

from loop.traces.grounding import calls, words
from loop.traces.lessons import Lesson


def doubt(lesson: Lesson) -> str | None:
    """Say why what is wanted cannot be right, as far as the conversation and the task can tell."""
    checks = calls.CHECKS if lesson.wanted.calls else words.CHECKS
    return next((reason for check in checks if (reason := check(lesson))), None)
