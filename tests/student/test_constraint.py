import json

import jsonschema
import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from loop.errors import ConfigError
from loop.student.engine.batching import Engine, Refused
from loop.student.engine.conversations import Request
from loop.student.engine.plain import PlainEngine
from loop.student.grammar.automaton import Free, step
from loop.student.grammar.constraint import Constraint, masked, settled
from loop.student.grammar.schemas import answer
from loop.student.sampling import Sampling
from loop.templates.parse import CLOSE, OPEN, parse
from loop.templates.render import Renderer
from loop.templates.spans import call_text
from loop.types import Call, Catalogue, Tool
from loop.weights import gguf, sources
from loop.weights.loading import load
from loop.weights.tiny import tiny

TREE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "tags": {"type": "array", "items": {"enum": ["a", "aé", 1, 10, None, f"{OPEN}x{CLOSE}"]}},
        "deep": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "null"}}, "required": ["y"]},
    },
    "required": ["name", "deep"],
}
MV = {
    "type": "object",
    "properties": {
        "source": {"type": "string"},
        "source_too": {"type": ["integer", "null"]},
        "mode": {"enum": ["fast", "faster", "safe"]},
        "fixed": {"const": {"k": [1, 2.5]}},
        "tree": TREE,
    },
    "required": ["mode", "source"],
}
FREE = {
    "type": "object",
    "properties": {
        "any": {},
        "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "none": {"type": "object", "additionalProperties": False},
        "list": {"type": "array"},
        "odd": {"anyOf": [{}, {"type": "integer"}]},
    },
}


def tool(name, parameters):
    return Tool(name=name, description="", parameters=parameters)


CATALOGUE = Catalogue(tools=(tool("mv", MV), tool("mvé", FREE), tool("ls", {"type": "object", "properties": {}})))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"), stops=False)


@pytest.fixture(scope="session")
def tokenizer(base):
    return Renderer.load(base, "compact").tokenizer


@pytest.fixture(scope="session")
def constraint(tokenizer):
    return Constraint(tokenizer)


def spoken(matcher, constraint, text):
    """Say a text byte by byte."""
    byte_tokens = {word: token for token, word in constraint.vocabulary.words.items() if len(word) == 1}
    return all(matcher.advance(byte_tokens[bytes([byte])]) for byte in text.encode())


def drawn(matcher, words, random, *, favoured=(b'"', b"}", b"]", b","), limit=3000):
    """Sample from random logits until the answer's first call is done; ends of values are favoured, so that it ends."""
    said = []
    size = max(words) + 1
    bonus = np.array([8.0 if words.get(token, b"")[:1] in favoured else 1.0 for token in range(size)])
    while not isinstance(matcher.state.frame, Free):
        fits = np.flatnonzero(np.array(matcher.mask(size)))
        assert len(fits), f"a dead end after {b''.join(said)!r}"
        weights = bonus[fits] * random.random(len(fits)) ** 4
        token = int(random.choice(fits, p=weights / weights.sum()))
        assert matcher.advance(token)
        said.append(words[token])
        assert len(said) < limit
    return b"".join(said)


def check(text, catalogue):
    found = parse(text)
    assert found.fault is None, (text, found)
    assert not set(found.leniencies) - {"text_behind_call"}, (text, found)
    assert len(found.calls) == 1
    [call] = found.calls
    jsonschema.validate(json.loads(json.dumps(dict(call.arguments))), dict(catalogue.find(call.name).parameters))


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_a_call_from_random_logits_is_read_without_any_forgiving_rule_and_fits_its_schema(constraint, seed):
    matcher = constraint.begin(CATALOGUE)
    assert spoken(matcher, constraint, f"Well. {OPEN}")
    body = drawn(matcher, constraint.vocabulary.words, np.random.default_rng(seed))
    check(f"Well. {OPEN}{body.decode()}", CATALOGUE)


