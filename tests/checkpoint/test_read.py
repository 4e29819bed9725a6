"""What a model's own files say, spelled as each family spells it, and what is refused.

Expected numbers are those that vLLM 0.27.1 takes: key-value heads, sizes of heads and layers of its
model classes (vllm/model_executor/models).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from functions.catalog import bytes_per_token
from functions.catalog.models import layer_bytes
from functions.checkpoint import NotUnderstood
from functions.checkpoint.read import Entry, read
from functions.checkpoint.report import report
from tests.tools.inspect.folders import compressed, text

GIB = 2**30


def entry(config: Mapping[str, Any], beside: dict[str, Any] | None = None, size: int = 60 * GIB) -> Entry:
    return read("acme/house", report(dict(config), beside, {"bytes": size}))


class Cached(NamedTuple):
    config: dict[str, Any]
    bytes_per_token: int
    full_layers: int
    stateful: int = 0
    """MiB that each request keeps beside."""


MAMBA = {"n_groups": 8, "ssm_state_size": 128, "mamba_num_heads": 64, "mamba_head_dim": 64}
NEMOTRON = ["mamba", "moe", "mamba", "moe", "mamba", "attention", "moe", "mamba"] * 6
STATE = 4 * 64 * 64 * 128 + 2 * 3 * (2 * 8 * 128 + 64 * 64)

CACHED = {
    "layers_block_type": Cached(
        text("nemotron_h", 48, 2688, 32, 2, 1048576, head_dim=128, layers_block_type=NEMOTRON, **MAMBA),
        6 * 2 * 2 * 128 * 2,
        6,
        24 * STATE,
    ),
    "layers_block_type without num_hidden_layers": Cached(
        text("nemotron_h", 0, 2688, 32, 2, 1048576, head_dim=128, layers_block_type=NEMOTRON, **MAMBA)
        | {"num_hidden_layers": None},
        6 * 2 * 2 * 128 * 2,
        6,
        24 * STATE,
    ),
    "hybrid_override_pattern": Cached(
        text("nemotron_h", 8, 4480, 40, 8, 131072, head_dim=128, hybrid_override_pattern="M-M*-MM*", **MAMBA),
        2 * 2 * 8 * 128 * 2,
        2,
        4 * STATE,
    ),
    "full_attn_idxs": Cached(
        text("lfm2", 16, 1024, 16, 8, 128000, full_attn_idxs=[2, 5, 8, 10, 12, 14], conv_L_cache=3),
        6 * 2 * 8 * 64 * 2,
        6,
    ),
    "layer_types of conv": Cached(
        text("lfm2", 4, 1024, 16, 8, 128000, layer_types=["conv", "conv", "full_attention", "conv"]),
        2 * 8 * 64 * 2,
        1,
    ),
    "layer_group_size": Cached(
        text("bailing_hybrid", 20, 2048, 16, 4, 131072, head_dim=128, layer_group_size=5)
        | {"kv_lora_rank": 512, "qk_rope_head_dim": 64},
        4 * 576 * 2,
        4,
        16 * (16 * 128 * 128 * 4 + 2 * 3 * 3 * 16 * 128),
    ),
    "attn_layer_period": Cached(
        text("jamba", 32, 4096, 32, 8, 262144, attn_layer_period=8, attn_layer_offset=4)
        | {"mamba_expand": 2, "mamba_d_state": 16},
        4 * 2 * 8 * 128 * 2,
        4,
        28 * (8192 * 16 * 4 + 3 * 8192 * 2),
    ),
    "MLA that vLLM does not compress": Cached(
        text("minicpm3", 62, 2560, 40, 40, 32768, kv_lora_rank=256, q_lora_rank=768)
        | {"qk_nope_head_dim": 64, "qk_rope_head_dim": 32},
        62 * 2 * 40 * 96 * 2,
        62,
    ),
    "an indexer in every layer": Cached(
        text("deepseek_v32", 61, 7168, 128, 128, 163840, kv_lora_rank=512, qk_rope_head_dim=64)
        | {"index_topk": 2048},
        61 * (576 * 2 + 132),
        61,
    ),
    "an indexer in some layers": Cached(
        text("glm_moe_dsa", 78, 6144, 64, 64, 1048576, kv_lora_rank=512, qk_rope_head_dim=64)
        | {"index_topk": 2048, "index_topk_freq": 4, "index_skip_topk_offset": 3},
        78 * 576 * 2 + 21 * 132,
        78,
    ),
    "heads of two sizes": Cached(
        text("gemma4_text", 6, 5376, 32, 16, 262144, head_dim=256, sliding_window=1024)
        | {"layer_types": [*["sliding_attention"] * 5, "full_attention"]}
        | {"num_global_key_value_heads": 4, "global_head_dim": 512},
        2 * 4 * 512 * 2,
        1,
    ),
}


@pytest.mark.parametrize("how", CACHED)
def test_layers_are_found_however_they_are_spelled(how: str) -> None:
    wanted = CACHED[how]
    facts = entry(wanted.config).facts
    assert facts.full_attention_layers == wanted.full_layers
    assert bytes_per_token(facts) == wanted.bytes_per_token
    assert facts.state_bytes == wanted.stateful


def test_windowed_layers_with_heads_of_their_own() -> None:
    """MiMo-V2-Flash: 39 windowed layers of 8 heads, 9 full ones of 4; keys of 192 numbers, values of 128."""
    config = text("mimo_v2_flash", 48, 4096, 64, 4, 262144, head_dim=192, v_head_dim=128)
    config |= {"swa_num_key_value_heads": 8, "swa_head_dim": 192, "swa_v_head_dim": 128}
    config |= {
        "sliding_window": 128,
        "attention_chunk_size": 128,
        "hybrid_layer_pattern": [0, 1, 1, 1, 1, 0] + [1] * 35 + [0] * 7,
    }
    facts = entry(config).facts
    assert (facts.sliding_window, facts.layers - facts.full_attention_layers) == (128, 39)
    assert layer_bytes(facts) == 8 * (192 + 128) * 2
    assert bytes_per_token(facts) == 9 * 4 * (192 + 128) * 2


LLAMA = text("llama", 80, 8192, 64, 8, 131072, vocab_size=128256, intermediate_size=28672)
NVFP4 = compressed("float", 4) | {"format": "nvfp4-pack-quantized"}
PRECISIONS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, str]] = {
    "ModelOpt's fp8": ({}, {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}, "fp8"),
    "ModelOpt's nvfp4": ({}, {"quantization": {"quant_algo": "NVFP4", "group_size": 16}}, "nvfp4"),
    "ModelOpt's mixture": (
        {},
        {
            "quantization": {
                "quant_algo": "MIXED_PRECISION",
                "quantized_layers": {"a": {"quant_algo": "FP8"}, "b": {"quant_algo": "W4A16_NVFP4"}},
            }
        },
        "nvfp4",
    ),
    "ModelOpt's in config.json": (
        {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4", "config_groups": {}}},
        None,
        "nvfp4",
    ),
    "compressed nvfp4": ({"quantization_config": NVFP4}, None, "nvfp4"),
    "compressed mxfp4": (
        {"quantization_config": compressed("float", 4) | {"format": "mxfp4-pack-quantized"}},
        None,
        "mxfp4",
    ),
    "compressed int4": ({"quantization_config": compressed("int", 4)}, None, "int4"),
    "the older key": ({"compression_config": compressed("float", 8)}, None, "fp8"),
    "nothing": ({}, None, "bf16"),
}


@pytest.mark.parametrize("how", PRECISIONS)
def test_precision_is_found_however_it_is_spelled(how: str) -> None:
    more, beside, precision = PRECISIONS[how]
    assert entry({**LLAMA, **more}, beside).facts.precision == precision


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (
            {"quantization": {"quant_algo": "W4A8_AWQ"}},
            "hf_quant_config.json: quant_algo: ModelOpt's W4A8_AWQ is none of the precisions",
        ),
        (
            {
                "quantization": {
                    "quant_algo": "MIXED_PRECISION",
                    "quantized_layers": {"a": {"quant_algo": "MXFP8"}},
                }
            },
            "hf_quant_config.json: quant_algo: ModelOpt's MIXED_PRECISION of MXFP8 is none of the precisions",
        ),
    ],
)
def test_a_precision_that_cannot_be_sized(beside: dict[str, Any], said: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        entry(LLAMA, beside)
    assert str(caught.value).startswith(said)


def test_model_max_length_is_the_context() -> None:
    """Command R: vLLM takes it before max_position_embeddings."""
    config = text("cohere", 40, 8192, 64, 64, 8192, model_max_length=131072)
    assert entry(config).facts.max_context == 131072


@pytest.mark.parametrize(
    ("architecture", "more", "task"),
    [
        ("InternVLChatModel", {}, "generate"),
        ("Qwen2VLForConditionalGeneration", {}, "generate"),
        ("MiniCPMV", {}, "generate"),
        ("LlamaForSequenceClassification", {}, ""),
        ("LlamaModel", {}, ""),
    ],
)
def test_the_task_of_an_architecture(architecture: str, more: dict[str, Any], task: str) -> None:
    inner = {k: v for k, v in LLAMA.items() if k != "architectures"}
    made = {"architectures": [architecture], "model_type": "some_vl", "llm_config": inner, **more}
    assert entry(made).facts.task == task
    assert entry(made).facts.layers == 80


def test_a_model_of_sentence_transformers_embeds() -> None:
    made = report(dict(LLAMA), None, {"bytes": GIB}, embeds=True)
    assert read("acme/house", made).facts.task == "embed"


def test_an_encoder_caches_nothing() -> None:
    config = text("xlm-roberta", 24, 1024, 16, 16, 8194) | {"architectures": ["XLMRobertaModel"]}
    config = {k: v for k, v in config.items() if k != "num_key_value_heads"} | {"torch_dtype": "float32"}
    facts = entry(config, size=2 * GIB).facts
    assert (facts.encoder, facts.max_context, bytes_per_token(facts)) == (True, 8192, 0)
    # vLLM serves float32 at 16 bits.
    assert (facts.checkpoint_gib, facts.weights_gib) == (2.0, 1.0)


def test_the_files_count_where_the_dimensions_disagree_with_them() -> None:
    counted = entry(LLAMA, size=141_107_412_992).facts
    assert counted.shape is not None
    assert counted.checkpoint_gib == pytest.approx(141_107_412_992 / GIB)
    other = entry(LLAMA, size=160_000_000_000).facts
    assert other.shape is None
    assert other.checkpoint_gib == pytest.approx(160_000_000_000 / GIB)


def test_without_files_the_dimensions_count() -> None:
    facts = read("acme/house", report(dict(LLAMA))).facts
    assert facts.weights_gib == pytest.approx(131.42, rel=0.001)


@pytest.mark.parametrize(
    ("more", "reads"),
    [
        ({}, ()),
        ({"vision_config": {"hidden_size": 1152, "depth": 27}}, ("image", "video")),
        ({"audio_config": {"num_mel_bins": 128}}, ("audio",)),
    ],
)
def test_what_a_model_reads_beside_text(more: dict[str, Any], reads: tuple[str, ...]) -> None:
    inner = {k: v for k, v in LLAMA.items() if k != "architectures"}
    made = {"architectures": ["AnyForConditionalGeneration"], "text_config": inner, **more}
    assert entry(made).facts.serving.modalities == reads
