import json
import subprocess
import sys

import gguf
import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
import transformers
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from loop.cli.chat import talk
from loop.dataset import chat_format
from loop.templates.chat_template import chat_template
from loop.templates.render import Renderer
from loop.types import Call, Catalogue, Message, Precision, Reply
from loop.weights.adapters import publish
from loop.weights.gguf import _unpermute
from loop.weights.job import ExportJob
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


SYSTEM = "Act."


def export(base, out, adapter=None, **more):
    told = {"base": base, "adapter": adapter, "out": out, "template": "spaced-1", "system": SYSTEM, "source": "o/n@abc"}
    job = ExportJob(**{"to": "mlx", "policy": "p" * 64, "documents": {"README.md": "A card."}, **told, **more})
    command = [sys.executable, "-m", "loop.weights.export"]
    return subprocess.run(command, input=job.model_dump_json(), capture_output=True, text=True, check=False)


def made(base, out, adapter=None, **more):
    done = export(base, out, adapter, **more)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"path": str(out)}
    assert (out / "README.md").read_text() == "A card."
    assert "What differs" in (out / "EXPORT.md").read_text()
    return out


def prompt_of(directory):
    renderer = Renderer.load(directory, "compact")
    return mx.array([renderer.prompt((Message(role="user", content="Hi"),), Catalogue())])


