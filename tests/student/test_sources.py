import json
import shutil

import mlx.core as mx
import numpy as np
import pytest
from safetensors.numpy import save_file

from loop.errors import ConfigError, LoopdError, NotFound, Unsafe
from loop.templates.render import Renderer
from loop.types import Catalogue, Message
from loop.weights import sources
from loop.weights.adapters import publish
from loop.weights.loading import load
from loop.weights.sources import directory_digest, find
from loop.weights.tiny import tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def copy(models, tmp_path):
    directory = tmp_path / "copy"
    shutil.copytree(tiny(models), directory)
    return directory


def test_the_embedded_model_is_converted_once_and_speaks(models):
    path = find("embedded", models)
    stamp = (path / "model.safetensors").stat().st_mtime_ns
    assert find("embedded", models) == path
    assert (path / "model.safetensors").stat().st_mtime_ns == stamp
    assert json.loads((path / "MANIFEST.json").read_text())["digest"] == directory_digest(path)
    assert [entry.name for entry in models.iterdir() if entry.name.startswith(".")] == []
    renderer = Renderer.load(path, "compact")
    prompt = renderer.prompt((Message(role="user", content="What is the capital of France?"),), Catalogue())
    model, said = load(path), []
    while len(said) < 12 and renderer.end not in said:
        said.append(int(mx.argmax(model(mx.array([[*prompt, *said]]))[0, -1])))
    assert "Paris" in renderer.text(said)


def test_a_tiny_model_is_the_same_on_every_machine(models):
    assert directory_digest(tiny(models)) == "fe04584d2a20fca8c048b1e14e31cb8c56d454014c86a20d40f3e7134d449f04"
    assert directory_digest(tiny(models, "qwen3")) != directory_digest(tiny(models))


def test_a_digest_follows_the_content_and_not_the_place(copy, models):
    before = directory_digest(copy)
    assert before == directory_digest(tiny(models))
    (copy / "config.json").write_text("{}")
    assert directory_digest(copy) != before


def test_a_local_directory_is_taken_as_it_is(copy, models):
    assert find(str(copy), models) == copy


