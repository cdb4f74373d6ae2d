"""Stand-ins for personal data: the same value gets the same one in every trace; only the key leads back.

A stand-in has the form of what it stands for, so that schemas hold and a number stays a number: a phone number keeps
its punctuation and its country, an address stays an address. Which one it is, HMAC-SHA256 of the value decides, under a
key that lies in the home and nowhere else; names and addresses are made by Faker from it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from faker import Faker

from loop.errors import CannotCreate
from loop.traces.privacy.detection import PersonalKind

KEY_BYTES: Final = 32
COUNTED: Final = 9
"""Digits from the right that make a phone number; those before are the country's or a zero."""


class Pseudonyms:
    """Makes stand-ins under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.of: Callable[[PersonalKind, str], str] = lru_cache(20_000)(self._of)

    @classmethod
    def at(cls, path: Path) -> "Pseudonyms":
        """Use the key in a file; make one where there is none.

        Raises:
            CannotCreate: the file cannot be written.
        """
        try:
            if not path.exists():
                path.touch(0o600)
                path.write_bytes(secrets.token_bytes(KEY_BYTES))
            return cls(path.read_bytes())
        except OSError as error:
            raise CannotCreate(f"{path}: {error.strerror}") from error

    def name(self, value: str) -> str:
        """Name something that must not be told, in 16 hexadecimal digits: a user, a conversation."""
        return self._digest("name", value).hex()[:16] if value else ""

    def identity(self, text: str) -> str:
        """Name a content, in hexadecimal."""
        return self._digest("content", text).hex()

    def _of(self, kind: PersonalKind, value: str) -> str:
        if kind in (PersonalKind.PHONE, PersonalKind.CARD, PersonalKind.SSN):
            return self._digits(kind, value)
        folded = " ".join(value.casefold().split())
        drawn = self._digest(kind, folded)
        made: Mapping[PersonalKind, Callable[[], str]] = {
            PersonalKind.EMAIL: lambda: f"user{int.from_bytes(drawn[:4]) % 10**8:08d}@example.com",
            PersonalKind.IBAN: lambda: f"XX00 {int.from_bytes(drawn[:7]) % 10**16:016d}",
            PersonalKind.IP: lambda: f"203.0.113.{drawn[0]}",
            PersonalKind.PASSWORD: lambda: f"pass-{drawn.hex()[:8]}",
            PersonalKind.ADDRESS: lambda: self._made(drawn, "address"),
        }
        return made[kind]() if kind in made else " ".join(map(self._word, value.split()))

    def _word(self, word: str) -> str:
        """Give one word of a name its stand-in, whatever stands beside it."""
        letters = word.strip(".,'\"")
        if len(letters) < 2:  # noqa: PLR2004 - an initial
            return word
        made = self._made(self._digest(PersonalKind.NAME, letters.casefold()), "name")
        return word.replace(letters, made if letters[:1].isupper() else made.lower())

    def _digits(self, kind: PersonalKind, value: str) -> str:
        """Replace digits from the right and keep all that stands between them."""
        digits = "".join(char for char in value if char.isdecimal())
        counted = digits[-COUNTED:] if kind is PersonalKind.PHONE else digits
        drawn = str(int.from_bytes(self._digest(kind, counted)) % 10 ** len(counted)).zfill(len(counted))
        drawn = f"{'000' if kind is not PersonalKind.PHONE else drawn[:3]}{drawn[3:]}"
        left = list(digits[: len(digits) - len(counted)] + drawn)
        return "".join(left.pop(0) if char.isdecimal() else char for char in value)

    def _made(self, drawn: bytes, what: str) -> str:
        self._faker.seed_instance(int.from_bytes(drawn[:8]))
        return str(self._faker.street_address() if what == "address" else self._faker.last_name())

    @cached_property
    def _faker(self) -> Faker:
        return Faker("en_US")

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.new(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
