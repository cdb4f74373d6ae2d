import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachers.provider.evidence import GONE, KEPT, redact

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
    shown = redact(frame.format(SECRETS[name]))
    assert SECRETS[name] not in shown
    assert GONE in shown


def test_a_password_in_an_address_goes():
    assert redact("http://me:hunter22@host/x") == f"http://{GONE}@host/x"


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=60), st.text(), st.text()
)
def test_a_known_secret_never_survives(secret, before, after):
    shown = redact(f"{before}{secret}{after}", [secret])
    assert secret not in shown or secret in GONE


def test_what_is_no_secret_stays():
    text = (
        "unexpected status 503 Service Unavailable: try again at Nov 22nd, 2026 1:07 PM. url: http://127.0.0.1:8000/v1"
    )
    assert redact(text) == text


def test_evidence_is_one_line_without_colours_and_ends_with_the_end():
    shown = redact("\x1b[31mERROR\x1b[0m\n" + "a b " * 5000 + "the end")
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert shown.endswith("the end")
    assert len(shown) <= KEPT