@pytest.mark.parametrize("name", ["modeling.py", "pytorch_model.bin", "weights.pkl", "x/evil.py", "a.so"])
def test_what_could_run_code_is_refused_by_name(copy, models, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(b"")
    with pytest.raises(Unsafe, match=name.rpartition("/")[2]):
        find(str(copy), models)


def test_remote_code_is_refused(copy, models):
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(Unsafe, match="remote code"):
        find(str(copy), models)


def test_weights_whose_header_lies_are_refused_before_mlx_sees_them(copy, models):
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40, 2**30], "data_offsets": [0, 8]}}).encode()
    (copy / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(Unsafe, match="not a valid weights"):
        find(str(copy), models)


def test_a_template_that_does_not_end_is_refused(copy, models, monkeypatch):
    monkeypatch.setattr(sources, "TEMPLATE_SECONDS", 2)
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (copy / "chat_template.jinja").write_text(endless)
    with pytest.raises(Unsafe, match="longer than"):
        find(str(copy), models, "native")
    assert find(str(copy), models, "compact") == copy  # which nobody asks the model's own template for


@pytest.mark.parametrize(
    ("source", "template", "error", "says"),
    [
        ("embedded", "native", Unsafe, "template = 'compact'"),  # it writes neither tools nor calls
        ("tiny", "native", ConfigError, "template = 'compact'"),  # it has none
        ("tiny", "compakt", ConfigError, "compact"),
    ],
)
def test_a_template_that_does_not_go_with_the_model_is_refused_with_the_one_that_does(
    models, source, template, error, says
):
    with pytest.raises(error, match=says):
        find(source, models, template)
    assert find(source, models, "spaced").is_dir()


@pytest.mark.parametrize("source", ["nowhere", "owner/name", "/nowhere/model.gguf"])
def test_an_unknown_source_is_named(source, models):
    with pytest.raises(ConfigError, match=source):
        find(source, models)


def test_a_broken_gguf_is_refused(tmp_path, models):
    for content in (b"", b"GGUF", b"GGUF" + bytes(200), b"\x00" * 100):
        file = tmp_path / "model.gguf"
        file.write_bytes(content)
        with pytest.raises(LoopdError):
            find(str(file), models)


def adapter(base, directory, rank=2, scale=20.0, shape=None):
    directory.mkdir()
    rng = np.random.default_rng(0)
    name = "model.layers.{}.self_attn.q_proj.lora_{}"
    shapes = {"a": (64, rank), "b": shape or (rank, 64)}
    tensors = {
        name.format(layer, part): rng.standard_normal(shapes[part]).astype(np.float32)
        for layer in (0, 1)
        for part in "ab"
    }
    save_file(tensors, directory / "adapters.safetensors")
    settings = {"fine_tune_type": "lora", "num_layers": 2}
    parameters = {"rank": rank, "scale": scale, "dropout": 0.0, "keys": ["self_attn.q_proj"]}
    (directory / "adapter_config.json").write_text(json.dumps(settings | {"lora_parameters": parameters}))
    return tensors


def test_an_adapter_is_merged_exactly(models, tmp_path):
    base = tiny(models)
    tensors = adapter(base, tmp_path / "adapter")
    published = publish(tmp_path / "adapter", tmp_path / "models", base=directory_digest(base))
    stock, tuned = load(base), load(base, published.path)
    a, b = (tensors[f"model.layers.1.self_attn.q_proj.lora_{part}"] for part in "ab")
    weights = [np.array(model.layers[1].self_attn.q_proj.weight) for model in (stock, tuned)]
    assert weights[1] == pytest.approx(weights[0] + 20.0 * (a @ b).T, abs=1e-3)


def test_an_adapter_that_was_changed_or_does_not_fit_is_refused(models, tmp_path):
    base = tiny(models)
    with pytest.raises(NotFound):
        load(base, tmp_path / "none")
    adapter(base, tmp_path / "wide", shape=(2, 128))
    wide = publish(tmp_path / "wide", tmp_path / "models", base=directory_digest(base)).path
    with pytest.raises(Unsafe, match="does not fit"):
        load(base, wide)
    (wide / "adapter_config.json").write_text("{}")
    with pytest.raises(Unsafe, match="manifest"):
        load(base, wide)


def test_an_adapter_whose_product_is_no_number_any_more_is_not_served(models, tmp_path):
    base = tiny(models)
    adapter(base, tmp_path / "adapter", scale=1e38)
    with pytest.raises(Unsafe, match="NaN or infinite"):
        load(base, publish(tmp_path / "adapter", tmp_path / "models", base=directory_digest(base)).path)


def hub(monkeypatch, tmp_path):
    """A hub's cache on this machine, and no network."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hf" / "hub"


@pytest.mark.parametrize("source", ["owner/name", "owner/name@", "owner/name@../x", "owner/name@-x"])
def test_a_hub_id_without_a_revision_is_refused_with_what_to_type(models, source):
    with pytest.raises(ConfigError, match="Type 'owner/name@' and the commit"):
        find(source, models)


def test_a_hub_that_does_not_answer_is_told_with_what_to_do(models, tmp_path, monkeypatch):
    hub(monkeypatch, tmp_path)
    with pytest.raises(ConfigError, match=r"did not give owner/name@0123abc.*give the directory of a copy"):
        find("owner/name@0123abc", models)


def test_a_pinned_hub_model_is_taken_and_verified_like_a_directory(models, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = hub(monkeypatch, tmp_path) / "models--owner--name" / "snapshots" / commit
    shutil.copytree(tiny(models), snapshot)
    assert find(f"owner/name@{commit}", models) == snapshot
    (snapshot / "modeling.py").write_text("")
    with pytest.raises(Unsafe, match=r"modeling\.py"):
        find(f"owner/name@{commit}", models)
