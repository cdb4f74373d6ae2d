"""The exported chat template says what the policy's own renderer says, in transformers' engine, byte for byte."""

import re
import shutil
from pathlib import Path

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.canonical import canonical, ordered
from loop.dataset import chat_format
from loop.templates.chat_template import chat_template
from loop.templates.render import Renderer
from loop.templates.sandbox import environment
from loop.types import Call, Catalogue, Message, Tool
from loop.weights.tiny import tiny
from task_generators.backends.catalogues import catalogue, tools_of

WITHOUT_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""llama.cpp's strings end at NUL."""

HERE = Path(__file__).parent
SYSTEM = 'Act.\nSay "so" and \\ no more.'
BACKENDS = ("GorillaFileSystem", "TravelAPI", "TwitterAPI", "TradingBot", "VehicleControlAPI")
NAMES = ["compact", "compact-1", "spaced", "spaced-2", "native"]
DATE = "{{ strftime_now('%Y') }}"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model") / "base"
    shutil.copytree(tiny(directory.parent), directory)
    shutil.copy(HERE / "hermes.jinja", directory / "chat_template.jinja")
    return directory


@pytest.fixture(scope="module")
def renderers(base):
    return {name: Renderer.load(base, name) for name in NAMES}


def own(renderer, messages, offered):
    return renderer.tokenizer.decode(list(renderer.prompt(messages, offered)), skip_special_tokens=False)


def exported(source, messages, offered, engine=environment):
    """Render as a client's request is: without the system message that the policy has anyway."""
    told = [*chat_format.messages(messages, offered)]
    tools = chat_format.tools(messages, offered) or None
    return engine().from_string(source).render(messages=told, tools=tools, add_generation_prompt=True)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | st.text(WITHOUT_NUL, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(WITHOUT_NUL, max_size=4), inner, max_size=3),
    max_leaves=8,
)
arguments = st.dictionaries(st.text(WITHOUT_NUL, max_size=6), values, max_size=3)
PLAIN = ["5", "-1.5", "2027-08-24", "true", "{no", "[3 files]", "+5", "05", "5.", "null", '"a"', "a: b", "", " ", "nan"]
results = values.map(canonical) | st.text("abz XY.,-:é/#", max_size=12) | st.sampled_from(PLAIN)
texts = st.text(WITHOUT_NUL, max_size=12)
plays = st.lists(
    texts.map(lambda text: (Message(role="user", content=text),))
    | st.builds(
        lambda text, calls, told: (
            Message(role="assistant", content=text, calls=tuple(calls)),
            *(Message(role="tool", name=call.name, content=each) for call, each in zip(calls, told, strict=False)),
        ),
        texts,
        st.lists(
            st.builds(Call, name=st.text(WITHOUT_NUL, min_size=1, max_size=6), arguments=arguments),
            min_size=1,
            max_size=2,
        ),
        st.lists(results, min_size=2, max_size=2),
    )
    | texts.map(lambda text: (Message(role="assistant", content=text),)),
    max_size=4,
).map(lambda groups: tuple(message for group in groups for message in group))


def clean(messages):
    """Leave out what a tokenizer's decoder or the store would change anyway."""
    return all("<|im_" not in str(message) and "\x01" not in str(message) for message in messages)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "native"])
@settings(max_examples=100, deadline=None)
@given(play=plays)
def test_any_conversation_is_rendered_byte_for_byte(renderers, base, name, play):
    if not clean(play):
        return
    source = chat_template(renderers[name], base, SYSTEM)
    offered = catalogue(tools_of("TravelAPI")[:3], ["TravelAPI"])
    system = Message(role="system", content=SYSTEM)
    assert exported(source, play, offered) == own(renderers[name], (system, *play), offered)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_catalogues_are_rendered_byte_for_byte(renderers, base, name, backend):
    offered, source = catalogue(tools_of(backend), [backend]), chat_template(renderers[name], base, SYSTEM)
    asked = (Message(role="user", content="Go on."),)
    for system in (SYSTEM, "Another prompt."):
        first = Message(role="system", content=system)
        told = asked if system == SYSTEM else (first, *asked)
        assert exported(source, told, offered) == own(renderers[name], (first, *asked), offered)
    bare = chat_template(renderers[name], base, "")
    assert exported(bare, asked, offered) == own(renderers[name], asked, offered)
    assert exported(bare, asked, Catalogue()) == own(renderers[name], asked, Catalogue())


