"""What in a trace is personal: found by form, by the field that it stands in, and by the words around it.

Forms are e-mail addresses, phone numbers (the `phonenumbers` library, Google's rules), cards (ISO/IEC 7812, Luhn's
check), IBANs (ISO 13616), United States social security numbers, public IP addresses and street addresses. Names have
no form: they are known by their field (`first_name`, `passenger`, …) and by words ("my name is …", "Dr. …"), and then
found wherever else the conversation has them. A name that is only mentioned is not found: nothing here reads as a
person does.
"""

import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import Leniency, PhoneNumberMatcher

from loop.traces.privacy.strings import strings_of
from loop.traces.trace import Trace


class PersonalKind(StrEnum):
    """What kind of personal data something is."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    SSN = "ssn"
    IP = "ip"
    ADDRESS = "address"
    NAME = "name"
    PASSWORD = "password"  # noqa: S105 - the kind's word


MAX_TEXT: Final = 200_000
"""Characters of one text in which phone numbers are looked for."""
EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}")
DIGITS: Final = re.compile(r"\+?\d(?:[\s().-]{0,3}\d){6,18}")
CARD: Final = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?!\d|\.\d)")
IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
SSN: Final = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
IP: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
STREETS: Final = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Terrace|Square|Sq|Highway|Hwy|"
    "Parkway|Pkwy|Circle|Cir|Alley|Broadway"
)
ADDRESS: Final = re.compile(rf"\b\d{{1,6}}[A-Za-z]? (?:[A-Z0-9][\w.'-]{{0,30}} ){{0,4}}(?:{STREETS})\b")
TITLE: Final = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? ((?:[A-Z][\w'-]+)(?: [A-Z][\w'-]+){0,2})")
INTRODUCED: Final = re.compile(
    r"\b(?:[Mm]y (?:full )?name is|[Mm]y name's|[Tt]his is|I am called|[Uu]nder the name(?: of)?|in the name of)"
    r" ((?:[A-Z][\w'-]+)(?: [A-Z][\w'-]+){0,3})"
)
NAMES: Final = frozenset(
    (
        "firstname", "lastname", "fullname", "surname", "givenname", "familyname", "middlename", "customername",
        "passengername", "guestname", "patientname", "contactname", "cardholdername", "cardholder",
        "recipientname", "sendername", "ownername", "employeename", "clientname", "nameoncard", "holdername",
        "personname", "passenger", "attendeename", "travelername", "travellername", "subscribername",
        "accountholder",
    )
)  # fmt: skip
ADDRESSES: Final = frozenset(
    (
        "address", "streetaddress", "street", "addressline1", "addressline2", "shippingaddress",
        "billingaddress", "homeaddress", "mailingaddress", "deliveryaddress", "customeraddress",
    )
)  # fmt: skip
PASSWORDS: Final = frozenset(
    (
        "password", "passwd", "passphrase", "pin", "pincode", "cvv", "cvc", "securitycode", "accesscode",
    )
)  # fmt: skip
SHORTEST: Final = 7
"""Digits of the shortest phone number."""
ISSUERS: Final = frozenset((2, 3, 4, 5, 6))
"""First digits of cards."""
SMALLEST: Final = 2
"""Characters of the shortest name that is looked for elsewhere."""


def personal(trace: Trace, region: str = "US") -> dict[str, PersonalKind]:
    """Find everything personal in a trace, as it is spelled there.

    Args:
        trace: the trace.
        region: whose rules a phone number without a country code follows (ISO 3166).
    """
    kinds: dict[str, PersonalKind] = {}
    words: list[str] = []
    for field in strings_of(trace):
        kind = _by_field(field.field)
        if kind and field.text.strip():
            kinds.setdefault(field.text.strip(), kind)
        if not kind:
            words.append(field.text)
    whole = "\n".join(dict.fromkeys(words))
    for kind, value in _by_form(whole, region):
        kinds.setdefault(value, kind)
    for pattern in (TITLE, INTRODUCED):
        for match in pattern.finditer(whole):
            kinds.setdefault(match.group(1), PersonalKind.NAME)
    return kinds


def _by_field(field: str) -> PersonalKind | None:
    if not field:
        return None
    name = "".join(char for char in field.lower() if char.isalnum())
    if name in NAMES:
        return PersonalKind.NAME
    if name in ADDRESSES:
        return PersonalKind.ADDRESS
    return PersonalKind.PASSWORD if name in PASSWORDS else None


def _by_form(text: str, region: str) -> Iterator[tuple[PersonalKind, str]]:
    if "@" in text:
        yield from ((PersonalKind.EMAIL, match.group()) for match in EMAIL.finditer(text))
    yield from ((PersonalKind.ADDRESS, match.group()) for match in ADDRESS.finditer(text))
    yield from ((PersonalKind.IP, match.group()) for match in IP.finditer(text) if _is_public(match.group()))
    if not DIGITS.search(text):
        return
    yield from ((PersonalKind.CARD, match.group()) for match in CARD.finditer(text) if luhn(match.group()))
    yield from ((PersonalKind.IBAN, match.group()) for match in IBAN.finditer(text) if _is_iban(match.group()))
    yield from ((PersonalKind.SSN, match.group()) for match in SSN.finditer(text))
    yield from ((PersonalKind.PHONE, number) for number in phones(text, region))


def phones(text: str, region: str) -> Iterator[str]:
    """Find valid phone numbers; only around runs of digits, because looking is slow."""
    for run in DIGITS.finditer(text[:MAX_TEXT]):
        yield from _phones(text[max(0, run.start() - 3) : run.end() + 3], region)


@lru_cache(20_000)
def _phones(near: str, region: str) -> tuple[str, ...]:
    matches = PhoneNumberMatcher(near, region, Leniency.VALID, max_tries=20)
    return tuple(match.raw_string for match in matches if sum(map(str.isdigit, match.raw_string)) >= SHORTEST)


def luhn(text: str) -> bool:
    """Whether digits pass Luhn's check and begin as a card's do."""
    digits = [int(char) for char in text if char.isdecimal()]
    if digits[0] not in ISSUERS or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    bare = text.replace(" ", "")
    turned = bare[4:] + bare[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def is_region(region: str) -> bool:
    """Whether phone numbers are known for a region."""
    return region in phonenumbers.SUPPORTED_REGIONS
