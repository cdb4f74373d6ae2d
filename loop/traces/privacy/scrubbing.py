"""Take what is personal out of a trace, so that values still match between request, call and result."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from loop.traces.privacy.detection import SMALLEST, PersonalKind, personal
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.privacy.strings import changed
from loop.traces.trace import Trace


class Scrubbed(NamedTuple):
    """A trace without personal data, and how many different values of each kind it had."""

    trace: Trace
    replaced: Mapping[str, int]


def scrubbed(trace: Trace, pseudonyms: Pseudonyms, region: str = "US") -> Scrubbed:
    """Replace what is personal, wherever it stands; who talked and where is named by a digest."""
    values = personal(trace, region)
    hidden = trace.model_copy(
        update={"user": pseudonyms.name(trace.user), "conversation": pseudonyms.name(trace.conversation)}
    )
    if not values:
        return Scrubbed(hidden, {})
    stand_ins = _stand_ins(values, pseudonyms)
    pattern = _pattern(stand_ins)
    done = changed(hidden, lambda text: pattern.sub(lambda match: stand_ins[match.group()], text))
    return Scrubbed(done, dict(sorted(Counter(map(str, values.values())).items())))


def _stand_ins(values: Mapping[str, PersonalKind], pseudonyms: Pseudonyms) -> dict[str, str]:
    """Pair each value with its stand-in; a name's words also stand for themselves."""
    pairs = {value: pseudonyms.of(kind, value) for value, kind in values.items()}
    for value, kind in values.items():
        if kind is PersonalKind.NAME:
            for word in value.split():
                if len(word) > SMALLEST and word[:1].isupper():
                    pairs.setdefault(word, pseudonyms.of(kind, word))
    return pairs


def _pattern(stand_ins: Mapping[str, str]) -> re.Pattern[str]:
    """Match any of the values, the longest first, and no part of a longer word or number."""
    longest = sorted(stand_ins, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)")
