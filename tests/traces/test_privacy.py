"""What is personal is replaced so that values still match; a credential is found and never told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loop.traces.privacy.detection import PersonalKind, luhn, personal
from loop.traces.privacy.pseudonyms import Pseudonyms
from loop.traces.privacy.scrubbing import scrubbed
from loop.traces.privacy.secrets import secret_in
from loop.traces.trace import Trace
from loop.types import Call, Message

KEY = Pseudonyms(b"k" * 32)


def said(*texts, **arguments):
    messages = [Message(role="user", content=text) for text in texts]
    return Trace(
        messages=(*messages, Message(role="assistant", content="", calls=(Call(name="f", arguments=arguments),)))
    )


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (PersonalKind.EMAIL, "Write to j.smith+work@corp.co.uk, please.", "j.smith+work@corp.co.uk"),
        (PersonalKind.PHONE, "Call (707) 421-0835.", "(707) 421-0835"),
        (PersonalKind.PHONE, "Ring +44 20 7946 0018 at noon", "+44 20 7946 0018"),
        (PersonalKind.CARD, "It is 4111 1111 1111 1111.", "4111 1111 1111 1111"),
        (PersonalKind.IBAN, "To DE89 3704 0044 0532 0130 00, now.", "DE89 3704 0044 0532 0130 00"),
        (PersonalKind.SSN, "My number is 078-05-1120", "078-05-1120"),
        (PersonalKind.IP, "from 8.8.4.4 today", "8.8.4.4"),
        (PersonalKind.ADDRESS, "to 1650 Gateway Boulevard in Fairfield", "1650 Gateway Boulevard"),
        (PersonalKind.NAME, "Hi, my name is Maria del Sol", "Maria"),
        (PersonalKind.NAME, "Book it for Dr. Anne Weber", "Anne Weber"),
    ],
)
def test_personal_data_is_known_by_its_form_or_by_the_words_around_it(kind, text, value):
    assert personal(said(text)) == {value: kind}


@pytest.mark.parametrize(
    "text",
    [
        "A table for 4 on 2019-03-01 at 16:45", "order 12345678", "it costs 1234.5678", "version 10.0.0.1",
        "1111 1111 1111 1111", "He paid $4,200.00", "ids 100001, 100002, 100003", "the 12 best places", "a@b",
        "on 127.0.0.1", "flight UA 1234 to SFO", "This is the one", "tests/test_x.py::test_y",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text):
    assert personal(said(text)) == {}


def test_fields_tell_what_has_no_form():
    found = personal(said(firstName="Ada", street_address="Hauptweg 3", password="hunter22", city="Berlin", name="Mua"))
    assert found == {"Ada": PersonalKind.NAME, "Hauptweg 3": PersonalKind.ADDRESS, "hunter22": PersonalKind.PASSWORD}


def test_a_value_keeps_matching_between_request_call_and_result():
    answer = '{"guest_name": "John Smith", "phone": "707-421-0835", "note": "John called"}'
    trace = Trace(
        user="u1",
        conversation="c1",
        messages=(
            Message(role="user", content="I am at (707) 421-0835 and John.Smith@corp.com"),
            Message(
                role="assistant",
                content="Right, John.",
                calls=(Call(name="f", arguments={"phone": "7074210835", "number": 7074210835, "n": 3}),),
            ),
            Message(role="tool", name="f", content=answer),
        ),
    )
    done = scrubbed(trace, KEY)
    digits = ["".join(filter(str.isdigit, each)) for each in (
        done.trace.messages[0].content[:25], done.trace.messages[1].calls[0].arguments["phone"],
        str(done.trace.messages[1].calls[0].arguments["number"]), done.trace.messages[2].content,
    )]  # fmt: skip
    assert len(set(digits)) == 1
    assert len(digits[0]) == 10
    assert digits[0] != "7074210835"
    first = done.trace.messages[1].content.removeprefix("Right, ").removesuffix(".")
    assert f'"guest_name": "{first} ' in done.trace.messages[2].content
    assert f'"note": "{first} called"' in done.trace.messages[2].content
    assert done.trace.messages[1].calls[0].arguments["n"] == 3
    assert "John" not in done.trace.model_dump_json()
    assert "Smith" not in done.trace.model_dump_json()
    assert done.trace.user not in ("", "u1")
    assert done.replaced == {"email": 1, "name": 1, "phone": 3}


def test_the_same_value_has_the_same_stand_in_in_every_trace_and_another_under_another_key():
    one, two = (scrubbed(said(text), KEY).trace.messages[0].content for text in ("a@b.com", "so A@B.com"))
    assert two == f"so {one}"
    assert scrubbed(said("a@b.com"), Pseudonyms(b"x" * 32)).trace.messages[0].content != one


def test_a_trace_without_personal_data_stays_as_it_is():
    trace = said("A table for 4 in Oakland", restaurant_name="Mua", city="Oakland")
    assert scrubbed(trace, KEY).trace == trace


@given(st.text(alphabet="0123456789", min_size=13, max_size=19))
def test_a_cards_stand_in_is_no_card(digits):
    assert not luhn("000" + digits[3:])


@given(st.text(max_size=200))
def test_scrubbing_never_raises_and_is_stable(text):
    once = scrubbed(said(text, value=text), KEY)
    assert scrubbed(said(text, value=text), KEY) == once


def test_the_key_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "pseudonyms.key"
    first = Pseudonyms.at(path).name("x")
    assert Pseudonyms.at(path).name("x") == first
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AKIA" + "IOSFODNN7EXAMPLE", "AWS"),
        ("ghp_" + "a1B2c3D4" * 4 + "abcd", "GitHub"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", "Private Key"),
        ("sk-" + "proj-abcdefghijklmnopqrstuvwxyz0123", "model provider"),
        ("xoxb-" + "123456789012-123456789012-abcdefghijklmnopqrstuvwx", "Slack"),
    ],
)
def test_a_credential_is_found_and_only_its_kind_is_told(text, kind):
    for trace in (said(f"use {text} here"), said(key=text)):
        found = secret_in(trace)
        assert kind in found
        assert text not in found


@pytest.mark.parametrize(
    "text", ["", "a long-word-that-is-no-key-at-all", "0123456789abcdef" * 4, "/home/u/project/src/main.py"]
)
def test_what_is_no_credential_is_none(text):
    assert secret_in(said(text)) is None
