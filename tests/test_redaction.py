import time
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.redaction import GONE, blanked, learn, redacted, shown
from teachers.provider.evidence import KEPT, evidence

SECRETS = {
    "openai": "sk-proj-abcdefGHIJKL0123456789",
    "deepseek": "sk-0123456789abcdef0123456789abcdef",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz012345",
    "hub": "hf_abcdefghijklmnopqrstuvwx",
    "web token": "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImEifQ.c2ln",
    "long": "A1b2C3d4E5f6G7h8I9j0A1b2C3d4E5f6G7h8I9j0K1",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "frame", ["{}", "key={}", "Authorization: Bearer {}", '"api_key": "{}"', "x {} y", "({})", "'{}'"]
)
def test_everything_with_the_shape_of_a_secret_goes(name, frame):
    found = redacted(frame.format(SECRETS[name]))
    assert SECRETS[name] not in found
    assert GONE in found


def test_a_password_in_an_address_goes():
    assert redacted("http://me:hunter22@host/x") == f"http://{GONE}@host/x"


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=60), st.text(), st.text()
)
def test_a_known_secret_never_survives(secret, before, after):
    found = redacted(f"{before}{secret}{after}", [secret])
    assert secret not in found or secret in GONE


def test_what_is_no_secret_stays():
    text = (
        "unexpected status 503 Service Unavailable: try again at Nov 22nd, 2026 1:07 PM. url: http://127.0.0.1:8000/v1"
    )
    assert redacted(text) == text


def test_digests_paths_and_names_stay():
    for text in (
        f"policy {'0123456789abcdef' * 4} was promoted",
        "/Users/Somebody1/Library/Application_Support/loopd/data/models/smollm2-135m-instruct",
        "test_that_Nothing_of_a_long_name_2_is_taken_for_a_key_of_somebody",
    ):
        assert redacted(text) == text


def test_a_secret_of_the_environment_goes_by_its_variables_name(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "correct horse battery")
    monkeypatch.setenv("SOME_KEY_FILE", "/home/somebody/key")
    assert blanked("it said correct horse battery.") == f"it said {GONE}."
    assert blanked("/home/somebody/key") == "/home/somebody/key"


def test_a_learned_secret_goes():
    learn(["swordfish-of-the-file", "abc"])
    assert redacted("swordfish-of-the-file abc") == f"{GONE} abc"


def test_what_was_said_loses_known_secrets_only():
    assert blanked(SECRETS["openai"]) == SECRETS["openai"]


@pytest.mark.parametrize(
    "unit", ["eyJ-", "sk-", "token=", "a-", "://", "bearer ", "token ", "A1b", "key:", "-", "eyJaaaaaaaa."]
)
def test_time_grows_with_the_text(unit):
    """Ten times the text in less than thirty times the time: nothing is read twice from every place."""

    def seconds(size):
        text = unit * (size // len(unit))
        return min(timeit.repeat(lambda: redacted(text), timer=time.process_time, number=1, repeat=3))

    assert seconds(200_000) < 30 * max(seconds(20_000), 0.0005)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("a\rb\x08c\x07", "a\\rb\\x08c\\x07"),
        ("\u202eabc", "\\u202eabc"),
        ("one\ntwo", "one\\ntwo"),
        ("caf\u00e9 3\u00a0\u20ac \U0001f44d", "caf\u00e9 3\u00a0\u20ac \U0001f44d"),
        ("\u2028", "\\u2028"),
        ("\x7f", "\\x7f"),
        ("\ud800", "\\ud800"),
    ],
)
def test_nothing_steers_the_terminal(text, told):
    assert shown(text) == told


def test_lines_stay_where_lines_are_wanted():
    assert shown("a\n\x1bb", lines=True) == "a\n\\x1bb"


@given(st.text())
def test_whatever_is_shown_has_no_control_character(text):
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in shown(text))


def test_evidence_is_one_line_without_colours_and_ends_with_the_end():
    told = evidence("\x1b[31mERROR\x1b[0m\n" + "a b " * 5000 + "the end")
    assert "\x1b" not in told
    assert "\n" not in told
    assert told.endswith("the end")
    assert len(told) <= KEPT