SCALARS = st.sampled_from(["string", "integer", "number", "boolean", "null"])
VALUES = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5)
SCHEMAS = st.recursive(
    SCALARS.map(lambda kind: {"type": kind})
    | st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values})
    | VALUES.map(lambda value: {"const": value})
    | st.lists(SCALARS, min_size=1, max_size=3, unique=True).map(lambda kinds: {"type": kinds}),
    lambda inner: (
        inner.map(lambda items: {"type": "array", "items": items})
        | inner.map(lambda values: {"type": "object", "additionalProperties": values})
        | st.builds(
            lambda properties, more: {
                "type": "object",
                "properties": properties,
                "required": [*list(properties)[::2], *more],
            },
            st.dictionaries(st.text(max_size=4), inner, min_size=1, max_size=3),
            st.lists(st.sampled_from(["zz", "needed"]), unique=True),
        )
    ),
    max_leaves=6,
)


@given(SCHEMAS, st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_whatever_the_schema_a_call_fits_it(constraint, schema, seed):
    parameters = {"type": "object", "properties": {"é": schema, "more": {"type": "null"}}, "required": ["é"]}
    catalogue = Catalogue(tools=(tool("t", parameters),))
    matcher = constraint.begin(catalogue)
    assert spoken(matcher, constraint, OPEN)
    body = drawn(matcher, constraint.vocabulary.words, np.random.default_rng(seed), favoured=(b'"', b"}", b"]"))
    check(OPEN + body.decode(), catalogue)


def test_the_masks_are_those_of_reading_every_token_alone(constraint):
    """The walk over the tree against its definition, in every state of a call that uses everything."""
    words, size = constraint.vocabulary.words, constraint.vocabulary.size
    deep = {"name": "é\\u00e9<tool\U0001f600", "deep": {"y": None, "x": -1.5e3}, "tags": [10, "aé", None]}
    calls = [
        Call(name="mv", arguments={"mode": "faster", "source": "a<b", "source_too": 17, "tree": deep}),
        Call(name="mvé", arguments={"map": {"k": True, "kk": False}, "any": [{"": [1]}, 0], "none": {}}),
    ]
    state = answer(CATALOGUE)
    for byte in f"a <{'> '.join(map(call_text, calls))} b".encode():
        found = constraint.fits(state, size)
        assert found.any()
        for token in range(size):
            after, word = state, words.get(token, b"")
            for each in word:
                after = step(after, each)
            assert found[token] == (after is not None if word else isinstance(state.frame, Free)), (state, word)
        state = step(state, byte)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('{"name": "mv", "arguments": {"mode": "fast", "source": "é"}}', True),
        ('\n{"name":"mv","arguments":{"source":"\\u00e9","mode":"faster"}}\n', True),
        ('{"name": "ls", "arguments": {}}', True),
        ('{"name": "ls", "arguments": {"a": 1}}', False),
        ('{"name": "rm"', False),
        ('{"name": "mv", "arguments": {}}', False),
        ('{"name": "mv", "arguments": {"source": "a", "source": ', False),
        ('{"name": "mv", "arguments": {"source": "a", "source_too": null', True),
        ('{"name": "mv", "arguments": {"source": "a", "source_too": 01', False),
        ('{"name": "mv", "arguments": {"source": "a", "source_too": 1.', False),
        ('{"name": "mv", "arguments": {"mode": "slow"', False),
        ('{"name": "mv", "arguments": {"source": "a"}', False),
        ('{"name": "mv", "arguments": {"source": "</tool_call', True),
        ('{"name": "mv", "arguments": {"source": "</tool_call>', False),
        ('{"name": "mv", "arguments": {"source": "<<tool_call>', False),
        ('{"name": "mv", "arguments": {"source": "\\ud83d', False),
        ('{"name": "mv", "arguments": {"source": "a\n', False),
        ('{"name": "mvé", "arguments": {"any": {"k": 1, "k"', False),
        ('{"name": "mvé", "arguments": {"any": {"k": 1, "kk"', True),
        ('{"name": "mvé", "arguments": {"map": {"k": 1', False),
        ('{"name": "mvé", "arguments": {"none": {}, "odd": 1.5e3, "list": [[[]], {}]', True),
        ('{"name": "mvé", "arguments": {"any": ' + "[" * 40, False),
    ],
)
def test_what_a_call_may_be(constraint, text, fits):
    assert spoken(constraint.begin(CATALOGUE), constraint, OPEN + text) == fits


