"""Models of the catalog as their own files have them, by name.

Configs hold the keys that count. Those marked were compared with a copy of the model's own:
ome: github.com/sgl-project/ome, pkg/hfutil/modelconfig/testdata and pkg/modelconfig/testdata;
aic: github.com/ai-dynamo/aiconfigurator, src/aiconfigurator/model_configs. The others hold the
keys of their family with the dimensions of huggingface.co/MODEL/blob/main/config.json as the
sources of their row state them. Sizes are totals of an index or the Hub's counts of parameters;
only those of the two indexes that ome has were compared, and those in whole millions are the
row's own.
"""

from __future__ import annotations

from typing import Any

from tests.tools.inspect.folders import AWQ, FP8_BLOCKS, Files, compressed, nested, text

# Qwen3-32B: 64 x (q and o 5120 x 8192, k and v 5120 x 1024, three 5120 x 25600) are quantised.
LINEAR = 64 * (2 * 5120 * 8192 + 2 * 5120 * 1024 + 3 * 5120 * 25600)
# Embeddings and head of 151936 x 5120, and norms.
REST = 2 * 151936 * 5120 + 64 * (2 * 5120 + 256) + 5120
# gpt-oss-20b: 24 layers x 32 experts x (2880 x 5760 + 2880 x 2880) are quantised.
EXPERTS = 24 * 32 * (2880 * 5760 + 2880 * 2880)
ROPE = {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096}
NEMOTRON = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
MAMBA: dict[str, Any] = {"n_groups": 8, "ssm_state_size": 128, "mamba_num_heads": 64, "mamba_head_dim": 64}
DELTA: dict[str, Any] = {
    **{"linear_num_key_heads": 16, "linear_key_head_dim": 128},
    **{"linear_num_value_heads": 32, "linear_value_head_dim": 128},
}
LLAMA_8B = text("llama", 32, 4096, 32, 8, 131072)
QWEN_32B = text("qwen3", 64, 5120, 64, 8, 40960, head_dim=128, sliding_window=None)

