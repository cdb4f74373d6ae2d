import json

import jsonschema
import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from loop.errors import ConfigError
from loop.student.engine.batching import Engine
from loop.student.engine.conversations import TokenRequest
from loop.student.engine.interface import Unservable
from loop.student.engine.plain import PlainEngine
from loop.student.grammar.answer import Held
from loop.student.grammar.constraint import Constraint, masked, settled
from loop.student.sampling import SamplingParams
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
    return Constraint(tokenizer, tokenizer.token_to_id("<|im_end|>"))


def words_of(tokenizer):
    """What each token of a byte-level tokenizer spells; nothing where it is special."""
    letters = [chr(byte) for byte in [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]]
    visible = {letter: ord(letter) for letter in letters}
    others = [byte for byte in range(256) if byte not in visible.values()]
    known = visible | {chr(0x100 + index): byte for index, byte in enumerate(others)}
    special = {token for token, about in tokenizer.get_added_tokens_decoder().items() if about.special}
    return {
        token: b"" if token in special else bytes(known[letter] for letter in text)
        for text, token in tokenizer.get_vocab().items()
    }


@pytest.fixture(scope="session")
def words(tokenizer):
    return words_of(tokenizer)


def spoken(matcher, words, text):
    """Say a text byte by byte."""
    byte_tokens = {word: token for token, word in words.items() if len(word) == 1}
    return all(matcher.advance(byte_tokens[bytes([byte])]) for byte in text.encode())


def drawn(matcher, words, random, *, favoured=(b'"', b"}", b"]", b","), limit=3000):
    """Sample from random logits until the answer's first call is done; ends of values are favoured, so that it ends."""
    said = b""
    size = max(words) + 1
    special = [token for token, word in words.items() if not word]
    bonus = np.array([size / 50 if words.get(token, b"") in favoured else 1.0 for token in range(size)])
    while not (fits := matcher.fits(size))[special].any():
        assert fits.any(), f"a dead end after {said!r}"
        weights = bonus * fits * random.random(size) ** 4
        token = int(random.choice(size, p=weights / weights.sum()))
        assert matcher.advance(token)
        said += words[token]
        assert len(said) < limit
    return said


LET_THROUGH = ("a key is repeated", "beyond the range of a float", "nested deeper")
"""What the grammar cannot forbid, and the reader refuses."""


def check(text, catalogue):
    found = parse(text)
    if found.fault and any(known in found.fault for known in LET_THROUGH):
        return
    assert found.fault is None, (text, found)
    assert not set(found.leniencies) - {"text_behind_call"}, (text, found)
    [call] = found.calls
    jsonschema.validate(json.loads(json.dumps(dict(call.arguments))), dict(catalogue.find(call.name).parameters))


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_a_call_from_random_logits_is_read_without_any_forgiving_rule_and_fits_its_schema(constraint, words, seed):
    matcher = constraint.begin(Held(offered=CATALOGUE))
    assert spoken(matcher, words, f"Well. {OPEN}")
    body = drawn(matcher, words, np.random.default_rng(seed))
    check(f"Well. {OPEN}{body.decode(errors='replace')}", CATALOGUE)


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
def test_whatever_the_schema_a_call_fits_it(constraint, words, schema, seed):
    parameters = {"type": "object", "properties": {"é": schema, "more": {"type": "null"}}, "required": ["é"]}
    catalogue = Catalogue(tools=(tool("t", parameters),))
    matcher = constraint.begin(Held(offered=catalogue))
    assert spoken(matcher, words, OPEN)
    body = drawn(matcher, words, np.random.default_rng(seed), favoured=(b'"', b"}", b"]"))
    check(OPEN + body.decode(errors="replace"), catalogue)