@given(st.text(max_size=30), st.lists(st.integers(-(10**14), 10**14), max_size=3), st.floats(-1e9, 1e9))
@settings(deadline=None)
def test_what_the_student_is_taught_fits(constraint, text, numbers, fraction):
    text = text.replace(OPEN, "").replace(CLOSE, "")
    parameters = {"type": "object", "properties": {"s": {"type": "string"}, "n": {"type": "array"}, "any": {}}}
    call = Call(name="t", arguments={"s": text, "n": list(numbers), "any": {"x": round(fraction, 3), "y": text}})
    said = call_text(call)
    if "\\ud" in said:
        return
    assert spoken(constraint.begin(Catalogue(tools=(tool("t", parameters),))), constraint, f"Yes. {said} So.")


def test_text_without_a_call_stays_free(constraint):
    matcher = constraint.begin(CATALOGUE)
    size = constraint.vocabulary.size
    for text in ('{"a": </tool_call> < <tool', "_cal", 'L> <tool_call "no"'):
        assert spoken(matcher, constraint, text)
        assert matcher.mask(size) is None
    assert matcher.advance(1), "the end of the turn"


def test_the_turn_cannot_end_within_a_call(constraint, tokenizer):
    matcher = constraint.begin(CATALOGUE)
    assert spoken(matcher, constraint, f'{OPEN}{{"name": "mv", "arguments": {{"source": "a')
    special = [token for token, about in tokenizer.get_added_tokens_decoder().items() if about.special]
    assert special
    fits = constraint.fits(matcher.state, constraint.vocabulary.size)
    assert not fits[special].any()
    assert not any(matcher.advance(token) for token in special)


def test_without_tools_no_call_begins(constraint):
    matcher = constraint.begin(Catalogue())
    assert spoken(matcher, constraint, OPEN[:-1])
    assert not spoken(matcher, constraint, ">")
    assert spoken(matcher, constraint, "!")


