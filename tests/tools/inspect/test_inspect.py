"""A model's own files give the row that the catalog has, and what cannot be said is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.api import Architecture, ModelSpec, VLLMInput
from functions.catalog import bytes_per_token, models
from functions.catalog.tables import rows
from functions.vllm.size.kv_cache import cache_bytes
from functions.vllm.size.need import facts_of_architecture
from functions.vllm.size.stated import refuse_stated
from functions.vllm.size.tensor_parallel import tensor_parallel_sizes
from tests.tools.inspect.families import FAMILIES, LLAMA_8B, QWEN_32B
from tests.tools.inspect.folders import FP8_BLOCKS, Files, make, nested, text, write_header
from tools.cli import main
from tools.errors import Exit
from tools.inspect.checkpoint import Refused
from tools.inspect.entry import inspect
from tools.inspect.output import as_architecture, as_row


@pytest.mark.parametrize("name", FAMILIES)
def test_the_row_is_the_catalogs(name: str, tmp_path: Path) -> None:
    config, files = FAMILIES[name]
    found = inspect(make(tmp_path, config, files), name, files.billions)
    known = next(row for row in rows("models.tsv") if row["model"] == name)
    printed = dict(zip(known, as_row(found).split("\t"), strict=True))
    # Not in a model's files, or not read from them.
    apart = ("gated", "sources", "confidence", "shape", "quantized", "group_size", "state_mib_per_request")
    assert {k: v for k, v in printed.items() if k not in apart} == {
        k: v for k, v in known.items() if k not in apart
    }
    assert bytes_per_token(found.entry.facts) == bytes_per_token(models()[name])
    assert found.entry.facts.state_bytes == models()[name].state_bytes


# What one request of 1000 tokens keeps, in bytes, on one GPU and on each of eight.
SAYABLE = {
    # 32 layers x 2 x 8 heads x 128 x 2 bytes
    "llama": ("meta-llama/Llama-3.3-70B-Instruct", 80 * 4096 * 1024, 80 * 512 * 1024),
    # 47 layers x (512 + 64) x 2 bytes, all of it on every GPU
    "mla": ("zai-org/GLM-4.7-Flash", 47 * 576 * 2 * 1024, 47 * 576 * 2 * 1024),
    # 12 of 48 layers x 2 x 2 heads x 256 x 2 bytes, a head on each GPU at least; 36 layers with
    # 32 x 128 x 128 numbers of 2 bytes and 3 x (2 x 16 x 128 + 32 x 128) of 2
    "hybrid": (
        "Qwen/Qwen3-Next-80B-A3B-Instruct",
        12 * 2048 * 1024 + 36 * (1048576 + 49152),
        12 * 1024 * 1024 + 36 * (1048576 + 49152) / 8,
    ),
    # 21 of 42 layers see 4096 tokens, and may begin in another block of 16; 2 x 8 heads x 256 x 2 bytes
    "window": ("google/gemma-2-9b-it", 21 * 8192 * (2 * 1024 + 16), 21 * 1024 * (2 * 1024 + 16)),
    # Scales and layers that are not quantised: 32.762e9 x 0.525 bytes are too few by 2 GiB.
    "quantised": ("Qwen/Qwen3-32B-AWQ", 64 * 4096 * 1024, 64 * 512 * 1024),
}


@pytest.mark.parametrize("kind", SAYABLE)
def test_the_architecture_is_sized_as_the_files(kind: str, tmp_path: Path) -> None:
    name, one, eight = SAYABLE[kind]
    config, files = FAMILIES[name]
    found = inspect(make(tmp_path, config, files), "acme/house", files.billions)
    block = yaml.safe_load(as_architecture(found))["architecture"]
    sized = facts_of_architecture("acme/house", Architecture.model_validate(block))
    assert sized.weights_gib == pytest.approx(found.entry.facts.weights_gib, rel=0.01)
    for facts in (sized, found.entry.facts):
        # MiB with two digits in spec.architecture.
        assert cache_bytes(facts, 1024, 1, 1) == pytest.approx(one, rel=0.001)
        assert cache_bytes(facts, 1024, 1, 8) == pytest.approx(eight, rel=0.001)
    assert cache_bytes(sized, 100_000) == pytest.approx(cache_bytes(found.entry.facts, 100_000), rel=0.001)
    assert tensor_parallel_sizes(sized, 16) == tensor_parallel_sizes(found.entry.facts, 16)


QWEN_FP8 = {**QWEN_32B, "quantization_config": FP8_BLOCKS}
GIVEN = Files(total=16_060_522_496)
REFUSED = [
    pytest.param(
        {**LLAMA_8B, "num_hidden_layers": None},
        GIVEN,
        "config.json: num_hidden_layers: it is missing. Take the model's own config.json, or add the key if "
        "the model's card says its value.",
        id="missing key",
    ),
    pytest.param(
        {**LLAMA_8B, "num_key_value_heads": "8"},
        GIVEN,
        "config.json: num_key_value_heads: '8' is no whole number above 0. Take the model's own config.json.",
        id="not a number",
    ),
    pytest.param(
        {**LLAMA_8B, "num_key_value_heads": 5},
        GIVEN,
        "config.json: num_key_value_heads: 32 attention heads are no multiple of 5 key-value heads. Take the "
        "model's own config.json.",
        id="contradicts itself",
    ),
    pytest.param(
        {**LLAMA_8B, "is_encoder_decoder": True},
        GIVEN,
        "config.json: is_encoder_decoder: llama has an encoder beside its decoder, whose cache cannot be sized. Name a model without one.",
        id="encoder and decoder",
    ),
    pytest.param(
        {**LLAMA_8B, "model_type": "whisper"},
        GIVEN,
        "config.json: model_type: this version does not know what vLLM caches of models of type whisper. Name a model of a known type, or ask for this type to be supported.",
        id="unknown type",
    ),
    pytest.param(
        {**LLAMA_8B, "kv_lora_rank": 512},
        GIVEN,
        "config.json: kv_lora_rank: this version does not know whether vLLM caches the latent of llama or whole heads. Name another model, or ask for this type to be supported.",
        id="a latent of a type that has none",
    ),
    pytest.param(
        {**LLAMA_8B, "sparse_attention_config": {"use_sparse_attention": True}},
        GIVEN,
        "config.json: sparse_attention_config: the model has a second cache, of sparse attention's index, and this version cannot size the KV cache of such a model. Name another model, or ask for this kind to be supported.",
        id="sparse attention",
    ),
    pytest.param(
        # ome: Gemma 4 E2B.
        nested(text("gemma4_text", 35, 1536, 8, 1, 131072, head_dim=256, num_kv_shared_layers=20)),
        GIVEN,
        "config.json: num_kv_shared_layers: the model has layers that share the cache of others, and this version cannot size the KV cache of such a model. Name another model, or ask for this kind to be supported.",
        id="a shared cache",
    ),
    pytest.param(
        {**LLAMA_8B, "sliding_window": 4096},
        GIVEN,
        "config.json: sliding_window: there is a window of 4096 tokens, and neither layer_types nor "
        "sliding_window_pattern says which layers of llama have it. Add layer_types as transformers has them "
        "for this model.",
        id="a window of nobody",
    ),
    pytest.param(
        {**LLAMA_8B, "layer_types": ["full_attention"] * 31},
        GIVEN,
        "config.json: layer_types: it does not name 32 layers, as num_hidden_layers says. Take the model's own "
        "config.json.",
        id="layers miscounted",
    ),
    pytest.param(
        {**LLAMA_8B, "layer_types": ["mamba"] * 32},
        GIVEN,
        "config.json: num_hidden_layers: 0 of 32 layers would have attention. Take the model's own config.json.",
        id="no attention at all",
    ),
    pytest.param(
        {**LLAMA_8B, "layer_types": ["rwkv"] * 32},
        GIVEN,
        "config.json: layer_types: the model has layers of rwkv, and this version cannot size the KV cache of such a model. "
        "Name another model, or ask for this kind to be supported.",
        id="unknown layers",
    ),
    pytest.param(
        {**LLAMA_8B, "quantization_config": {"quant_method": "bitsandbytes"}},
        GIVEN,
        "config.json: quantization_config: bitsandbytes is none of the precisions that can be sized: fp32, "
        "bf16, fp16, fp8, int8, int4, mxfp4, nvfp4. Name a checkpoint in one of these.",
        id="unknown quantisation",
    ),
    pytest.param(
        {**QWEN_32B, "head_dim": None},
        GIVEN,
        "config.json: head_dim: it is missing and qwen3 does not take hidden_size / heads. Take the model's "
        "own config.json, or add the key if the model's card says its value.",
        id="no head size",
    ),
    pytest.param(
        LLAMA_8B,
        Files(tensors={"a": ("F32", 8_030_000_000)}),
        "config.json: torch_dtype: it says bf16 and most of the weights are fp32. Take a checkpoint whose "
        "config agrees with its files.",
        id="files in another precision",
    ),
    pytest.param(
        LLAMA_8B,
        Files(),
        "FOLDER: it has no safetensors files, and config.json not all dimensions, so the size of the weights is not known. Add the model's "
        "model.safetensors.index.json, or say --parameters-billions.",
        id="no weights",
    ),
]


@pytest.mark.parametrize(("config", "files", "message"), REFUSED)
def test_refused(config: dict[str, Any], files: Files, message: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        inspect(make(tmp_path, config, files), "acme/house", files.billions)
    assert str(caught.value).replace(str(tmp_path), "FOLDER") == message


@pytest.mark.parametrize(
    "name", [n for n in FAMILIES if not models()[n].full_head_dim and not models()[n].indexed_layers]
)
def test_what_is_printed_is_taken(tmp_path: Path, name: str) -> None:
    """What a claim states by hand is checked, and this is what it would state."""
    config, files = FAMILIES[name]
    printed = as_architecture(inspect(make(tmp_path, config, files), name, files.billions))
    refuse_stated(ModelSpec.model_validate({"model": name, **yaml.safe_load(printed)}), VLLMInput())


def test_an_architecture_of_a_window(tmp_path: Path) -> None:
    found = inspect(make(tmp_path, *FAMILIES["google/gemma-2-9b-it"]), "google/gemma-2-9b-it")
    assert as_architecture(found) == (
        "architecture:\n"
        "  modelType: gemma2\n"
        "  parametersBillions: 9.242\n"
        "  layers: 42\n"
        "  windowedLayers: 21\n"
        "  slidingWindow: 4096\n"
        "  attentionHeads: 16\n"
        "  kvHeads: 8\n"
        "  headDim: 256\n"
        "  maxContextLength: 8192\n"
        "  precision: bf16"
    )


def test_an_architecture_of_other_weights(tmp_path: Path) -> None:
    found = inspect(make(tmp_path, *FAMILIES["Qwen/Qwen3-32B-AWQ"]), "Qwen/Qwen3-32B-AWQ")
    assert "  parametersBillions: 32.762\n  weightsGiB: 18.00\n" in as_architecture(found)


def test_yarn_stretches_the_context(tmp_path: Path) -> None:
    rope = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    config = text("qwen2", 28, 3584, 28, 4, 32768, rope_scaling=rope)
    assert inspect(make(tmp_path, config, Files(15_231_233_024)), "a/b").entry.facts.max_context == 131072


def test_a_file_with_infinity(tmp_path: Path) -> None:
    """B5: NVIDIA's own files have one in `time_step_limit`, which JSON has not and transformers writes."""
    folder = make(tmp_path, {**LLAMA_8B, "time_step_limit": [0.0, float("inf")]}, Files(total=16_060_522_496))
    assert "Infinity" in (folder / "config.json").read_text()
    assert inspect(folder, "acme/house").entry.facts.layers == 32


