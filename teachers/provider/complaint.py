"""A complaint: what is wrong with an answer, in words that go back to the model."""

from typing import Final

from loop.errors import FailureKind, ProviderError

LONGEST: Final = 400


def complaint(text: str) -> ProviderError:
    """Say it, as an error to raise."""
    return ProviderError(FailureKind.BAD_OUTPUT, text[:LONGEST])
