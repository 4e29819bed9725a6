"""What decides a model's size, read from the model's own files: one JSON object of at most 4 KiB.

The pod that reads a model on the Hub runs this file as it is, so it imports the standard library alone.
`freehold inspect` calls `report` for the files of a folder.

A report has these keys; all but `config` may be missing:

commit         what the revision meant when the files were read
architectures  the first architecture of config.json
config         the keys of KEYS, those of the text model before those around it
vision         dimensions of the vision tower
hears          whether the model has an audio tower
quantization   method, algorithms, bits and group size, and what stays as it was
weights        bytes of the tensors; parameters where an index says their number; the head that is stored, in
               bytes, or true where its size is not known
embeds         whether the model is an embedding model of sentence-transformers
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any

__all__ = ["INDEX", "KEYS", "report"]

INDEX = "model.safetensors.index.json"
_NESTED = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where the text model's keys are, in a model that sees or hears too."""
_NUMBERS = """
model_type num_hidden_layers hidden_size num_attention_heads num_key_value_heads num_attention_groups
num_kv_heads num_layers head_dim attention_head_dim vocab_size tie_word_embeddings intermediate_size
max_position_embeddings model_max_length n_positions max_seq_len seq_length max_sequence_length dtype
torch_dtype is_encoder_decoder sliding_window use_sliding_window sliding_window_pattern
attention_chunk_size layer_group_size full_attention_interval attn_layer_period attn_layer_offset
no_rope_layer_interval nope_layer_interval swa_num_key_value_heads swa_head_dim swa_v_head_dim
kv_lora_rank q_lora_rank qk_rope_head_dim qk_nope_head_dim v_head_dim index_topk index_topk_freq
index_skip_topk_offset index_n_heads index_head_dim num_kv_shared_layers num_global_key_value_heads
global_head_dim hidden_size_per_layer_input attn_output_gate linear_num_key_heads linear_key_head_dim
linear_num_value_heads linear_value_head_dim mamba_n_groups mamba_d_state mamba_n_heads mamba_d_head
mamba_expand mamba_ssm_dtype mamba_ssm_cache_dtype n_groups ssm_state_size mamba_num_heads
mamba_head_dim conv_L_cache num_experts
n_routed_experts num_local_experts moe_num_experts num_experts_per_tok num_experts_per_token
experts_per_token top_k_experts moe_intermediate_size moe_latent_size routed_expert_hidden_size
n_shared_experts num_shared_experts shared_expert_intermediate_size moe_shared_expert_intermediate_size
shared_intermediate_size share_expert_dim first_k_dense_replace decoder_sparse_step moe_layer_freq
interleave_moe_layer_step intermediate_size_mlp num_dense_layers num_nextn_predict_layers
mtp_num_hidden_layers
"""
_KINDS = """
layer_types layers_block_type hybrid_override_pattern hybrid_layer_pattern no_rope_layers moe_layer_freq
indexer_types index_topk_pattern
"""
"""Lists, or texts, with a word for each layer: reported as the number of layers by word."""
_PLACES = ("full_attn_idxs", "attn_layer_indices", "mlp_only_layers")
"""Lists of layers: reported as their length."""
_PRESENT = ("block_configs", "compress_ratios", "attention_other_setting", "sparse_attention_config")
"""Reported as true: what they say is not read."""
_MAPPINGS = {
    "rope_scaling": ("rope_type", "type", "factor", "original_max_position_embeddings"),
    "rope_parameters": ("rope_type", "type", "factor", "original_max_position_embeddings"),
    "linear_attn_config": ("num_heads", "head_dim", "full_attn_layers"),
}
_BY_WORD = frozenset(_KINDS.split())
KEYS = frozenset([*_NUMBERS.split(), *_BY_WORD, *_PLACES, *_PRESENT, *_MAPPINGS])
"""The keys of config.json that are read."""
_VISION = {
    "model_type": ("model_type",),
    "hidden_size": ("embed_dim", "hidden_size", "vt_hidden_size"),
    "layers": ("num_hidden_layers", "depth", "vt_num_hidden_layers"),
    "intermediate_size": ("intermediate_size", "vt_intermediate_size"),
    "mlp_ratio": ("mlp_ratio",),
}
_IGNORED = ("ignore", "modules_to_not_convert", "exclude_modules")
_ATTENTION = re.compile(r"attn(?:\.?\*|\.\*\$?|$)|\b[qo](?:_[ab])?_proj")
_MOST_JSON = 256 * 2**20
_MOST_REPORT = 4096
"""Bytes of a container's termination message."""
_MOST_WAITS, _LONGEST_WAIT_SECONDS = 3, 300
"""For a Hub that limits requests and says until when: huggingface.co counts in spans of five minutes."""


