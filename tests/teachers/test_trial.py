"""What `loopd teacher test` and `probe` rest on."""

import pytest

from loop.cli.trial import probe, trial_tasks
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
