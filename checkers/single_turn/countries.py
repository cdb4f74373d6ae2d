"""Countries and the other names that people write for them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NAMES: Final = {
    "united states": ("us", "usa", "united states of america", "america"),
    "united kingdom": ("uk", "gb", "great britain", "britain"),
    "united arab emirates": ("uae", "emirates"),
    "china": ("cn", "prc", "peoples republic of china"),
    "south korea": ("kr", "korea", "republic of korea"),
    "north korea": ("dprk",),
    "russia": ("ru", "russian federation"),
    "japan": ("jp",),
    "france": ("fr",),
    "spain": ("es",),
    "italy": ("it",),
    "australia": ("au",),
    "new zealand": ("nz",),
    "south africa": ("rsa",),
    "brazil": ("br", "brasil"),
    "mexico": ("mx",),
    "netherlands": ("nl", "holland", "the netherlands"),
    "switzerland": ("ch",),
    "germany": ("deutschland", "federal republic of germany"),
    "czech republic": ("cz", "czechia"),
    "turkey": ("tr", "turkiye", "türkiye"),
    "vietnam": ("vn", "viet nam"),
    "ireland": ("ie", "republic of ireland"),
    "portugal": ("pt",),
    "poland": ("pl",),
    "sweden": ("se",),
    "norway": ("no",),
    "greece": ("gr",),
    "taiwan": ("tw",),
    "hong kong": ("hk",),
    "singapore": ("sg",),
    "thailand": ("th",),
    "philippines": ("ph", "the philippines"),
    "saudi arabia": ("ksa",),
    "egypt": ("eg",),
    "canada": ("can",),
    "india": ("ind", "bharat"),
}
"""Two-letter codes that are also states of the United States (CA, DE, IN, …) are left out: "San Francisco, CA"."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType({alias: name for name, all_ in NAMES.items() for alias in all_})

CODE: Final = 2
"""Letters of a code that counts only where it stands alone between commas: "us" is a pronoun too."""


def with_full_names(text: str) -> str:
    """Write every country at the end of a part between commas by one name; drop case, points and doubled spaces."""
    return ", ".join(_part(" ".join(part.lower().replace(".", "").split())) for part in text.split(","))


def _part(part: str) -> str:
    if part in ALIASES:
        return ALIASES[part]
    words = part.split()
    for length in (4, 3, 2, 1):
        last = " ".join(words[-length:])
        if len(words) > length and len(last) > CODE and last in ALIASES:
            return " ".join([*words[:-length], ALIASES[last]])
    return part
