import json
import subprocess
import sys

import mlx.core as mx
import numpy as np
import pytest
from safetensors.numpy import save_file

from loop.cli.chat import talk
from loop.templates.render import Renderer
from loop.types import Call, Catalogue, Message, Precision, Reply
from loop.weights.adapters import publish
from loop.weights.export import fuse
from loop.weights.loading import load
from loop.weights.sources import directory_digest, verify
from loop.weights.tiny import tiny
from task_generators.backends.catalogues import catalogue, tools_of
from task_generators.backends.worlds import open_world


@pytest.fixture
def base(tmp_path):
    return tiny(tmp_path / "models")


@pytest.fixture
def adapter(base, tmp_path):
    directory = tmp_path / "adapter"
    directory.mkdir()
    rng = np.random.default_rng(0)
    name = "model.layers.{}.self_attn.v_proj.lora_{}"
    shapes = {"a": (64, 2), "b": (2, 32)}
    places = [(name.format(layer, part), shapes[part]) for layer in (0, 1) for part in "ab"]
    save_file(
        {place: rng.standard_normal(shape).astype(np.float32) for place, shape in places},
        directory / "adapters.safetensors",
    )
    parameters = {"rank": 2, "scale": 2.0, "dropout": 0.0, "keys": ["self_attn.v_proj"]}
    settings = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": parameters}
    (directory / "adapter_config.json").write_text(json.dumps(settings))
    return publish(directory, tmp_path / "published", base=directory_digest(base)).path


def export(base, adapter, out):
    command = [sys.executable, "-m", "loop.weights.export", "--base", base, "--adapter", adapter, "--out", out]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_exported_model_says_what_the_policy_says(base, adapter, tmp_path):
    done = export(base, adapter, tmp_path / "out")
    assert json.loads(done.stdout) == {"path": str(tmp_path / "out")}
    exported = verify(tmp_path / "out")
    prompt = mx.array([Renderer.load(exported, "compact").prompt((Message(role="user", content="Hi"),), Catalogue())])
    wanted, found, stock = (np.array(model(prompt)) for model in (load(base, adapter), load(exported), load(base)))
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.abs(wanted - stock).max() > 0.1
    again = export(base, adapter, tmp_path / "out")
    assert again.returncode == 73
    assert "exists" in again.stderr


class Scripted:
    def __init__(self, *messages):
        self.messages = list(messages)

    def reply(self, messages, catalogue):
        return Reply(message=self.messages.pop(0))


def test_an_exported_model_is_rounded_as_the_policy_is_served(base, adapter, tmp_path):
    fuse(base, adapter, tmp_path / "out", Precision.FOUR)
    exported = verify(tmp_path / "out")
    prompt = mx.array([Renderer.load(exported, "compact").prompt((Message(role="user", content="Hi"),), Catalogue())])
    wanted, found = (np.array(model(prompt)) for model in (load(base, adapter, Precision.FOUR), load(exported)))
    assert found == pytest.approx(wanted, abs=1e-3)
    assert json.loads((exported / "config.json").read_text())["quantization"]["bits"] == 4


def test_talking_runs_the_calls_in_a_live_world():
    offered = catalogue(tools_of("MathAPI"), ["MathAPI"])
    call = Message(role="assistant", content="", calls=(Call(name="add", arguments={"a": 2, "b": 3}),))
    chat = Scripted(call, Message(role="assistant", content="Five."), Message(role="assistant", content="Bye."))
    shown = []
    talk(chat, open_world(["MathAPI"], {"MathAPI": {}}), offered, ["2 + 3?", "Thanks."], shown.append, system="Act.")
    assert [message.role for message in shown] == ["assistant", "tool", "assistant", "assistant"]
    assert "5" in shown[1].content
