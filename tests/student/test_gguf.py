"""GGUF files made here, one of each type, beside exact arithmetic (ggml's docs/gguf.md and ggml-quants)."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file

from loop.errors import Unsafe
from loop.weights.loading import load
from loop.weights.sources import find
from loop.weights.tiny import HEADS, INTERMEDIATE, KV_HEADS, LAYERS, tiny

BLOCK = 32
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OUTSIDE = {"model.embed_tokens.weight": "token_embd", "model.norm.weight": "output_norm", "lm_head.weight": "output"}


def half(array):
    return array.astype(np.float16)


def q4_0(blocks):
    """Nibbles around 8; the first sixteen weights are the low ones."""
    scale = half(np.abs(blocks).max(axis=1) / 7)
    levels = np.clip(np.round(blocks / scale.astype(np.float32)[:, None]) + 8, 0, 15).astype(np.uint8)
    packed = levels[:, :16] | (levels[:, 16:] << 4)
    exact = (levels.astype(np.float32) - 8) * scale.astype(np.float32)[:, None]
    return b"".join(scale[i].tobytes() + packed[i].tobytes() for i in range(len(blocks))), exact


def q4_1(blocks):
    """Nibbles above a least value."""
    least = half(blocks.min(axis=1))
    scale = half((blocks.max(axis=1) - least.astype(np.float32)) / 15)
    steps = (blocks - least.astype(np.float32)[:, None]) / scale.astype(np.float32)[:, None]
    levels = np.clip(np.round(steps), 0, 15).astype(np.uint8)
    packed = levels[:, :16] | (levels[:, 16:] << 4)
    exact = levels.astype(np.float32) * scale.astype(np.float32)[:, None] + least.astype(np.float32)[:, None]
    return b"".join(scale[i].tobytes() + least[i].tobytes() + packed[i].tobytes() for i in range(len(blocks))), exact


def q8_0(blocks):
    """Signed bytes."""
    scale = half(np.abs(blocks).max(axis=1) / 127)
    levels = np.clip(np.round(blocks / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8)
    exact = levels.astype(np.float32) * scale.astype(np.float32)[:, None]
    return b"".join(scale[i].tobytes() + levels[i].tobytes() for i in range(len(blocks))), exact


KINDS = {
    "F32": (0, lambda blocks: (blocks.tobytes(), blocks)),
    "F16": (1, lambda blocks: (half(blocks).tobytes(), half(blocks).astype(np.float32))),
    "Q4_0": (2, q4_0),
    "Q4_1": (3, q4_1),
    "Q8_0": (8, q8_0),
}


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def field(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def number(key, value):
    return field(key, 4, struct.pack("<I", value))


def settings(directory, architecture):
    """What llama.cpp's converter writes about a model."""
    config = json.loads((directory / "config.json").read_text())
    bpe = json.loads((directory / "tokenizer.json").read_text())
    words = sorted(bpe["model"]["vocab"], key=bpe["model"]["vocab"].get)
    special = {token["id"] for token in bpe["added_tokens"]}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["model"]["merges"]]
    kinds = [struct.pack("<i", 3 if index in special else 1) for index in range(len(words))]
    return [
        field("general.architecture", 8, text(architecture)),
        number("llama.embedding_length", config["hidden_size"]),
        number("llama.block_count", LAYERS),
        number("llama.feed_forward_length", INTERMEDIATE),
        number("llama.attention.head_count", HEADS),
        number("llama.attention.head_count_kv", KV_HEADS),
        number("llama.context_length", 8192),
        field("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)),
        field("llama.rope.freq_base", 6, struct.pack("<f", 10000.0)),
        field("tokenizer.ggml.model", 8, text("gpt2")),
        field("tokenizer.ggml.pre", 8, text("smollm")),
        field("tokenizer.ggml.tokens", 9, array(8, [text(word) for word in words])),
        field("tokenizer.ggml.merges", 9, array(8, [text(merge) for merge in merges])),
        field("tokenizer.ggml.token_type", 9, array(5, kinds)),
        number("tokenizer.ggml.bos_token_id", 0),
        number("tokenizer.ggml.eos_token_id", 1),
    ]


def tensors(directory):
    """Weights under llama.cpp's names, Q and K with their rotary halves interleaved; also the name they have here."""
    for name, weight in load_file(directory / "model.safetensors").items():
        stem = name.removesuffix(".weight")
        if name in OUTSIDE:
            yield name, f"{OUTSIDE[name]}.weight", weight, None
            continue
        _, _, layer, inner = stem.split(".", maxsplit=3)
        heads = {"self_attn.q_proj": HEADS, "self_attn.k_proj": KV_HEADS}.get(inner)
        yield name, f"blk.{layer}.{NAMES[inner]}.weight", weight, heads


def interleaved(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def separated(weight, heads):
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write(directory, file, kind, architecture="llama"):
    """Write the model of a directory as GGUF; gives the weights that the file holds, exactly."""
    infos, body, exact = [], b"", {}
    for name, theirs, weight, heads in tensors(directory):
        stored = interleaved(weight, heads) if heads else weight
        code, encode = KINDS[kind if stored.ndim == 2 else "F32"]  # norms are never quantized
        content, values = encode(stored.reshape(-1, BLOCK).astype(np.float32))
        dimensions = struct.pack(f"<I{stored.ndim}Q", stored.ndim, *stored.shape[::-1])
        infos.append(text(theirs) + dimensions + struct.pack("<IQ", code, len(body)))
        body += content + bytes(-len(content) % BLOCK)
        values = values.reshape(stored.shape)
        exact[name] = separated(values, heads) if heads else values
    known = settings(directory, architecture)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(known)) + b"".join(known) + b"".join(infos)
    file.write_bytes(head + bytes(-len(head) % BLOCK) + body)
    return exact


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_is_read_as_its_format_says(base, tmp_path, kind):
    exact = write(base, tmp_path / "Model.gguf", kind)
    found = find(str(tmp_path / "Model.gguf"), tmp_path / "models")
    weights = load_file(found / "model.safetensors")
    assert set(weights) == set(exact)
    for name, weight in weights.items():
        assert weight.dtype == np.float32
        if kind in {"F32", "F16"}:
            assert np.array_equal(weight, exact[name]), name
        else:  # MLX multiplies and adds in the scales' half precision
            assert np.abs(weight - exact[name]).max() <= 2**-10 * np.abs(exact[name]).max(), name
    assert (found / "tokenizer.json").is_file()
    load(found)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [(b"smollm", b"llama3", r"tokenizer\.ggml\.pre"), (b"blk.1.ffn_gate.weight", b"blk.1.attn_rot.weight", "attn_rot")],
)
def test_what_would_become_another_model_is_refused(base, tmp_path, old, new, named):
    file = tmp_path / "model.gguf"
    write(base, file, "F16")
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))
    with pytest.raises(Unsafe, match=named):
        find(str(file), tmp_path / "models")


def test_a_converted_file_is_kept_under_its_content(base, tmp_path):
    for kind in ("F16", "Q8_0"):
        write(base, tmp_path / f"{kind}.gguf", kind)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "F16.gguf").write_bytes((tmp_path / "F16.gguf").read_bytes())
    names = ("F16.gguf", "Q8_0.gguf", "again/F16.gguf")
    first, other, again = (find(str(tmp_path / name), tmp_path / "models") for name in names)
    assert first == again != other


def test_a_file_that_ends_early_is_refused(base, tmp_path):
    file = tmp_path / "model.gguf"
    write(base, file, "Q8_0")
    whole = file.read_bytes()
    for length in (len(whole) // 2, 2000, 30):
        file.write_bytes(whole[:length])
        with pytest.raises(Unsafe):
            find(str(file), tmp_path / "models")
    assert not list((tmp_path / "models").glob("*"))


def test_another_family_is_refused_by_name(base, tmp_path):
    write(base, tmp_path / "model.gguf", "F16", architecture="mamba")
    with pytest.raises(Unsafe, match="not a llama model"):
        find(str(tmp_path / "model.gguf"), tmp_path / "models")