def bytes_and(*words):
    letters = [chr(byte) for byte in [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]]
    others = [chr(0x100 + index) for index in range(256 - len(letters))]
    vocabulary = {text: index for index, text in enumerate([*letters, *others, *words])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.decoder = decoders.ByteLevel()
    return made


def test_a_token_that_holds_the_marker_and_more_fits_only_if_the_rest_does():
    words = ["a<tool_call>", '<tool_call>{"', "<tool_call>x", '{"name', '"}}</tool_call><', "}}</tool_call>ab", '":"é']
    constraint = Constraint(bytes_and(*words))
    size = constraint.vocabulary.size
    fits = constraint.fits(answer(CATALOGUE), size)
    assert [bool(fits[256 + index]) for index in range(len(words))] == [True, True, False, True, True, True, True]


def test_a_tokenizer_that_cannot_spell_every_character_is_refused():
    made = Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    with pytest.raises(ConfigError, match="constrained"):
        Constraint(made).begin(CATALOGUE)
    made.decoder = decoders.ByteLevel()
    with pytest.raises(ConfigError, match="alone"):
        Constraint(made).begin(CATALOGUE)


def test_without_bytes_for_the_rest_no_character_is_begun():
    letters = {chr(byte): byte - 0x21 for byte in range(0x21, 0x7F)} | {"Ġ": 94, "Ã": 95, "Ã©": 96}
    made = Tokenizer(models.BPE(vocab=letters, merges=[]))
    made.decoder = decoders.ByteLevel()
    constraint = Constraint(made)
    matcher = constraint.begin(CATALOGUE)
    assert spoken(matcher, constraint, f'{OPEN}{{"name": "mv", "arguments": {{"source": "a')
    fits = constraint.fits(matcher.state, constraint.vocabulary.size)
    assert fits[96]
    assert not fits[95]


def test_calls_from_the_real_vocabulary():
    """SmolLM2's 49,152 tokens; without its weights, which take a minute to convert."""
    _, about = mx.load(str(sources._wheel_file()), format="gguf", return_metadata=True)
    tokenizer = gguf._tokenizer(about)
    constraint = Constraint(tokenizer)
    for seed in range(3):
        matcher = constraint.begin(CATALOGUE)
        for token in tokenizer.encode(f"I will.\n{OPEN}", add_special_tokens=False).ids:
            assert matcher.advance(token)
        body = drawn(matcher, constraint.vocabulary.words, np.random.default_rng(seed))
        check(OPEN + body.decode(), CATALOGUE)
    call = Call(name="mv", arguments={"mode": "safe", "source": "Ünïcode \U0001f600 日本"})
    matcher = constraint.begin(CATALOGUE)
    assert all(matcher.advance(token) for token in tokenizer.encode(call_text(call), add_special_tokens=False).ids)


# --- the engines -----------------------------------------------------------------------------------------------------


def finished(engine, requests):
    ids = [engine.submit(request) for request in requests]
    found = {}
    while engine.busy:
        found |= {answer.id: answer for answer in engine.step()}
    return [found[one] for one in ids]


def asked(tokenizer, seed, **more):
    prompt = tuple(tokenizer.encode(f"Move the file {seed}. {OPEN}", add_special_tokens=False).ids)
    return Request(tokens=prompt, max_tokens=60, sampling=Sampling(temperature=1.0, seed=seed, logprobs=True), **more)


@pytest.fixture(scope="module")
def model(base):
    return load(base)


def test_rows_without_a_constraint_keep_every_bit_beside_rows_with_one(model, tokenizer):
    free = [asked(tokenizer, seed) for seed in range(3)]
    held = [asked(tokenizer, seed, offered=CATALOGUE) for seed in range(3, 6)]
    alone = finished(Engine(model), [*free, *(one.model_copy(update={"offered": None}) for one in held)])[:3]
    beside = finished(Engine(model, constraint=Constraint(tokenizer)), [*free, *held])[:3]
    assert [(one.tokens, one.logprobs) for one in beside] == [(one.tokens, one.logprobs) for one in alone]


@pytest.mark.parametrize("build", [Engine, PlainEngine])
def test_the_engines_hold_calls_to_the_tools(model, tokenizer, build, monkeypatch):
    # A random model never says the marker, so its last byte is put into its mouth: every answer begins within a call.
    constraint = Constraint(tokenizer)
    begin = constraint.begin

    def within(offered):
        matcher = begin(offered)
        assert spoken(matcher, constraint, OPEN)
        return matcher

    monkeypatch.setattr(constraint, "begin", within)
    listing = Catalogue(tools=(tool("ls", {"type": "object", "properties": {"all": {"type": "boolean"}}}),))
    requests = [asked(tokenizer, seed, offered=listing) for seed in range(4)]
    requests.append(requests[0].model_copy(update={"sampling": Sampling()}))
    for one in finished(build(model, constraint=constraint), requests):
        text = OPEN + tokenizer.decode(list(one.tokens), skip_special_tokens=False)
        check(text[: text.index(CLOSE) + len(CLOSE)], listing)


def test_an_engine_without_a_tokenizer_refuses_to_constrain(model, tokenizer):
    for engine in (Engine(model), PlainEngine(model)):
        with pytest.raises(Refused, match="constrain"):
            engine.submit(asked(tokenizer, 0, offered=CATALOGUE))


def test_a_token_that_rounding_let_through_is_replaced_by_the_likeliest_that_fits(constraint):
    matcher = constraint.begin(CATALOGUE)
    assert spoken(matcher, constraint, f"{OPEN}{{")
    logits = masked(mx.zeros((1, constraint.vocabulary.size)), [matcher])
    assert not matcher.advance(0)
    token = settled(logits[0], 0, matcher)
    assert constraint.vocabulary.words[token].startswith(b'"')