def test_the_masks_are_those_of_saying_every_token_alone(constraint, words):
    """The library's masks against its parser, in every state of a call that uses everything."""
    size = max(words) + 1
    deep = {"name": "é<tool\U0001f600", "deep": {"y": None, "x": -1.5e3}, "tags": [10, "aé", None]}
    call = Call(name="mv", arguments={"mode": "faster", "source": "a<b", "source_too": 17, "tree": deep})
    said = f"a <{call_text(call)} b".encode()
    byte_tokens = {word: token for token, word in words.items() if len(word) == 1}
    matcher = constraint.begin(Held(offered=CATALOGUE))
    for place, byte in enumerate(said):
        fits = matcher.fits(size)
        assert fits.any()
        for token in range(place % 7, size, 7):
            again = constraint.begin(Held(offered=CATALOGUE))
            assert all(again.advance(byte_tokens[bytes([each])]) for each in said[:place])
            forced = fits.sum() == 1  # then of several ways to cut what must come only the tokenizer's own is left
            assert fits[token] == again.advance(token) or forced, (said[:place], words[token])
        assert matcher.advance(byte_tokens[bytes([byte])])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('{"name": "mv", "arguments": {"mode": "fast", "source": "é"}}', True),
        ('\n{"name":"mv","arguments":{"source":"\\n","mode":"faster"}}\n', True),
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
        ('{"name": "mv", "arguments": {"source": "</tool_call>', True),  # it is read as part of the string
        ('{"name": "mv", "arguments": {"source": "a", "source_too": 123456789012345678', False),
        ('{"name": "mv", "arguments": {"source": "\\ud83d', False),
        ('{"name": "mv", "arguments": {"source": "a\n', False),
        ('{"name": "mvé", "arguments": {"any": {"k": 1, "kk"', True),
        ('{"name": "mvé", "arguments": {"map": {"k": 1', False),
        ('{"name": "mvé", "arguments": {"none": {}, "odd": 1.5e3, "list": [[[]], {}]', True),
    ],
)
def test_what_a_call_may_be(constraint, words, text, fits):
    assert spoken(constraint.begin(Held(offered=CATALOGUE)), words, OPEN + text) == fits


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
    st.lists(st.integers(-(10**14), 10**14), max_size=3),
    st.floats(-1e9, 1e9),
)
@settings(deadline=None)
def test_what_the_student_is_taught_fits(constraint, words, text, numbers, fraction):
    parameters = {"type": "object", "properties": {"s": {"type": "string"}, "n": {"type": "array"}, "any": {}}}
    call = Call(name="t", arguments={"s": text, "n": list(numbers), "any": {"x": round(fraction, 3), "y": text}})
    matcher = constraint.begin(Held(offered=Catalogue(tools=(tool("t", parameters),))))
    assert spoken(matcher, words, f"Yes. {call_text(call)} So.")


def test_text_without_a_call_stays_free_and_may_end_anywhere(constraint, words, tokenizer):
    matcher, end = constraint.begin(Held(offered=CATALOGUE)), tokenizer.token_to_id("<|im_end|>")
    for text in ('{"a": </tool_call> < <tool', "_cal", 'L> <tool_call "no"'):
        assert spoken(matcher, words, text)
        fits = matcher.fits(max(words) + 1)
        assert fits[end]
        assert all(fits[token] for token, word in words.items() if word and word.isascii())
    assert matcher.advance(end)


def test_the_turn_cannot_end_within_a_call(constraint, words, tokenizer):
    matcher = constraint.begin(Held(offered=CATALOGUE))
    assert spoken(matcher, words, f'{OPEN}{{"name": "mv", "arguments": {{"source": "a')
    special = [token for token, about in tokenizer.get_added_tokens_decoder().items() if about.special]
    assert special
    assert not matcher.fits(max(words) + 1)[special].any()
    assert not any(matcher.advance(token) for token in special)


@pytest.mark.parametrize("held", [Held(), Held(offered=CATALOGUE, choice="none")])
def test_where_there_may_be_no_call_none_begins(constraint, words, held):
    matcher = constraint.begin(held)
    assert spoken(matcher, words, OPEN[:-1])
    assert not spoken(matcher, words, ">")
    assert spoken(matcher, words, "!")