schemas = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": ["integer", "null"]}, {"type": None}, {}, True, {"type": "array"}])
    | st.lists(st.none() | st.text(WITHOUT_NUL, max_size=4) | st.integers(0, 9), max_size=8).map(
        lambda enum: {"enum": enum}
    ),
    lambda inner: inner.map(lambda items: {"type": "array", "items": items}),
    max_leaves=3,
)
tools = st.builds(
    lambda name, about, properties, required: Tool(
        name=name, description=about, parameters=ordered({"properties": properties, "required": required})
    ),
    st.text("abc_", min_size=1, max_size=4),
    st.text("ab. \n:é", max_size=120) | st.just("It is X. Tool description: Do  this.\nThen that. And more."),
    st.dictionaries(st.text("abcd?", min_size=1, max_size=2), schemas, max_size=4),
    st.lists(st.text("abcd", min_size=1, max_size=2), max_size=4, unique=True),
)


@settings(max_examples=200, deadline=None)
@given(tool=tools)
def test_any_tool_is_one_line_byte_for_byte(renderers, base, tool):
    offered, asked = Catalogue(tools=(tool,)), (Message(role="user", content="Go."),)
    source = chat_template(renderers["compact"], base, "")
    assert exported(source, asked, offered) == own(renderers["compact"], asked, offered)


@pytest.mark.parametrize("name", NAMES)
def test_transformers_renders_it_to_the_same_tokens(renderers, base, name):
    renderer, system = renderers[name], Message(role="system", content=SYSTEM)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
    tokenizer.chat_template = chat_template(renderer, base, SYSTEM)
    offered = catalogue(tools_of("TravelAPI"), ["TravelAPI"])
    call = Call(name="book_flight", arguments={"travel_cost": 1.5, "travel_to": "é"})
    play = (
        Message(role="user", content="Book it."),
        Message(role="assistant", content="", calls=(call,)),
        Message(role="tool", name="book_flight", content='{"booking_id":"3","ok":[true,"x"]}'),
    )
    told = [*chat_format.messages(play, offered)]
    found = tokenizer.apply_chat_template(
        told, tools=chat_format.tools(play, offered), add_generation_prompt=True, return_dict=False
    )
    assert tuple(found) == renderer.prompt((system, *play), offered)


@pytest.mark.parametrize("shows_tools", [True, False])
def test_a_models_own_template_is_given_what_loopd_gives_it(base, tmp_path, shows_tools):
    directory = tmp_path / "model"
    shutil.copytree(base, directory)
    source = (HERE / "hermes.jinja").read_text()
    source = source if shows_tools else source.replace("{%- if tools %}", "{%- if false %}")
    thinking = "{{- '<think>' if enable_thinking is not defined or enable_thinking else '' }}"
    (directory / "chat_template.jinja").write_text(DATE + thinking + source)
    renderer = Renderer.load(directory, "native")
    offered, asked = catalogue(tools_of("TravelAPI")[:2], ["TravelAPI"]), (Message(role="user", content="Go on."),)
    system = Message(role="system", content=SYSTEM)

    def elsewhere():
        other = environment()
        other.globals["strftime_now"] = lambda _: "1999"
        return other

    for own_system in (SYSTEM, ""):
        written = chat_template(renderer, directory, own_system)
        messages = (system, *asked) if own_system else asked
        assert exported(written, asked, offered, elsewhere) == own(renderer, messages, offered)


@pytest.mark.parametrize("template", ["compact-1", "spaced-1"])
def test_what_llama_cpp_cannot_read_is_not_in_it(base, template):
    source = chat_template(Renderer.load(base, template), base, "Act \x01 with {tools}.")
    assert not re.search(r"(?<!\\)(?:\\\\)*\\[uxUN]", source), "no escapes by number"
    assert ".count(" not in source
    assert "\0" not in source
