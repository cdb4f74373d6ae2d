"""What `loopd teacher test` and `probe` rest on."""

import pytest

from loop import plugins
from loop.cli.trial import probe, trial_tasks
from loop.errors import ConfigError
from loop.rollout.play import play
from loop.types import Call, End, Message, Part, Play
from teachers.deepseek import DeepSeek
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.minds import closing, saying
from teachers.openai_compatible import OpenAICompatible
from teachers.scripted import Scripted

CLOCK = Message(role="assistant", content="", calls=(Call(name="clock"),))


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-fake-0123456789abcdef")
    monkeypatch.delenv("DS_KEY_FILE", raising=False)
    with FakeDeepSeek() as fake:
        yield fake


def test_three_tasks_on_three_backends_can_be_played():
    tasks = trial_tasks()
    assert len({task.backends for task in tasks}) == 3
    for task in tasks:
        job = Play(id="t", round=0, task=task, player=Part(use="scripted"), player_name="scripted")
        assert play(job).end is End.CLOSED


def test_a_teacher_that_calls_the_clock_is_fit(api):
    api.mind = saying(CLOCK)
    finding = probe(DeepSeek(base_url=api.url))
    assert finding.ok
    assert "1000 + 80 tokens" in finding.detail


def test_one_that_talks_instead_is_not(api):
    api.mind = saying(closing("Noon."))
    finding = probe(DeepSeek(base_url=api.url))
    assert not finding.ok
    assert "Noon." in finding.detail


def test_a_refused_key_is_told(api):
    api.key = "another"
    finding = probe(DeepSeek(base_url=api.url))
    assert not finding.ok
    assert finding.detail.startswith("auth:")


def test_the_scripted_teacher_asks_nobody():
    assert probe(Scripted()).ok
    assert Scripted().check() == ()


def test_the_key_is_looked_for_and_its_file_should_be_private(monkeypatch, tmp_path):
    path = tmp_path / "key"
    path.write_text("sk-fake-0123456789abcdef")
    monkeypatch.setenv("DS_KEY_FILE", str(path))
    path.chmod(0o600)
    assert [finding.ok for finding in DeepSeek().check()] == [True]
    path.chmod(0o644)
    assert [(finding.ok, finding.weight) for finding in DeepSeek().check()] == [(True, "must"), (False, "should")]
    path.unlink()
    assert [finding.ok for finding in DeepSeek().check()] == [False]


def test_a_server_without_a_key_has_nothing_to_look_for():
    assert OpenAICompatible(base_url="http://127.0.0.1:9", model="m").check() == ()


ADDRESSES = [
    "file:///etc/passwd", "ftp://host/v1", "localhost:8000/v1", "http://", "", "http://me:secret@host/v1", "//host/v1",
    "http://host/v1?key=secret", "http://host/#x", "http://host:port/", "http://ho st/", "http://host/\x1b[31m",
    "javascript:x",
]  # fmt: skip


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("use", ["openai_compatible", "deepseek", "codex"])
def test_an_address_that_is_none_is_refused_when_the_configuration_is_read(use, url):
    settings = {"base_url": url} | ({"model": "m"} if use == "openai_compatible" else {})
    with pytest.raises(ConfigError, match="base_url") as caught:
        plugins.load("teachers", Part(use=use, settings=settings))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "https://api.example.com", "http://[::1]:8000/v1"])
def test_an_address_is_taken_as_it_is(url):
    assert (
        plugins.load("teachers", Part(use="openai_compatible", settings={"base_url": url, "model": "m"})).base_url
        == url
    )


def test_a_key_in_clear_text_is_warned_of(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-fake-0123456789abcdef")
    teacher = OpenAICompatible(base_url="http://192.0.2.1/v1", model="m", key_env="A_KEY")
    assert [(finding.name, finding.weight) for finding in teacher.check() if not finding.ok] == [("address", "should")]


@pytest.mark.parametrize(
    "setting",
    [
        {"step_s": float("inf")}, {"step_s": float("nan")}, {"patience": {"first_wait": float("inf")}},
        {"max_tokens": 0}, {"prices": {"x": {"hit": float("inf"), "miss": 1, "output": 1}}},
        {"patience": {"retryable": 10**9}},
    ],
)  # fmt: skip
def test_a_number_beyond_reason_is_refused_when_the_configuration_is_read(setting):
    settings = {"base_url": "http://127.0.0.1:1", "model": "m"} | setting
    with pytest.raises(ConfigError, match=next(iter(setting))):
        plugins.load("teachers", Part(use="openai_compatible", settings=settings))