def test_only_files_that_the_index_names_count(tmp_path: Path) -> None:
    """A repository may hold the same weights twice, in a folder or beside: gpt-oss does."""
    make(tmp_path, LLAMA_8B, Files())
    (tmp_path / "original").mkdir()
    for name in (
        "model-00001-of-00001.safetensors",
        "consolidated.safetensors",
        "original/model.safetensors",
    ):
        write_header(tmp_path / name, {"a": ("BF16", 8_030_261_248)})
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert inspect(tmp_path, "a/b").entry.facts.weights_gib == pytest.approx(14.96, abs=0.01)
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(Refused, match="there are 2 safetensors files"):
        inspect(tmp_path, "a/b")


def test_a_copied_head_in_an_index(tmp_path: Path) -> None:
    config = text("qwen3", 28, 1024, 16, 8, 40960, head_dim=128, tie_word_embeddings=True, vocab_size=151936)
    make(tmp_path, config, Files())
    index = {"metadata": {"total_size": 1_503_264_768}, "weight_map": {"lm_head.weight": "a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    facts = inspect(tmp_path, "Qwen/Qwen3-0.6B").entry.facts
    assert (round(facts.weights_gib, 2), round(facts.parameters_billions, 3)) == (1.11, 0.596)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "it does not begin with the length"),
        (b"", "it does not begin with the length"),
        ((20).to_bytes(8, "little") + b"{" * 20, "it is not valid JSON"),
        ((2).to_bytes(8, "little") + b"[]", "it is not a JSON object"),
        ((14).to_bytes(8, "little") + b'{"a": {"b":1}}', "its header has no tensors"),
        ((10).to_bytes(8, "little") + b'{"a": NaN}', "its header has no tensors"),
    ],
)
def test_no_safetensors_file(content: bytes, message: str, tmp_path: Path) -> None:
    make(tmp_path, LLAMA_8B, Files())
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(Refused, match=message):
        inspect(tmp_path, "a/b")


