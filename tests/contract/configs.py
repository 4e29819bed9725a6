"""Models' config.json files, built from the catalog's rows: what vLLM reads of a model, and no tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functions.catalog import ModelFacts, Shape

__all__ = ["NOT_BUILT", "config_of", "family_of"]

Config = dict[str, Any]

NOT_BUILT = {
    "ministral-3": "Mistral's own format, params.json",
    "mistral-small-4": "Mistral's own format, params.json",
    "mistral-medium-3.5": "Mistral's own format, params.json",
    "mistral-large-3": "Mistral's own format, params.json",
    "gemma-4": "the pinned vLLM does not load it with the pinned transformers (vllm-project/vllm#51744)",
    "kimi-k3": "its configuration is code of the model's repository",
}
"""Beginnings of shapes whose config is not built, and why."""


def family_of(shape_name: str) -> str | None:
    """Return the beginning of the shapes that have one kind of config; None where it is not built."""
    if any(shape_name.startswith(begin) for begin in NOT_BUILT):
        return None
    return next(begin for begin, _ in _FAMILIES if shape_name.startswith(begin))


def config_of(facts: ModelFacts, shape_name: str) -> Config | None:
    """Return a model's config.json; None where it is not built."""
    family = family_of(shape_name)
    if family is None:
        return None
    build = dict(_FAMILIES)[family]
    assert facts.shape is not None
    made = build(facts, facts.shape)
    quantization = _quantization(facts, made)
    if quantization:
        made["quantization_config"] = quantization
    return made


def _base(facts: ModelFacts, shape: Shape, architecture: str, kind: str, /, **more: Any) -> Config:
    return {
        "architectures": [architecture],
        "model_type": kind,
        "torch_dtype": "float32" if facts.precision == "fp32" else "bfloat16",
        "hidden_size": facts.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": facts.layers,
        "num_attention_heads": facts.attention_heads,
        "num_key_value_heads": facts.kv_heads,
        **({"head_dim": facts.head_dim} if facts.head_dim else {}),
        "vocab_size": shape.vocab_size,
        "max_position_embeddings": facts.max_context,
        "tie_word_embeddings": shape.tied_embeddings,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "hidden_act": "silu",
        **more,
    }


def _dense(architecture: str, kind: str, **more: Any) -> Callable[[ModelFacts, Shape], Config]:
    return lambda facts, shape: _base(facts, shape, architecture, kind, **more)


def _qwen3_moe(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "Qwen3MoeForCausalLM", "qwen3_moe"),
        num_experts=shape.experts,
        num_experts_per_tok=shape.experts_per_token,
        moe_intermediate_size=shape.expert_size,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        norm_topk_prob=True,
    )


def _layer_types(facts: ModelFacts, other: str) -> list[str]:
    every = facts.layers // facts.full_attention_layers
    return ["full_attention" if (i + 1) % every == 0 else other for i in range(facts.layers)]


def _delta(facts: ModelFacts, shape: Shape) -> Config:
    state = shape.state
    assert state is not None
    return {
        "layer_types": _layer_types(facts, "linear_attention"),
        "full_attention_interval": facts.layers // facts.full_attention_layers,
        "linear_num_key_heads": state.groups,
        "linear_key_head_dim": state.size,
        "linear_num_value_heads": state.heads,
        "linear_value_head_dim": state.head_dim,
        "linear_conv_kernel_dim": 4,
        "partial_rotary_factor": 0.25,
    }


def _experts(shape: Shape) -> Config:
    return {
        "num_experts": shape.experts,
        "num_experts_per_tok": shape.experts_per_token,
        "moe_intermediate_size": shape.expert_size,
        "shared_expert_intermediate_size": shape.shared_size,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def _qwen3_next(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "Qwen3NextForCausalLM", "qwen3_next"), **_delta(facts, shape), **_experts(shape)
    )