LS = f'{OPEN}{{"name": "ls", "arguments": {{}}}}{CLOSE}'
ANSWER = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("held", "text", "fits"),
    [
        (Held(offered=CATALOGUE, choice="required"), LS + LS, True),
        (Held(offered=CATALOGUE, choice="required"), "No.", False),
        (Held(offered=CATALOGUE, choice="required", most=1), LS + "\n", False),
        (Held(offered=CATALOGUE, most=1), f"I do. {LS} So.", True),
        (Held(offered=CATALOGUE, most=1), f"I do. {LS} {OPEN}", False),
        (Held(schema_=ANSWER), '{"n": 3}', True),
        (Held(schema_=ANSWER), '{"n": 2}', False),
        (Held(schema_=ANSWER), "Three.", False),
        (
            Held(schema_={"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"enum": ["x"]}}}),
            '"x"',
            True,
        ),
        (Held(offered=CATALOGUE, schema_=ANSWER), '{"n": 30}', True),
        (Held(offered=CATALOGUE, schema_=ANSWER), LS, True),
        (Held(offered=CATALOGUE, schema_=ANSWER), "No.", False),
    ],
)
def test_an_answer_may_have_to_be_a_call_or_fit_a_schema(constraint, words, held, text, fits):
    assert spoken(constraint.begin(held), words, text) == fits


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (Held(choice="required"), "no tool is on offer"),
        (Held(schema_={"type": "string", "pattern": "(?=a)b"}), "held"),
        (Held(schema_={"uniqueItems": True, "type": "array"}), "uniqueItems"),
        (
            Held(offered=Catalogue(tools=(tool("ls", {}), tool("bad", {"properties": {"a": {"$ref": "#/nowhere"}}})))),
            "bad",
        ),
    ],
)
def test_what_cannot_be_held_to_is_refused_by_name(constraint, held, says):
    with pytest.raises(ConfigError, match=says):
        constraint.begin(held)


def test_more_arguments_than_can_be_counted_come_in_the_order_of_their_names(constraint, words):
    names = [f"a{number:02d}" for number in range(70)]
    many = Catalogue(tools=(tool("t", {"type": "object", "properties": {name: {"type": "null"} for name in names}}),))
    call = Call(name="t", arguments=dict.fromkeys(names))
    assert spoken(constraint.begin(Held(offered=many)), words, call_text(call))


def test_values_are_held_to_as_the_template_spells_them(base):
    parameters = {"type": "object", "properties": {"mode": {"enum": ["fast", "safe"]}, "enum": {"type": "string"}}}
    catalogue = Catalogue(tools=(tool("t", parameters),))
    for name, value in (("compact", "fast"), ("spaced", " fast")):
        renderer = Renderer.load(base, name)
        held = Held(offered=renderer.template.held(catalogue))
        matcher = Constraint(renderer.tokenizer, renderer.end).begin(held)
        text = call_text(Call(name="t", arguments={"enum": "x", "mode": value}))
        assert spoken(matcher, words_of(renderer.tokenizer), text)
        assert renderer.template.read(text).calls[0].arguments == {"enum": "x", "mode": "fast"}


def bytes_and(*words):
    letters = [chr(byte) for byte in [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]]
    others = [chr(0x100 + index) for index in range(256 - len(letters))]
    vocabulary = {text: index for index, text in enumerate([*letters, *others, *words])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|im_end|>"])
    return made


def test_a_token_that_holds_the_marker_and_more_fits_only_if_the_rest_does():
    words = ["a<tool_call>", '<tool_call>{"', "<tool_call>x", '{"name', '"}}</tool_call><', "}}</tool_call>ab", '":"é']
    made = bytes_and(*words)
    matcher = Constraint(made, made.token_to_id("<|im_end|>")).begin(Held(offered=CATALOGUE))
    fits = matcher.fits(made.get_vocab_size() + 5)
    assert [bool(fits[256 + index]) for index in range(len(words))] == [True, True, False, True, True, True, True]
    assert not fits[made.get_vocab_size() :].any()


def test_a_tokenizer_whose_bytes_nobody_knows_is_refused():
    made = Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[]))
    with pytest.raises(ConfigError, match="constrained"):
        Constraint(made, 0).begin(Held(offered=CATALOGUE))


