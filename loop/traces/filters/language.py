"""Language: does the assistant answer in the language in which it is asked?

Languages are told by py3langid, a classifier over byte n-grams (Lui and Baldwin 2012). Short messages are not judged,
and only a clear difference counts: names and addresses are in any language.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import Field

from loop.traces.filtering import Filter, TraceFault, said
from loop.types import Trajectory

__all__ = ["Language"]


class Language(Filter):
    """Judges languages."""

    least: int = Field(default=60, ge=20)
    """Characters from which on a text is judged; the user's are all taken together."""
    sure: float = Field(default=0.99, gt=0, le=1)
    """How sure it must be of both."""

    def faults(self, trajectory: Trajectory) -> Iterator[TraceFault]:
        """Find messages in another language than the user's."""
        asked = " ".join(message.content for message in trajectory.messages if message.role == "user")
        user = self._language(asked[:5_000])
        for index, message in said(trajectory):
            spoken = self._language(message.content[:5_000]) if user and not message.calls else None
            if spoken and spoken != user:
                yield TraceFault(index, "language", f"the user writes {user}, the assistant {spoken}")

    def _language(self, text: str) -> str | None:
        if len(text) < self.least:
            return None
        language, sure = _classifier().classify(text)
        return str(language) if sure >= self.sure else None


@cache
def _classifier() -> Any:  # noqa: ANN401 - the library has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - it reads its model at import

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