def _qwen3_5(facts: ModelFacts, shape: Shape) -> Config:
    moe = "_moe" if shape.moe_layers else ""
    text = _base(
        *(facts, shape, "", f"qwen3_5{moe}_text"),
        **_delta(facts, shape),
        **(_experts(shape) if shape.moe_layers else {}),
        mamba_ssm_dtype="float32",
        attn_output_gate=True,
        rope_parameters={
            **{"rope_type": "default", "rope_theta": 10000000, "partial_rotary_factor": 0.25},
            **{"mrope_section": [11, 11, 10], "mrope_interleaved": True},
        },
    )
    del text["architectures"]
    small = facts.hidden_size < 4096 and not shape.moe_layers
    vision = {
        **{"model_type": f"qwen3_5{moe}", "depth": 24 if small else 27, "num_heads": 16, "patch_size": 16},
        **{"hidden_size": 1024 if small else 1152, "intermediate_size": 4096 if small else 4304},
        **{"out_hidden_size": facts.hidden_size, "spatial_merge_size": 2, "temporal_patch_size": 2},
        **{"num_position_embeddings": 2304, "in_channels": 3, "deepstack_visual_indexes": []},
        "hidden_act": "gelu_pytorch_tanh",
    }
    name = "Qwen3_5MoeForConditionalGeneration" if shape.moe_layers else "Qwen3_5ForConditionalGeneration"
    return {
        **{"architectures": [name], "model_type": f"qwen3_5{moe}", "torch_dtype": "bfloat16"},
        **{"text_config": text, "vision_config": vision, "tie_word_embeddings": shape.tied_embeddings},
        **{"image_token_id": 248056, "video_token_id": 248057},
        **{"vision_start_token_id": 248053, "vision_end_token_id": 248054},
    }


def _llama_4(facts: ModelFacts, shape: Shape) -> Config:
    every = facts.layers // shape.moe_layers
    text = _base(
        *(facts, shape, "Llama4ForCausalLM", "llama4_text"),
        **{"num_local_experts": shape.experts, "num_experts_per_tok": shape.experts_per_token},
        **{"intermediate_size_mlp": shape.intermediate_size or 16384, "interleave_moe_layer_step": every},
        **{
            "attention_chunk_size": facts.sliding_window,
            "use_qk_norm": False,
            "attn_temperature_tuning": True,
        },
        no_rope_layers=[0 if (i + 1) % 4 == 0 else 1 for i in range(facts.layers)],
    ) | {"intermediate_size": shape.expert_size}
    vision = {
        **{"model_type": "llama4_vision_model", "hidden_size": 1408, "intermediate_size": 5632},
        **{"num_hidden_layers": 34, "num_attention_heads": 16, "image_size": 336, "patch_size": 14},
        **{"projector_input_dim": 4096, "projector_output_dim": 4096, "vision_output_dim": 4096},
        **{"pixel_shuffle_ratio": 0.5, "num_channels": 3, "rope_theta": 10000, "hidden_act": "gelu"},
    }
    return {
        **{"architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4"},
        **{"torch_dtype": "bfloat16", "text_config": text, "vision_config": vision},
        **{"image_token_index": 200092, "boi_token_index": 200080, "eoi_token_index": 200081},
    }


def _mixtral(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "MixtralForCausalLM", "mixtral"),
        **{"num_local_experts": shape.experts, "num_experts_per_tok": shape.experts_per_token},
    ) | {"intermediate_size": shape.expert_size}