def report(
    config: dict[str, Any],
    quantization: dict[str, Any] | None = None,
    weights: dict[str, Any] | None = None,
    commit: str = "",
    *,
    embeds: bool = False,
) -> dict[str, Any]:
    """Return the report of a model.

    Args:
        config: config.json.
        quantization: hf_quant_config.json, which ModelOpt writes beside it.
        weights: `bytes`, `parameters` and `head` of the safetensors files.
        commit: of the files.
        embeds: whether modules.json is beside them.
    """
    text: dict[str, Any] = next((config[key] for key in _NESTED if isinstance(config.get(key), dict)), {})
    if isinstance(text.get("text_config"), dict):
        text = text["text_config"]
    named = config.get("architectures")
    made = {
        "commit": commit,
        "architectures": str(named[0]) if isinstance(named, list) and named else "",
        "config": {**_condensed(config), **_condensed(text)},
        "vision": _vision(config.get("vision_config")),
        "hears": any(isinstance(place.get("audio_config"), dict) for place in (config, text)),
        "quantization": _quantization(_stated(config, text), quantization),
        "weights": weights,
        "embeds": embeds,
    }
    return {key: value for key, value in made.items() if value or key == "config"}


def _condensed(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        if key in _PRESENT and value:
            found[key] = True
        elif key in _PLACES and isinstance(value, list):
            found[key] = len(value)
        elif key in _BY_WORD and isinstance(value, list | str):
            found[key] = dict(sorted(Counter(map(str, value)).items()))
        elif key in _MAPPINGS and isinstance(value, dict):
            inner = {k: len(v) if isinstance(v, list) else v for k, v in value.items() if k in _MAPPINGS[key]}
            found[key] = {k: v for k, v in inner.items() if _plain(v)}
        elif key in KEYS and _plain(value):
            found[key] = value
    return found


def _plain(value: Any) -> bool:
    return isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))


def _vision(tower: Any) -> dict[str, Any]:
    if not isinstance(tower, dict):
        return {}
    found = {
        ours: next((tower[k] for k in keys if _plain(tower.get(k))), None) for ours, keys in _VISION.items()
    }
    stacked = tower.get("deepstack_visual_indexes")
    found["stacked"] = len(stacked) if isinstance(stacked, list) and stacked else None
    return {key: value for key, value in found.items() if value is not None}


def _stated(config: dict[str, Any], text: dict[str, Any]) -> dict[str, Any]:
    """Return what config.json says of quantisation, as vLLM looks for it."""
    for place in (config, text):
        for key in ("quantization_config", "compression_config"):
            if isinstance(place.get(key), dict):
                stated: dict[str, Any] = place[key]
                return stated
    return {}


def _quantization(stated: dict[str, Any], beside: dict[str, Any] | None) -> dict[str, Any]:
    inner = (beside or {}).get("quantization", stated.get("quantization"))
    modelopt: dict[str, Any] = inner if isinstance(inner, dict) else {}
    if not stated and not modelopt:
        return {}
    both = {**modelopt, **stated}
    groups = stated.get("config_groups")
    weights = (
        [g.get("weights") for g in groups.values() if isinstance(g, dict)] if isinstance(groups, dict) else []
    )
    ignored = [str(name) for key in _IGNORED if isinstance(both.get(key), list) for name in both[key]]
    layers = both.get("quantized_layers")
    algorithms = (
        {str(layer.get("quant_algo")) for layer in layers.values()} if isinstance(layers, dict) else set()
    )
    block = both.get("weight_block_size")
    found = {
        "method": both.get("quant_method"),
        "bits": both.get("bits"),
        "group_size": both.get("group_size"),
        "block": block[0] if isinstance(block, list) and block else None,
        "algorithm": both.get("quant_algo"),
        "algorithms": sorted(algorithms),
        "format": both.get("format"),
        "groups": sorted({_group(w) for w in weights if isinstance(w, dict)}),
        "attention": any(map(_ATTENTION.search, ignored)),
        "shared": any("shared_expert" in name for name in ignored),
    }
    return {key: value for key, value in found.items() if value not in (None, [], False)}


def _group(weights: dict[str, Any]) -> str:
    """Return a group of compressed-tensors as text, such as `int 4 32`: type, bits, group size."""
    return " ".join(str(weights.get(key) or 0) for key in ("type", "num_bits", "group_size"))


# The program of the pod.


class _Told(Exception):  # noqa: N818  (it is what the pod tells)
    """Why nothing could be read: a reason of the Hub's, and details for people."""


def _get(
    path: str, most: int = _MOST_JSON, begin: int = 0, *, required: bool = True
) -> tuple[bytes, str] | None:
    """Return a part of a file and the commit; None for a file that there is not."""
    hub, model, revision = os.environ["HF_ENDPOINT"].rstrip("/"), sys.argv[1], sys.argv[2]
    url = f"{hub}/{model}/resolve/{urllib.parse.quote(revision, safe='')}/{path}"
    request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-{begin + most - 1}"})
    if not url.startswith(("https://", "http://")):
        raise _Told("Unreachable", f"{hub} is no address of a Hub")
    token = os.environ.get("HF_TOKEN", "").strip()
    if token:
        # Not to other hosts that the Hub redirects to: storage has addresses that are signed.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with _patiently(request) as answer:
            return answer.read(most + 1), answer.headers.get("X-Repo-Commit") or ""
    except urllib.error.HTTPError as error:
        reason = error.headers.get("X-Error-Code") or ""
        if error.code in (401, 403) and reason != "RepoNotFound":
            refused = "TokenRefused" if token and reason != "GatedRepo" else "GatedRepo"
            raise _Told(refused, error.headers.get("X-Error-Message") or "") from error
        if reason in ("RepoNotFound", "RevisionNotFound"):
            raise _Told(reason) from error
        if error.code in (404, 416):
            if required:
                raise _Told("NoConfig" if reason == "EntryNotFound" else "RepoNotFound") from error
            return None
        limited = error.code == 429
        raise _Told("RateLimited" if limited else "Unreachable", f"{hub} answers {error.code}") from error
    except OSError as error:
        why = getattr(error, "reason", error)
        if isinstance(why, ssl.SSLCertVerificationError):
            raise _Told("NotTrusted", why.verify_message) from error
        raise _Told("Unreachable", f"{hub}: {why}") from error


