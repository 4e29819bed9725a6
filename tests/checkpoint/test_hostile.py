"""Anybody can publish a config.json: whatever its keys hold, there are facts or words, at once."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import pytest

from functions.checkpoint import NotUnderstood
from functions.checkpoint.read import read
from functions.checkpoint.report import KEYS, report
from tests.tools.inspect.folders import text

BASES: dict[str, dict[str, Any]] = {
    "dense": text("qwen3", 36, 4096, 32, 8, 40960, head_dim=128, vocab_size=151936, intermediate_size=12288),
    "experts": text(
        "qwen3_moe", 48, 2048, 32, 4, 40960, head_dim=128, vocab_size=151936, intermediate_size=6144
    )
    | {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768},
    "latent with an indexer": text(
        "deepseek_v32", 61, 7168, 128, 128, 163840, kv_lora_rank=512, qk_rope_head_dim=64, index_topk=2048
    ),
    "windows": text("gemma3_text", 62, 5376, 32, 16, 131072, head_dim=128, sliding_window=1024),
    "chunks": text("llama4_text", 48, 5120, 40, 8, 1048576, attention_chunk_size=8192, vocab_size=202048),
    "states": text("nemotron_h", 8, 4480, 40, 8, 131072, head_dim=128, hybrid_override_pattern="M-M*-MM*")
    | {"n_groups": 8, "ssm_state_size": 128, "mamba_num_heads": 64, "mamba_head_dim": 64},
    "no word for each layer": text("jamba", 32, 4096, 32, 8, 262144, attn_layer_period=8, attn_layer_offset=4)
    | {"mamba_expand": 2, "mamba_d_state": 16},
    "encoder": text("roberta", 24, 1024, 16, 16, 514, vocab_size=250002, intermediate_size=4096),
    "yarn": text("qwen3", 36, 4096, 32, 8, 40960, head_dim=128)
    | {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
}
VALUES: list[Any] = [
    10**400,
    10**12,
    -1,
    0,
    1,
    1001,
    1e308,
    1e-308,
    0.5,
    math.inf,
    math.nan,
    "yarn",
    "M" * 5000,
    True,
    None,
    [],
    ["full_attention"] * 5000,
    [["deep"], {"deep": 10**12}, None],
    {},
    {"full_attention": 10**12},
    {"full_attention": -1},
    {"rope_type": "yarn", "factor": 1e308, "original_max_position_embeddings": 10**308},
    {"rope_type": "yarn", "factor": 1e-308, "original_max_position_embeddings": 1},
    {"num_heads": 10**12, "head_dim": 10**400, "full_attn_layers": 10**12},
    {"deep": {"deeper": [10**400]}},
]
LONGEST_SECONDS = 1.0
MOST_LETTERS = 700


def understood(said: Any) -> None:
    """Take facts that can be sized, or words that a status can have."""
    begun = time.process_time()
    try:
        facts = read("acme/house", said).facts
    except NotUnderstood as refused:
        words = str(refused)
    else:
        words = ""
        assert 0 < facts.parameters_billions <= 10_000
        assert 0 < facts.weights_gib <= facts.checkpoint_gib <= 20_000
        assert 1 <= facts.layers <= 1000
        assert 0 <= facts.full_attention_layers <= facts.layers
        assert 1 <= facts.max_context <= 100_000_000
        assert facts.state_bytes >= 0
    assert time.process_time() - begun < LONGEST_SECONDS
    assert len(words) <= MOST_LETTERS
    assert "\n" not in words


@pytest.mark.parametrize("base", BASES)
def test_the_bases_are_understood(base: str) -> None:
    assert read("acme/house", report(BASES[base], None, {"bytes": 2**35})).facts.layers


@pytest.mark.parametrize("base", BASES)
def test_any_value_of_a_key(base: str) -> None:
    """As the pod reports it, and as a report says it that no pod of ours wrote."""
    for key, value in itertools.product(sorted(KEYS), VALUES):
        said = report(BASES[base] | {key: value}, None, {"bytes": 2**35})
        if isinstance(value, str | list | dict):
            understood(said)
        understood({**said, "config": {**said["config"], key: value}})


@pytest.mark.parametrize(
    "key",
    ["method", "bits", "group_size", "block", "algorithm", "algorithms", "format", "groups", "attention"],
)
@pytest.mark.parametrize("method", ["fp8", "awq", "compressed-tensors", "modelopt"])
def test_any_value_of_the_quantisation(key: str, method: str) -> None:
    sound = {"method": method, "bits": 4, "groups": ["int 4 128"], "block": 128}
    if method == "modelopt":
        sound["algorithm"] = "MIXED_PRECISION"
    for value in [*VALUES, [""], ["int 4"], ["int 4 9999999999"]]:
        said = report(BASES["experts"], None, {"bytes": 2**35})
        understood({**said, "quantization": {**sound, key: value}})


@pytest.mark.parametrize("place", ["weights", "vision", "quantization", "architectures", "config", "embeds"])
def test_any_value_of_a_part(place: str) -> None:
    for value in VALUES:
        understood({**report(BASES["dense"], None, {"bytes": 2**35}), place: value})


@pytest.mark.parametrize(
    ("place", "key"),
    [
        *(("weights", key) for key in ("bytes", "parameters", "head")),
        *(("vision", key) for key in ("hidden_size", "layers", "intermediate_size", "mlp_ratio", "stacked")),
    ],
)
def test_any_value_in_a_part(place: str, key: str) -> None:
    sound = {"weights": {"bytes": 2**35}, "vision": {"hidden_size": 1152, "layers": 27}}
    for base in BASES:
        for value in VALUES:
            said = report(BASES[base] | {"tie_word_embeddings": True})
            understood({**said, place: {**sound[place], key: value}})


def test_too_many_layers_name_the_key() -> None:
    """A report of 651 bytes once kept function-vllm counting to 10**12 for ever."""
    with pytest.raises(NotUnderstood, match=r"config\.json: num_hidden_layers: it is beyond 1,000"):
        read("acme/house", report(BASES["latent with an indexer"] | {"num_hidden_layers": 10**12}))