def test_calls_from_the_real_vocabulary():
    """SmolLM2's 49,152 tokens; without its weights, which take a minute to convert."""
    _, about = mx.load(str(sources._wheel_file()), format="gguf", return_metadata=True)
    tokenizer = gguf._tokenizer(about)
    constraint, words = Constraint(tokenizer, tokenizer.token_to_id("<|im_end|>")), words_of(tokenizer)
    for seed in range(3):
        matcher = constraint.begin(Held(offered=CATALOGUE))
        for token in tokenizer.encode(f"I will.\n{OPEN}", add_special_tokens=False).ids:
            assert matcher.advance(token)
        check(OPEN + drawn(matcher, words, np.random.default_rng(seed)).decode(errors="replace"), CATALOGUE)
    call = Call(name="mv", arguments={"mode": "safe", "source": "Ünïcode \U0001f600 日本"})
    matcher = constraint.begin(Held(offered=CATALOGUE))
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
    return TokenRequest(
        tokens=prompt, max_tokens=60, sampling=SamplingParams(temperature=1.0, seed=seed, logprobs=True), **more
    )


@pytest.fixture(scope="module")
def model(base):
    return load(base)


def test_rows_without_a_constraint_keep_every_bit_beside_rows_with_one(model, tokenizer):
    free = [asked(tokenizer, seed) for seed in range(3)]
    held = [asked(tokenizer, seed, held=Held(offered=CATALOGUE)) for seed in range(3, 6)]
    alone = finished(Engine(model), [*free, *(one.model_copy(update={"held": None}) for one in held)])[:3]
    beside = finished(Engine(model, constraint=Constraint(tokenizer, 1)), [*free, *held])[:3]
    assert [(one.tokens, one.logprobs) for one in beside] == [(one.tokens, one.logprobs) for one in alone]


@pytest.mark.parametrize("build", [Engine, PlainEngine])
def test_the_engines_hold_calls_to_the_tools(model, tokenizer, words, build, monkeypatch):
    # A random model never says the marker, so its last byte is put into its mouth: every answer begins within a call.
    constraint = Constraint(tokenizer, 1)
    begin = constraint.begin

    def within(held):
        matcher = begin(held)
        assert spoken(matcher, words, OPEN)
        return matcher

    monkeypatch.setattr(constraint, "begin", within)
    listing = Catalogue(tools=(tool("ls", {"type": "object", "properties": {"all": {"type": "boolean"}}}),))
    requests = [asked(tokenizer, seed, held=Held(offered=listing)) for seed in range(4)]
    requests.append(requests[0].model_copy(update={"sampling": SamplingParams()}))
    for one in finished(build(model, constraint=constraint), requests):
        text = OPEN + tokenizer.decode(list(one.tokens), skip_special_tokens=False)
        check(text, listing)


def test_an_engine_without_a_tokenizer_refuses_to_constrain(model, tokenizer):
    for engine in (Engine(model), PlainEngine(model)):
        with pytest.raises(Unservable, match="constrain"):
            engine.submit(asked(tokenizer, 0, held=Held(offered=CATALOGUE)))


def test_a_token_that_rounding_let_through_is_replaced_by_the_likeliest_that_fits(constraint, words):
    matcher = constraint.begin(Held(offered=CATALOGUE))
    assert spoken(matcher, words, f"{OPEN}{{")
    logits = masked(mx.zeros((1, max(words) + 1)), [matcher])
    assert not matcher.advance(0)
    assert words[settled(logits[0], 0, matcher)].startswith(b'"')