FAMILIES: dict[str, tuple[dict[str, Any], Files]] = {
    # aic. rope_type llama3 does not stretch the context that the file states.
    "meta-llama/Llama-3.3-70B-Instruct": (
        text("llama", 80, 8192, 64, 8, 131072, rope_scaling={"rope_type": "llama3", "factor": 8.0}),
        Files(total=141_107_412_992),
    ),
    # ome, with its index: the scales are in the total, so the card says the parameters.
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic": (
        {**LLAMA_8B, "quantization_config": compressed("float", 8)},
        Files(total=9_083_953_152, billions=8.03),
    ),
    # ome. A window that is switched off; a quotient for the head: 896 / 14.
    "Qwen/Qwen2.5-0.5B-Instruct": (
        text(
            *("qwen2", 24, 896, 14, 2, 32768),
            sliding_window=32768,
            use_sliding_window=False,
            max_window_layers=24,
            tie_word_embeddings=True,
        ),
        Files(tensors={"model.embed_tokens.weight": ("BF16", 494_032_768)}),
    ),
    # The embeddings are stored twice, and loaded once.
    "Qwen/Qwen3-0.6B": (
        text("qwen3", 28, 1024, 16, 8, 40960, head_dim=128, tie_word_embeddings=True),
        Files(
            tensors={
                "model.embed_tokens.weight": ("BF16", 151936 * 1024),
                "model.layers.0.mlp.up_proj.weight": ("BF16", 751_632_384 - 2 * 151936 * 1024),
                "lm_head.weight": ("BF16", 151936 * 1024),
            }
        ),
    ),
    # The head is not hidden / heads = 80.
    "Qwen/Qwen3-32B": (QWEN_32B, Files(total=65_524_246_528)),
    "Qwen/Qwen3-32B-FP8": (
        {**QWEN_32B, "quantization_config": FP8_BLOCKS},
        Files(
            tensors={
                "model.layers.0.mlp.up_proj.weight": ("F8_E4M3", LINEAR),
                "model.layers.0.mlp.up_proj.weight_scale_inv": ("BF16", LINEAR // 128 // 128),
                "model.embed_tokens.weight": ("BF16", REST),
            }
        ),
    ),
    "Qwen/Qwen3-32B-AWQ": (
        {**QWEN_32B, "torch_dtype": "float16", "quantization_config": AWQ},
        Files(
            tensors={
                "model.layers.0.mlp.up_proj.qweight": ("I32", LINEAR // 8),
                "model.layers.0.mlp.up_proj.qzeros": ("I32", LINEAR // 128 // 8),
                "model.layers.0.mlp.up_proj.scales": ("F16", LINEAR // 128),
                "model.embed_tokens.weight": ("F16", REST),
            }
        ),
    ),
    "Qwen/Qwen3-30B-A3B": (
        text("qwen3_moe", 48, 2048, 32, 4, 40960, head_dim=128, num_experts=128),
        Files(total=61_064_245_248),
    ),
    # aic. Layers for speculation count as weights and not as parameters.
    "Qwen/Qwen3-Next-80B-A3B-Instruct": (
        text("qwen3_next", 48, 2048, 16, 2, 262144, head_dim=256, full_attention_interval=4, **DELTA),
        Files(
            tensors={
                "model.layers.0.mlp.experts.0.up_proj.weight": ("BF16", 79_674_391_296),
                "mtp.layers.0.mlp.experts.0.up_proj.weight": ("BF16", 81_324_862_720 - 79_674_391_296),
            }
        ),
    ),
    "Qwen/Qwen3.6-27B": (
        nested(
            text(
                *("qwen3_5_text", 64, 5120, 24, 4, 262144),
                head_dim=256,
                layer_types=[*["linear_attention"] * 3, "full_attention"] * 16,
                **{**DELTA, "linear_num_value_heads": 48},
            )
        ),
        Files(total=2 * 27_781_427_952),
    ),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": (
        text("mixtral", 32, 4096, 32, 8, 32768, sliding_window=None, num_local_experts=8),
        Files(total=93_405_585_408),
    ),
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": (
        nested(text("mistral", 40, 5120, 32, 8, 131072, head_dim=128, sliding_window=None)),
        Files(total=2 * 24_011_361_280),
    ),
    # ome has the base model, in float32. Newer configs have layer_types.
    "google/gemma-2-9b-it": (
        text("gemma2", 42, 3584, 16, 8, 8192, head_dim=256, sliding_window=4096),
        Files(total=18_483_411_968),
    ),
    # ome.
    "google/gemma-3-1b-it": (
        text(
            *("gemma3_text", 26, 1152, 4, 1, 32768),
            head_dim=256,
            sliding_window=512,
            sliding_window_pattern=6,
        ),
        Files(tensors={"model.embed_tokens.weight": ("BF16", 999_885_952)}),
    ),
    # ome. Neither the context nor the pattern is in the file.
    "google/gemma-3-27b-it": (
        nested(
            {
                "model_type": "gemma3_text",
                "num_hidden_layers": 62,
                "hidden_size": 5376,
                "num_attention_heads": 32,
                "num_key_value_heads": 16,
                "head_dim": 128,
                "sliding_window": 1024,
                "rope_scaling": {"rope_type": "linear", "factor": 8.0},
            }
        ),
        Files(total=2 * 27_432_406_640),
    ),
    "microsoft/phi-4": (text("phi3", 40, 5120, 40, 10, 16384, sliding_window=None), Files(29_319_014_400)),
    # A window longer than the context is none.
    "microsoft/Phi-4-mini-instruct": (
        text("phi3", 32, 3072, 24, 8, 131072, sliding_window=262144),
        Files(total=2 * 3_836_021_760),
    ),
    # ome.
    "openai/gpt-oss-20b": (
        text(
            *("gpt_oss", 24, 2880, 64, 8, 131072),
            head_dim=64,
            sliding_window=128,
            layer_types=["sliding_attention", "full_attention"] * 12,
            rope_scaling=ROPE,
            quantization_config={"quant_method": "mxfp4"},
        ),
        Files(
            tensors={
                "model.layers.0.mlp.experts.gate_up_proj_blocks": ("U8", EXPERTS // 2),
                "model.layers.0.mlp.experts.gate_up_proj_scales": ("U8", EXPERTS // 32),
                "model.embed_tokens.weight": ("BF16", 20_914_757_184 - EXPERTS),
            }
        ),
    ),
    # ome has the config of Maverick. Three of four layers see their chunk alone.
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": (
        nested(text("llama4_text", 48, 5120, 40, 8, 10485760, head_dim=128, attention_chunk_size=8192)),
        Files(total=2 * 108_641_793_536),
    ),
    # aic has the config, ome the index.
    "moonshotai/Kimi-K2-Instruct": (
        text(
            *("kimi_k2", 61, 7168, 64, 64, 131072),
            kv_lora_rank=512,
            qk_rope_head_dim=64,
            rope_scaling=ROPE,
            quantization_config=FP8_BLOCKS,
        ),
        Files(total=1_029_173_256_720, billions=1026.408),
    ),
    # aic. head_dim is not what an MLA cache holds.
    "zai-org/GLM-4.7-Flash": (
        text(
            *("glm4_moe_lite", 47, 2048, 20, 20, 202752), head_dim=64, kv_lora_rank=512, qk_rope_head_dim=64
        ),
        Files(total=2 * 29_943_000_000),
    ),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (
        text("nemotron_h", 52, 2688, 32, 2, 262144, head_dim=128, hybrid_override_pattern=NEMOTRON, **MAMBA),
        Files(total=2 * 31_577_937_344),
    ),
    "ibm-granite/granite-4.0-h-small": (
        text(
            *("granitemoehybrid", 40, 4096, 32, 8, 131072),
            layer_types=[*["mamba"] * 9, "attention"] * 4,
            mamba_n_groups=1,
            mamba_d_state=128,
            mamba_n_heads=128,
            mamba_d_head=64,
        ),
        Files(total=2 * 32_207_000_000),
    ),
}
