from contextlib import ExitStack

import pytest
from hypothesis import settings

from loop.rollout.conversation import conversation
from loop.types import Catalogue, Message, Tool
from teachers.codex import Codex
from teachers.deepseek import DeepSeek
from teachers.fakes.deepseek import FakeDeepSeek
from teachers.fakes.responses import FakeResponses
from teachers.provider.retry import Patience

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
KEY = "sk-fake-0123456789abcdef"
ONCE = Patience(retryable=0, unknown=0, bad_output=0, auth=0, first_wait=0.01)


@pytest.fixture(scope="session")
def codex_binary():
    """The real client; skipped, and said so, only where its wheel does not exist."""
    bundled = pytest.importorskip("codex_cli_bin", reason="openai-codex-cli-bin has no wheel for this platform")
    return str(bundled.bundled_codex_path())


@pytest.fixture(scope="session")
def codex_server():
    with FakeResponses() as fake:
        yield fake


@pytest.fixture
def fake(codex_server):
    """The fake, as good as new."""
    codex_server.reset()
    return codex_server


@pytest.fixture(scope="session")
def codex_homes(tmp_path_factory):
    return tmp_path_factory.mktemp("codex")


@pytest.fixture
def codex(codex_binary, codex_homes, fake, monkeypatch):
    """Makes a Codex teacher that asks the fake."""
    monkeypatch.setenv("FAKE_KEY", KEY)

    def make(**settings):
        plain = {
            "binary": codex_binary, "base_url": f"{fake.url}/v1", "key_env": "FAKE_KEY", "home": str(codex_homes),
            "compress": False, "step_s": 20.0, "patience": ONCE,
        }  # fmt: skip
        return Codex(**(plain | settings))

    return make


@pytest.fixture
def api(monkeypatch):
    monkeypatch.delenv("DS_KEY_FILE", raising=False)
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    with FakeDeepSeek(key=KEY) as fake:
        yield fake


@pytest.fixture
def teacher(api):
    def make(**settings):
        return DeepSeek(**({"base_url": api.url, "step_s": 20.0, "patience": ONCE} | settings))

    return make


@pytest.fixture
def tools():
    return Catalogue(
        tools=(
            Tool(
                name="weather", description="The weather of a city.",
                parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            ),
            Tool(name="time.now", description="The time.", parameters={"type": "object", "properties": {}}),
        )
    )  # fmt: skip


@pytest.fixture
def asked():
    return (Message(role="user", content="What is the weather in Oslo?"),)


@pytest.fixture
def opened():
    """Opens a teacher's chat about a task that plays no part, and ends it after the test."""
    with ExitStack() as chats:
        yield lambda teacher: chats.enter_context(conversation(teacher, None, 0))


@pytest.fixture
def step(asked, tools):
    """Asks a teacher for one step of a task that plays no part."""

    def ask(teacher):
        with conversation(teacher, None, 0) as chat:
            return chat.reply(asked, tools)

    return ask