def _patiently(request: urllib.request.Request) -> Any:
    """Return the Hub's answer; where it limits requests, once it takes them again."""
    for _ in range(_MOST_WAITS):
        try:
            return _opener().open(request, timeout=60)
        except urllib.error.HTTPError as error:
            seconds = _asked_to_wait(error)
            if not seconds:
                raise
            print(f"the Hub answers 429: trying again in {seconds} s", flush=True)
            time.sleep(seconds)
    return _opener().open(request, timeout=60)


def _asked_to_wait(error: urllib.error.HTTPError) -> int:
    """Return the seconds after which a Hub that limits requests takes more; 0 where it does not say."""
    if error.code != 429:
        return 0
    # huggingface.co says it as t=SECONDS: https://huggingface.co/docs/hub/rate-limits
    said = f"t={error.headers.get('Retry-After')} {error.headers.get('RateLimit')}"
    found = re.search(r"\bt=(\d+)", said)
    return min(int(found[1]), _LONGEST_WAIT_SECONDS) if found else 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Keep the token where the Hub redirects to an address of its own, as for a renamed repository."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request: with the token while scheme, host and port stay the same."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if following is not None and token and _origin(newurl) == _origin(req.full_url):
            following.add_unredirected_header("Authorization", token)
        return following


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=_trusted()), _Redirects)


def _trusted() -> ssl.SSLContext:
    """Trust the public authorities, and those of CA_BUNDLE: a mirror's, or a proxy's that opens TLS."""
    context = ssl.create_default_context()
    if os.environ.get("CA_BUNDLE"):
        context.load_verify_locations(cadata=os.environ["CA_BUNDLE"])
    return context


def _json(path: str, *, required: bool = False) -> tuple[dict[str, Any], str] | None:
    found = _get(path, required=required)
    if found is None:
        return None
    try:
        read = json.loads(found[0])
    except ValueError as error:
        raise _Told("NotJSON", f"{path}: {error}") from error
    if not isinstance(read, dict):
        raise _Told("NotJSON", f"{path}: no object")
    return read, found[1]


def _weights() -> dict[str, Any] | None:
    indexed = _json(INDEX)
    if indexed is not None:
        metadata, names = indexed[0].get("metadata") or {}, indexed[0].get("weight_map") or {}
        size, stated = metadata.get("total_size"), metadata.get("total_parameters")
        stored = any(name.endswith("lm_head.weight") for name in names)
        found = {"bytes": size and int(size), "parameters": stated, "head": stored}
        return {key: value for key, value in found.items() if value}
    begin = _get("model.safetensors", 8, required=False)
    if begin is None:
        return None
    length = int.from_bytes(begin[0][:8], "little")
    header = _get("model.safetensors", min(length, _MOST_JSON), 8)
    tensors = json.loads(header[0][:length]) if header else {}
    tensors.pop("__metadata__", None)
    sizes = {name: t["data_offsets"][1] - t["data_offsets"][0] for name, t in tensors.items()}
    head = sum(size for name, size in sizes.items() if name.endswith("lm_head.weight"))
    return {"bytes": sum(sizes.values()), **({"head": head} if head else {})}


def _read() -> dict[str, Any]:
    found = _json("config.json", required=True)
    assert found is not None, "it is required"
    beside = _json("hf_quant_config.json")
    embeds = _get("modules.json", required=False) is not None
    return report(found[0], beside and beside[0], _weights(), found[1], embeds=embeds)


def main() -> None:
    """Write the report, or why there is none, as the container's termination message."""
    # The first process of a container ignores SIGTERM otherwise, and is killed half a minute later.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    try:
        said = _read()
    except _Told as told:
        said = {"error": told.args[0], "detail": " ".join(map(str, told.args[1:]))[:500]}
    text = json.dumps(said, separators=(",", ":"))
    if len(text) > _MOST_REPORT:
        said = {"error": "TooLong", "detail": f"{len(text)} bytes"}
        text = json.dumps(said)
    print(text)
    with open(os.environ.get("REPORT", "/dev/termination-log"), "w") as file:  # noqa: PTH123
        file.write(text)
    # The kubelet runs the container again, later and later: a token or a Hub may be mended meanwhile.
    sys.exit(1 if "error" in said else 0)


if __name__ == "__main__":
    main()