def _mistral_3(facts: ModelFacts, shape: Shape) -> Config:
    text = _base(facts, shape, "MistralForCausalLM", "mistral")
    vision = {
        **{"model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096, "head_dim": 64},
        **{"num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 1540, "patch_size": 14},
        **{"num_channels": 3, "hidden_act": "silu", "rope_theta": 10000.0},
    }
    return {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "model_type": "mistral3",
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
        "text_config": text,
        "vision_config": vision,
        **{"image_token_index": 10, "spatial_merge_size": 2, "multimodal_projector_bias": False},
        **{"projector_hidden_act": "gelu", "vision_feature_layer": -1},
    }


def _gemma_2(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "Gemma2ForCausalLM", "gemma2"),
        sliding_window=facts.sliding_window,
        layer_types=[("sliding_attention", "full_attention")[i % 2] for i in range(facts.layers)],
        hidden_activation="gelu_pytorch_tanh",
        query_pre_attn_scalar=224,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
    )


def _gemma_3_text(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "Gemma3ForCausalLM", "gemma3_text"),
        sliding_window=facts.sliding_window,
        layer_types=["sliding_attention" if (i + 1) % 6 else "full_attention" for i in range(facts.layers)],
        hidden_activation="gelu_pytorch_tanh",
        query_pre_attn_scalar=256,
        rope_local_base_freq=10000.0,
        **({} if facts.layers < 30 else {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    )


def _gemma_3(facts: ModelFacts, shape: Shape) -> Config:
    text = _gemma_3_text(facts, shape)
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "torch_dtype": "bfloat16",
        "text_config": text,
        "vision_config": {
            **{"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304},
            **{"num_hidden_layers": 27, "num_attention_heads": 16, "image_size": 896, "patch_size": 14},
            "vision_use_head": False,
        },
        **{"image_token_index": 262144, "mm_tokens_per_image": 256, "boi_token_index": 255999},
        "eoi_token_index": 256000,
    }


def _phi(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "Phi3ForCausalLM", "phi3"),
        original_max_position_embeddings=facts.max_context,
        pad_token_id=0,
        partial_rotary_factor=0.75 if facts.hidden_size == 3072 and shape.vocab_size > 200000 else 1.0,
    )


def _gpt_oss(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "GptOssForCausalLM", "gpt_oss"),
        num_local_experts=shape.experts,
        num_experts_per_tok=shape.experts_per_token,
        sliding_window=facts.sliding_window,
        layer_types=[("sliding_attention", "full_attention")[i % 2] for i in range(facts.layers)],
        attention_bias=True,
        rope_scaling={
            **{"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096},
            **{"beta_fast": 32.0, "beta_slow": 1.0, "truncate": False},
        },
    ) | {"intermediate_size": shape.expert_size}


def _latent(facts: ModelFacts, shape: Shape, architecture: str, kind: str, /, **more: Any) -> Config:
    """Return the config of a model like DeepSeek-V3."""
    rope = facts.latent_dim - (facts.latent_dim - 64)
    made = _base(
        *(facts, shape, architecture, kind),
        kv_lora_rank=facts.latent_dim - rope,
        qk_rope_head_dim=rope,
        q_lora_rank=shape.q_lora_rank or None,
        qk_nope_head_dim=shape.qk_nope_head_dim,
        v_head_dim=shape.v_head_dim,
        n_routed_experts=shape.experts,
        num_experts_per_tok=shape.experts_per_token,
        moe_intermediate_size=shape.expert_size,
        n_shared_experts=shape.shared_size // shape.expert_size,
        first_k_dense_replace=shape.dense_layers,
        moe_layer_freq=1,
        **{"n_group": 1, "topk_group": 1, "topk_method": "noaux_tc", "norm_topk_prob": True},
        **{"scoring_func": "sigmoid", "routed_scaling_factor": 2.5},
        rope_scaling={
            **{"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096},
            **{"beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0},
        },
    )
    return made | {"num_key_value_heads": facts.attention_heads} | more


def _deepseek(facts: ModelFacts, shape: Shape) -> Config:
    if not facts.indexed_layers:
        return _latent(facts, shape, "DeepseekV3ForCausalLM", "deepseek_v3")
    return _latent(
        *(facts, shape, "DeepseekV32ForCausalLM", "deepseek_v32"),
        **{"index_topk": 2048, "index_n_heads": 64, "index_head_dim": 128},
    )


def _kimi_k2(facts: ModelFacts, shape: Shape) -> Config:
    return _latent(facts, shape, "DeepseekV3ForCausalLM", "kimi_k2")


def _kimi_k2_5(facts: ModelFacts, shape: Shape) -> Config:
    text = _latent(facts, shape, "DeepseekV3ForCausalLM", "deepseek_v3")
    return {
        "architectures": ["KimiK25ForConditionalGeneration"],
        "model_type": "kimi_k25",
        "torch_dtype": "bfloat16",
        "text_config": text,
        "vision_config": {},
        "media_placeholder_token_id": 163605,
    }


def _glm(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "Glm4MoeForCausalLM", "glm4_moe"),
        n_routed_experts=shape.experts,
        num_experts_per_tok=shape.experts_per_token,
        moe_intermediate_size=shape.expert_size,
        n_shared_experts=shape.shared_size // shape.expert_size,
        first_k_dense_replace=shape.dense_layers,
        **{"n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 2.5},
        partial_rotary_factor=0.5,
        attention_bias=True,
        use_qk_norm=True,
    )


def _glm_flash(facts: ModelFacts, shape: Shape) -> Config:
    return _latent(facts, shape, "Glm4MoeLiteForCausalLM", "glm4_moe_lite")


def _glm_5(facts: ModelFacts, shape: Shape) -> Config:
    shares = ["F" if i < 3 or (i - 2) % 4 == 0 else "S" for i in range(facts.layers)]
    assert shares.count("F") == facts.indexed_layers
    return _latent(
        *(facts, shape, "GlmMoeDsaForCausalLM", "glm_moe_dsa"),
        **{"index_topk": 2048, "index_n_heads": 32, "index_head_dim": 128},
        index_topk_pattern="".join(shares),
    )


def _minimax(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "MiniMaxM2ForCausalLM", "minimax_m2"),
        num_local_experts=shape.experts,
        num_experts_per_tok=shape.experts_per_token,
        **{"rotary_dim": 64, "use_qk_norm": True, "qk_norm_type": "per_layer", "scoring_func": "sigmoid"},
        use_routing_bias=True,
        attn_type_list=[1] * facts.layers,
    ) | {"intermediate_size": shape.expert_size}


def _granite(facts: ModelFacts, shape: Shape) -> Config:
    return _base(
        *(facts, shape, "GraniteForCausalLM", "granite"),
        **{"attention_multiplier": 0.0078125, "embedding_multiplier": 12.0, "logits_scaling": 16.0},
        residual_multiplier=0.22,
    )


def _granite_hybrid(facts: ModelFacts, shape: Shape) -> Config:
    state = shape.state
    assert state is not None
    every = facts.layers // facts.full_attention_layers
    return _base(
        *(facts, shape, "GraniteMoeHybridForCausalLM", "granitemoehybrid"),
        **{"attention_multiplier": 0.0078125, "embedding_multiplier": 12, "logits_scaling": 16},
        residual_multiplier=0.22,
        layer_types=["attention" if i % every == every // 2 else "mamba" for i in range(facts.layers)],
        **{"num_local_experts": shape.experts, "num_experts_per_tok": shape.experts_per_token},
        shared_intermediate_size=shape.shared_size,
        **{"mamba_n_heads": state.heads, "mamba_d_head": state.head_dim, "mamba_d_state": state.size},
        **{"mamba_n_groups": state.groups, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_chunk_size": 256},
        **{"mamba_conv_bias": True, "mamba_proj_bias": False, "position_embedding_type": "nope"},
    ) | {"intermediate_size": shape.expert_size}


def _nemotron(facts: ModelFacts, shape: Shape) -> Config:
    state = shape.state
    assert state is not None
    mlp = "E" if shape.moe_layers else "-"
    rest = [mlp] * (shape.moe_layers or shape.dense_layers) + ["*"] * facts.full_attention_layers
    pattern = "".join(["M"] * state.layers + rest)
    more = {
        **{"n_routed_experts": shape.experts, "num_experts_per_tok": shape.experts_per_token},
        **{"moe_intermediate_size": shape.expert_size, "n_shared_experts": 1, "n_group": 1, "topk_group": 1},
        "moe_shared_expert_intermediate_size": shape.shared_size,
        **{"norm_topk_prob": True, "routed_scaling_factor": 2.5},
        **({"moe_latent_size": shape.expert_width} if shape.expert_width else {}),
    }
    return _base(
        *(facts, shape, "NemotronHForCausalLM", "nemotron_h"),
        hybrid_override_pattern=pattern,
        **{"mamba_num_heads": state.heads, "mamba_head_dim": state.head_dim, "ssm_state_size": state.size},
        **{"n_groups": state.groups, "conv_kernel": 4, "expand": 2, "chunk_size": 128},
        **{"use_conv_bias": True, "mamba_hidden_act": "silu", "mamba_ssm_cache_dtype": "float32"},
        **{"mlp_hidden_act": "relu2", "layer_norm_epsilon": 1e-5, "attention_bias": False, "mlp_bias": False},
        **(more if shape.moe_layers else {}),
    )


def _encoder(architecture: str, kind: str) -> Callable[[ModelFacts, Shape], Config]:
    def build(facts: ModelFacts, shape: Shape) -> Config:
        offset = 2 if kind == "xlm-roberta" else 0
        made = _base(
            *(facts, shape, architecture, kind),
            **{"hidden_act": "gelu", "layer_norm_eps": 1e-5, "type_vocab_size": 1 if offset else 2},
            **{"pad_token_id": 1 if offset else 0, "position_embedding_type": "absolute"},
        )
        if facts.task == "rerank":
            made |= {"architectures": ["XLMRobertaForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
        return made | {"max_position_embeddings": facts.max_context + offset}

    return build


_FAMILIES: tuple[tuple[str, Callable[[ModelFacts, Shape], Config]], ...] = (
    ("qwen2.5", _dense("Qwen2ForCausalLM", "qwen2")),
    ("qwen3-30b-a3b", _qwen3_moe),
    ("qwen3-235b", _qwen3_moe),
    ("qwen3-coder-480b", _qwen3_moe),
    ("qwen3-next", _qwen3_next),
    ("qwen3-coder-next", _qwen3_next),
    ("qwen3.5", _qwen3_5),
    ("qwen3-", _dense("Qwen3ForCausalLM", "qwen3", attention_bias=False)),
    ("llama-4", _llama_4),
    ("llama-3", _dense("LlamaForCausalLM", "llama")),
    ("mistral-small-3.1", _mistral_3),
    ("mistral-", _dense("MistralForCausalLM", "mistral")),
    ("e5-mistral", _dense("MistralModel", "mistral", sliding_window=4096)),
    ("mixtral", _mixtral),
    ("gemma-2", _gemma_2),
    ("gemma-3-1b", _gemma_3_text),
    ("gemma-3", _gemma_3),
    ("phi-", _phi),
    ("gpt-oss", _gpt_oss),
    ("deepseek", _deepseek),
    ("kimi-k2.5", _kimi_k2_5),
    ("kimi-k2", _kimi_k2),
    ("glm-4.7-flash", _glm_flash),
    ("glm-4.5", _glm),
    ("glm-5", _glm_5),
    ("minimax", _minimax),
    ("granite-4.0-h", _granite_hybrid),
    ("granite", _granite),
    ("nemotron", _nemotron),
    ("bert", _encoder("BertModel", "bert")),
    ("xlm-roberta", _encoder("XLMRobertaModel", "xlm-roberta")),
)


def _quantization(facts: ModelFacts, config: Config) -> Config | None:
    if facts.precision == "mxfp4":
        return {
            "quant_method": "mxfp4",
            "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"],
        }
    if facts.precision == "int4" and facts.shape is not None and facts.shape.experts:
        # Routed experts alone, as in Kimi-K2.5, whose groups are smaller than those of GPTQ.
        group = 128 if facts.state_bytes else 32
        ints = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": group, "symmetric": True}
        others = ("self_attn", "linear_attn", "shared_expert", "visual", "vision_tower", "mm_projector")
        return {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "ignore": ["lm_head", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]
            + [f"re:.*{o}.*" for o in others],
            "config_groups": {
                "group_0": {"targets": ["Linear"], "weights": ints | {"dynamic": False, "actorder": None}}
            },
        }
    if facts.precision == "int4":
        return {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
    if facts.precision != "fp8":
        return None
    if facts.expert_block:
        block = [facts.expert_block, facts.expert_block]
        made = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": block}
        if facts.state_bytes:
            # As Qwen's own files: projections narrower than a block stay at 16 bits.
            prefix = "model.language_model" if "text_config" in config else "model"
            narrow = ("in_proj_ba", "in_proj_a", "in_proj_b")
            of_vision = ("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2")
            made["modules_to_not_convert"] = [
                *(f"{prefix}.layers.{i}.linear_attn.{name}" for i in range(facts.layers) for name in narrow),
                *(f"model.visual.blocks.{i}.{name}" for i in range(27) for name in of_vision),
                *(f"model.visual.merger.{name}" for name in ("linear_fc1", "linear_fc2")),
            ]
        return made
    weights = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
    inputs = {"num_bits": 8, "type": "float", "strategy": "token", "symmetric": True, "dynamic": True}
    ignore = ["lm_head", "re:.*gate$"]
    if "vision_config" in config:
        # Llama 4: routed experts alone.
        beside = ("self_attn", "shared_expert", "vision_model", "multi_modal_projector")
        ignore += ["re:.*router.*", r"re:.*feed_forward\.(gate|up|gate_up|down)_proj.*"]
        ignore += [f"re:.*{other}.*" for other in beside]
    return {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "ignore": ignore,
        "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
        },
    }