def talks_like_the_policy(directory, base):
    """The way in which mlx-lm, vLLM and transformers ask for a prompt, and what they stop at."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    own = Renderer.load(base, "spaced-1")
    play = (Message(role="user", content="Sum up."), *CALLED)
    found = tokenizer.apply_chat_template(
        [*chat_format.messages(play, MATHS)],
        tools=chat_format.tools(play, MATHS),
        add_generation_prompt=True,
        return_dict=False,
    )
    assert tuple(found) == own.prompt((Message(role="system", content=SYSTEM), *play), MATHS)
    assert tokenizer.eos_token_id == own.end
    assert json.loads((directory / "generation_config.json").read_text())["eos_token_id"] == own.end


MATHS = catalogue(tools_of("MathAPI"), ["MathAPI"])
CALLED = (
    Message(role="assistant", content="", calls=(Call(name="add", arguments={"a": 2, "b": 3.5}),)),
    Message(role="tool", name="add", content='{"result":5.5}'),
)


def test_an_exported_model_says_what_the_policy_says(base, adapter, tmp_path):
    exported = verify(made(base, tmp_path / "out", adapter))
    talks_like_the_policy(exported, base)
    prompt = prompt_of(base)
    wanted, found, stock = (np.array(model(prompt)) for model in (load(base, adapter), load(exported), load(base)))
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.abs(wanted - stock).max() > 0.1
    again = export(base, tmp_path / "out", adapter)
    assert again.returncode == 73
    assert "exists" in again.stderr


@pytest.mark.parametrize("precision", [Precision.BASE, Precision.FOUR])
def test_for_transformers_weights_are_plain_and_as_the_policy_rounds_them(base, adapter, tmp_path, precision):
    exported = verify(made(base, tmp_path / "out", adapter, to="hf", precision=precision))
    talks_like_the_policy(exported, base)
    assert "quantization" not in json.loads((exported / "config.json").read_text())
    with safe_open(exported / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        assert "model.layers.1.self_attn.v_proj.weight" in file.keys()  # noqa: SIM118 - no dictionary
        assert not [name for name in file.keys() if name.endswith("scales")]  # noqa: SIM118 - as above
    wanted, found = (np.array(model(prompt_of(base))) for model in (load(base, adapter, precision), load(exported)))
    assert found == pytest.approx(wanted, abs=1e-3)


def test_the_adapter_alone_is_mlx_lms_and_brings_its_template(base, adapter, tmp_path):
    exported = made(base, tmp_path / "out", adapter, fuse=False)
    assert (exported / "adapters.safetensors").read_bytes() == (adapter / "adapters.safetensors").read_bytes()
    assert "find_book" in (exported / "chat_template.jinja").read_text()
    assert not (exported / "model.safetensors").exists()
    model, _ = mlx_lm.load(str(base), adapter_path=str(exported))
    wanted = np.array(load(base, adapter)(prompt_of(base)))
    assert np.array(model(prompt_of(base))) == pytest.approx(wanted, abs=1e-4)


def test_for_peft_the_adapter_computes_the_same(base, adapter, tmp_path):
    exported = made(base, tmp_path / "out", adapter, to="peft")
    settings = json.loads((exported / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "o/n"
    assert settings["revision"] == "abc"
    assert settings["target_modules"] == ["v_proj"]
    assert settings["layers_to_transform"] is None
    tensors = load_file(exported / "adapter_model.safetensors")
    stock, tuned = load(base), load(base, adapter)
    for layer in (0, 1):
        name = f"base_model.model.model.layers.{layer}.self_attn.v_proj.lora_{{}}.weight"
        a, b = tensors[name.format("A")], tensors[name.format("B")]
        assert a.shape[0] == b.shape[1] == settings["r"]
        old, new = (np.array(model.layers[layer].self_attn.v_proj.weight) for model in (stock, tuned))
        assert old + settings["lora_alpha"] / settings["r"] * (b @ a) == pytest.approx(new, abs=1e-4)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_gguf_file_holds_every_weight_and_how_the_model_talks(tmp_path, family):
    base = tiny(tmp_path / "models", family)
    exported = made(base, tmp_path / "out", to="gguf", quant="f16")
    reader = gguf.GGUFReader(exported / "model.gguf")
    config, told = json.loads((base / "config.json").read_text()), {n: f.contents() for n, f in reader.fields.items()}
    assert told["general.architecture"] == family
    assert told[f"{family}.block_count"] == config["num_hidden_layers"]
    assert told[f"{family}.rope.freq_base"] == pytest.approx(config["rope_theta"])
    renderer = Renderer.load(base, "spaced-1")
    assert told["tokenizer.ggml.eos_token_id"] == renderer.end
    assert told["tokenizer.ggml.tokens"][renderer.end] == "<|im_end|>"
    assert told["tokenizer.chat_template"] == chat_template(renderer, base, SYSTEM)
    weights = {each.name: np.array(each.data, np.float32) for each in reader.tensors}
    with safe_open(base / "model.safetensors", framework="numpy") as file:
        assert len(weights) == len(file.keys())
        for ours, theirs in (("mlp.down_proj", "ffn_down"), ("self_attn.o_proj", "attn_output")):
            for layer in range(config["num_hidden_layers"]):
                wanted = file.get_tensor(f"model.layers.{layer}.{ours}.weight")
                assert weights[f"blk.{layer}.{theirs}.weight"] == pytest.approx(wanted, abs=1e-2)
        heads, whole = config["num_attention_heads"], file.get_tensor("model.layers.0.self_attn.q_proj.weight")
        found = weights["blk.0.attn_q.weight"]
        if family == "llama":  # the two halves of each head stand interleaved there
            found = np.array(_unpermute(mx.array(found), heads))
        assert found == pytest.approx(whole, abs=1e-2)


@pytest.mark.parametrize(("quant", "bits"), [("q8_0", 8.5), ("q4_0", 4.5)])
def test_a_gguf_file_is_rounded_as_asked(base, tmp_path, quant, bits):
    exported = made(base, tmp_path / "out", to="gguf", quant=quant)
    reader = gguf.GGUFReader(exported / "model.gguf")
    kinds = {each.name: each.tensor_type.name for each in reader.tensors}
    assert kinds["blk.0.ffn_down.weight"] == quant.upper()
    assert kinds["token_embd.weight"] == "Q8_0"
    assert kinds["blk.0.attn_norm.weight"] == "F32"
    [down] = [each for each in reader.tensors if each.name == "blk.0.ffn_down.weight"]
    assert down.n_bytes * 8 / down.n_elements == bits


def test_ollama_is_told_what_it_renders_and_where_it_stops(base, tmp_path):
    exported = made(base, tmp_path / "out", to="ollama")
    written = (exported / "Modelfile").read_text()
    for line in (
        "FROM ./model.gguf",
        'SYSTEM """Act."""',
        "PARAMETER stop <|im_end|>",
        "This is how calls are written:",
    ):
        assert line in written
    assert "line of JSON" in (exported / "EXPORT.md").read_text()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"to": "peft"}, "has no adapter"),
        ({"fuse": False}, "has no adapter"),
        ({"to": "peft", "adapter": True, "precision": "4bit"}, "--to hf"),
        ({"template": "native"}, "no chat template"),
    ],
)
def test_what_a_target_cannot_hold_is_refused_with_the_one_that_can(base, adapter, tmp_path, more, says):
    more = {**more, "adapter": adapter} if more.pop("adapter", False) else more
    done = export(base, tmp_path / "out", **more)
    assert done.returncode
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_adapter_of_another_base_model_is_refused(base, adapter, tmp_path):
    other = tiny(tmp_path / "others", seed=1)
    done = export(other, tmp_path / "out", adapter)
    assert done.returncode
    assert "was made for base model" in done.stderr


class Scripted:
    def __init__(self, *messages):
        self.messages = list(messages)

    def reply(self, messages, catalogue):
        return Reply(message=self.messages.pop(0))


def test_an_exported_model_is_rounded_as_the_policy_is_served(base, adapter, tmp_path):
    exported = verify(made(base, tmp_path / "out", adapter, precision=Precision.FOUR))
    wanted, found = (
        np.array(model(prompt_of(base))) for model in (load(base, adapter, Precision.FOUR), load(exported))
    )
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