def test_an_index_stays_in_its_folder(tmp_path: Path) -> None:
    make(tmp_path, LLAMA_8B, Files())
    index = {"metadata": {"total_size": 1}, "weight_map": {"a": "../a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refused, match="which is not in its folder"):
        inspect(tmp_path, "a/b")


# The command.


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(make(tmp_path, LLAMA_8B, Files(total=16_060_522_496)))
    assert main(["inspect", folder, "--model", "acme/house"]) == 0
    assert capsys.readouterr().out == (
        "# acme/house: KV cache 131072 bytes a token, weights 14.96 GiB (config.json, safetensors index)\n"
        "architecture:\n"
        "  modelType: llama\n"
        "  parametersBillions: 8.03\n"
        "  layers: 32\n"
        "  attentionHeads: 32\n"
        "  kvHeads: 8\n"
        "  headDim: 128\n"
        "  maxContextLength: 131072\n"
        "  precision: bf16\n"
    )
    assert main(["inspect", folder, "--model", "acme/house", "--tsv"]) == 0
    printed = capsys.readouterr()
    assert printed.out.split("\t")[:5] == ["acme/house", "generate", "", "8.03", "32"]
    assert printed.err.startswith("acme/house: KV cache 131072 bytes a token")


def test_refusals_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path / "none")]) == 1
    assert "there is no such folder. Name the folder" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path)]) == 1
    assert "config.json: it cannot be read (No such file or directory)" in capsys.readouterr().err
    (tmp_path / "config.json").write_text("{")
    assert main(["inspect", str(tmp_path)]) == 1
    assert "it is not valid JSON" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["inspect"], ["inspect", ".", "--parameters-billions", "-1"]])
def test_usage(arguments: list[str]) -> None:
    assert main(arguments) == Exit.USAGE
