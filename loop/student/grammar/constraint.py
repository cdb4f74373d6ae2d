"""Constrained decoding: which tokens may come next. llguidance follows the grammar and finds the tokens that fit it.

It is loaded when a request wants a constraint for the first time: most servers never need it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

import mlx.core as mx
import numpy as np
from tokenizers import Tokenizer

from loop.canonical import digest
from loop.errors import ConfigError
from loop.student.grammar.answer import Held, grammar
from loop.student.sampling import SamplingParams, choose
from loop.types import Catalogue

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_GRAMMARS: Final = 64
"""Grammars that are kept."""
GREEDY: Final = SamplingParams()


class Constraint:
    """One tokenizer's masks, for any grammar. Use it from one thread."""

    def __init__(self, tokenizer: Tokenizer, end: int) -> None:
        """Take a tokenizer; it is read when a request wants a constraint for the first time.

        Args:
            tokenizer: the model's.
            end: the token that ends a turn.
        """
        self._tokenizer, self._end = tokenizer, end
        self._begun: OrderedDict[str, LLMatcher] = OrderedDict()

    @cached_property
    def vocabulary(self) -> "LLTokenizer":
        """What the tokens spell."""
        from llguidance import LLTokenizer  # noqa: PLC0415 - see above

        try:
            return LLTokenizer(self._tokenizer.to_str(), eos_token=self._end)
        except ValueError as error:
            raise ConfigError(f"Calls cannot be constrained with this tokenizer: {str(error)[:300]}") from error

    def begin(self, held: Held) -> "Matcher":
        """Follow one answer.

        Raises:
            ConfigError: the tokenizer's tokens cannot be constrained, or a schema says what cannot be held to.
        """
        key = digest([held.offered.id, held.model_dump(mode="json", exclude={"offered"})])
        first = self._begun.pop(key, None) or self._compiled(held)
        self._begun[key] = first
        if len(self._begun) > MAX_GRAMMARS:
            self._begun.popitem(last=False)
        return Matcher(first.deep_copy(), self.vocabulary.vocab_size)

    def _compiled(self, held: Held) -> "LLMatcher":
        from llguidance import LLMatcher  # noqa: PLC0415 - see above

        first = LLMatcher(self.vocabulary, LLMatcher.grammar_from_lark(grammar(held)), log_level=0)
        if first.is_error():
            reason = _of_tool(held.offered) or first.get_error().strip().splitlines()[0]
            raise ConfigError(f"An answer cannot be held to this: {reason[:500]}")
        return first


def _of_tool(offered: Catalogue) -> str:
    """Name the tool whose schema is at fault, and why; empty where it is none."""
    from llguidance import LLMatcher  # noqa: PLC0415 - see above

    for tool in offered.tools:
        text = grammar(Held(offered=Catalogue(tools=(tool,))))
        if fault := LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(text)):
            return f"parameters of {tool.name}: {fault.strip().splitlines()[0]}"
    return ""


class Matcher:
    """One answer: where in the grammar it is."""

    def __init__(self, matcher: "LLMatcher", vocabulary: int) -> None:
        self._matcher, self._vocabulary = matcher, vocabulary

    def fits(self, size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Find the tokens that may come next, [size] bool."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        known = np.unpackbits(bits, bitorder="little")[: self._vocabulary].astype(np.bool_)
        return np.concatenate([known, np.zeros(max(size - len(known), 0), np.bool_)])[:size]

    def advance(self, token: int) -> bool:
        """Note what was said; False, and nothing noted, where it does not fit."""
        return token < self._vocabulary and self._matcher.try_consume_tokens([token]) == 1


def masked(logits: mx.array, matchers: Sequence[Matcher | None]) -> mx.array:
    """Take what does not fit out of logits [R, V]; rows without a constraint keep every bit."""
    if not any(matchers):
        return logits
    size = logits.shape[-1]
    every = np.ones(size, np.bool_)
    fits = np.stack([every if matcher is None else matcher.fits(size) for matcher in matchers])
    return mx.where(mx.array(fits), logits, -mx.inf)


def settled(logits: mx.array, token: int, matcher: Matcher) -> int:
    """Note a sampled token; where rounding let one through that does not fit, the likeliest that does is said."""
    if matcher.advance(token):
        return token
    [[best], _] = choose(logits[None], [GREEDY], [0.0])
    matcher.advance(best)
    return best
