"""What is computed from the dimensions of a model is what was published of it."""

from __future__ import annotations

import pytest

from functions.catalog import bytes_per_token, models
from functions.catalog.models import _attention, _facts
from functions.catalog.shapes import loaded_parameters, shapes, speculative_parameters
from functions.catalog.tables import rows

ROWS = {row["model"]: row for row in rows("models.tsv")}

# Bytes of a token in the cache, by hand: layers that keep the whole context x 2 (keys and values) x
# key-value heads x head size x 2 bytes; MLA: layers x (latent + rotary part) x 2, with a layer's 132
# bytes for the indexer of sparse attention.
CACHE = [
    (
        32 * 2 * 8 * 128 * 2,
        "meta-llama/Llama-3.1-8B-Instruct mistralai/Mistral-7B-Instruct-v0.3 "
        "mistralai/Mixtral-8x7B-Instruct-v0.1 microsoft/Phi-4-mini-instruct "
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    ),
    (
        80 * 2 * 8 * 128 * 2,
        "meta-llama/Llama-3.1-70B-Instruct meta-llama/Llama-3.3-70B-Instruct "
        "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic Qwen/Qwen2.5-72B-Instruct",
    ),
    (126 * 2 * 8 * 128 * 2, "meta-llama/Llama-3.1-405B-Instruct"),
    (16 * 2 * 8 * 64 * 2, "meta-llama/Llama-3.2-1B-Instruct"),
    (
        12 * 2 * 8 * 128 * 2,
        "meta-llama/Llama-4-Scout-17B-16E-Instruct meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    ),
    (24 * 2 * 2 * 64 * 2, "Qwen/Qwen2.5-0.5B-Instruct"),
    (28 * 2 * 2 * 128 * 2, "Qwen/Qwen2.5-1.5B-Instruct"),
    (36 * 2 * 2 * 128 * 2, "Qwen/Qwen2.5-3B-Instruct"),
    (28 * 2 * 4 * 128 * 2, "Qwen/Qwen2.5-7B-Instruct Qwen/Qwen2.5-Coder-7B-Instruct"),
    (
        64 * 2 * 8 * 128 * 2,
        "Qwen/Qwen2.5-32B-Instruct Qwen/Qwen2.5-Coder-32B-Instruct Qwen/Qwen3-32B Qwen/Qwen3-32B-FP8 "
        "Qwen/Qwen3-32B-AWQ",
    ),
    (
        28 * 2 * 8 * 128 * 2,
        "Qwen/Qwen3-0.6B Qwen/Qwen3-1.7B Qwen/Qwen3-Embedding-0.6B Qwen/Qwen3-Reranker-0.6B",
    ),
    (
        36 * 2 * 8 * 128 * 2,
        "Qwen/Qwen3-4B Qwen/Qwen3-4B-Instruct-2507 Qwen/Qwen3-8B Qwen/Qwen3-8B-AWQ "
        "Qwen/Qwen3-Embedding-8B Qwen/Qwen3-Reranker-8B",
    ),
    (
        48 * 2 * 4 * 128 * 2,
        "Qwen/Qwen3-30B-A3B Qwen/Qwen3-30B-A3B-Instruct-2507 Qwen/Qwen3-30B-A3B-Thinking-2507 "
        "Qwen/Qwen3-30B-A3B-Instruct-2507-FP8 Qwen/Qwen3-Coder-30B-A3B-Instruct "
        "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8",
    ),
    (94 * 2 * 4 * 128 * 2, "Qwen/Qwen3-235B-A22B Qwen/Qwen3-235B-A22B-Instruct-2507-FP8"),
    (
        62 * 2 * 8 * 128 * 2,
        "Qwen/Qwen3-Coder-480B-A35B-Instruct Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 MiniMaxAI/MiniMax-M2.7",
    ),
    (
        12 * 2 * 2 * 256 * 2,
        "Qwen/Qwen3-Next-80B-A3B-Instruct Qwen/Qwen3-Next-80B-A3B-Thinking Qwen/Qwen3-Coder-Next "
        "Qwen/Qwen3-Coder-Next-FP8 Qwen/Qwen3.5-122B-A10B",
    ),
    (8 * 2 * 4 * 256 * 2, "Qwen/Qwen3.5-4B Qwen/Qwen3.5-9B"),
    (16 * 2 * 4 * 256 * 2, "Qwen/Qwen3.6-27B Qwen/Qwen3.8-27B"),
    (10 * 2 * 2 * 256 * 2, "Qwen/Qwen3.6-35B-A3B Qwen/Qwen3.6-35B-A3B-FP8"),
    (
        40 * 2 * 8 * 128 * 2,
        "mistralai/Mistral-Nemo-Instruct-2407 mistralai/Mistral-Small-3.2-24B-Instruct-2506 "
        "mistralai/Ministral-3-14B-Instruct-2512 ibm-granite/granite-4.1-8b",
    ),
    (34 * 2 * 8 * 128 * 2, "mistralai/Ministral-3-8B-Instruct-2512"),
    (88 * 2 * 8 * 128 * 2, "mistralai/Mistral-Medium-3.5-128B"),
    (21 * 2 * 8 * 256 * 2, "google/gemma-2-9b-it"),
    (23 * 2 * 16 * 128 * 2, "google/gemma-2-27b-it"),
    (4 * 2 * 1 * 256 * 2, "google/gemma-3-1b-it"),
    (5 * 2 * 4 * 256 * 2, "google/gemma-3-4b-it"),
    (10 * 2 * 16 * 128 * 2, "google/gemma-3-27b-it"),
    (5 * 2 * 2 * 512 * 2, "google/gemma-4-26B-A4B-it"),
    (10 * 2 * 4 * 512 * 2, "google/gemma-4-31B-it"),
    (40 * 2 * 10 * 128 * 2, "microsoft/phi-4"),
    (32 * 2 * 32 * 96 * 2, "microsoft/Phi-3.5-mini-instruct"),
    (12 * 2 * 8 * 64 * 2, "openai/gpt-oss-20b"),
    (18 * 2 * 8 * 64 * 2, "openai/gpt-oss-120b"),
    (
        61 * (512 + 64) * 2,
        "deepseek-ai/DeepSeek-V3-0324 deepseek-ai/DeepSeek-R1-0528 moonshotai/Kimi-K2-Instruct "
        "moonshotai/Kimi-K2.5 moonshotai/Kimi-K2.6 moonshotai/Kimi-K2.7-Code",
    ),
    (61 * (512 + 64) * 2 + 61 * (128 + 4), "deepseek-ai/DeepSeek-V3.2"),
    (48 * 2 * 8 * 128 * 2, "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"),
    (24 * (512 + 64) * 2, "moonshotai/Kimi-K3"),
    (92 * 2 * 8 * 128 * 2, "zai-org/GLM-4.5 zai-org/GLM-4.7"),
    (46 * 2 * 8 * 128 * 2, "zai-org/GLM-4.5-Air"),
    (78 * (512 + 64) * 2 + 21 * (128 + 4), "zai-org/GLM-5.2-FP8"),
    (4 * 2 * 8 * 128 * 2, "nvidia/NVIDIA-Nemotron-Nano-9B-v2"),
    (6 * 2 * 2 * 128 * 2, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
    (8 * 2 * 2 * 128 * 2, "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16"),
    (0, "BAAI/bge-large-en-v1.5 intfloat/multilingual-e5-large BAAI/bge-reranker-v2-m3"),
]
BY_HAND = {name: size for size, names in CACHE for name in names.split()}


def test_every_verified_row_is_by_hand() -> None:
    # Gemma 4's dimensions are its config's, but the pinned vLLM does not load that config.
    verified = {name for name, row in ROWS.items() if row["confidence"] == "verified"}
    assert BY_HAND.keys() == verified | {"google/gemma-4-26B-A4B-it", "google/gemma-4-31B-it"}


@pytest.mark.parametrize("name", BY_HAND)
def test_cache_of_a_token(name: str) -> None:
    assert bytes_per_token(models()[name]) == BY_HAND[name]


@pytest.mark.parametrize("name", ROWS)
def test_the_checkpoint_has_the_published_size(name: str) -> None:
    assert models()[name].checkpoint_gib == pytest.approx(float(ROWS[name]["published_gib"]), rel=0.03)


PUBLISHED = [name for name, row in ROWS.items() if "count computed" not in row["sources"]]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_parameters_are_as_many_as_published(name: str) -> None:
    """Some count layers for speculation, and some do not."""
    facts = models()[name]
    assert facts.shape is not None
    attention = _attention(facts, ROWS[name])
    loaded = loaded_parameters(facts.shape, attention).total
    stored = loaded + speculative_parameters(facts.shape, attention).total
    published = float(ROWS[name]["parameters_billions"]) * 1e9
    assert min(abs(loaded / published - 1), abs(stored / published - 1)) < 0.015


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_read_from_what_was_published(name: str) -> None:
    assert ROWS[name]["shape"], "a row that is not computed from dimensions needs a reason in docs/sizing.md"
    blind = _facts({**ROWS[name], "published_gib": "", "parameters_billions": "1"})
    assert (blind.checkpoint_gib, blind.weights_gib) == (
        models()[name].checkpoint_gib,
        models()[name].weights_gib,
    )


@pytest.mark.parametrize(
    ("name", "loaded", "stored"),
    [
        # Dense: 2 x 128256 x 4096 embeddings; 32 x (2 x 4096^2 + 2 x 4096 x 1024 + 3 x 4096 x 14336).
        ("meta-llama/Llama-3.1-8B-Instruct", 1_050_673_152 + 32 * 218_103_808, None),
        # Tied: the head is the embeddings. 28 x (2 x 1024 x 2048 + 2 x 1024 x 1024 + 3 x 1024 x 3072).
        ("Qwen/Qwen3-0.6B", 151936 * 1024 + 28 * (4_194_304 + 2_097_152 + 9_437_184), None),
        # All experts: 48 x (2 x 2048 x 4096 + 2 x 2048 x 512 + 128 x (2048 + 3 x 2048 x 768)).
        (
            "Qwen/Qwen3-30B-A3B",
            2 * 151936 * 2048 + 48 * (16_777_216 + 2_097_152 + 128 * (2048 + 4_718_592)),
            None,
        ),
        # Layers for speculation are stored, not loaded: one more layer with 512 experts, and 2 x 2048^2.
        (
            "Qwen/Qwen3-Next-80B-A3B-Instruct",
            79_674_000_000,
            79_674_000_000 + 512 * 3 * 2048 * 512 + 38_000_000,
        ),
    ],
)
def test_parameters_by_hand(name: str, loaded: int, stored: int | None) -> None:
    facts = models()[name]
    assert facts.weights_gib * 2**30 / 2 == pytest.approx(loaded, rel=1e-3 if stored else 1e-9)
    assert facts.checkpoint_gib * 2**30 / 2 == pytest.approx(stored or loaded, rel=1e-3 if stored else 1e-9)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        # fp8 in blocks of 128 x 128 with a float32 each; embeddings and head at 16 bits.
        ("Qwen/Qwen3-32B-FP8", 31_205_621_760 * (1 + 4 / 16384) + 2 * 151936 * 5120 * 2),
        # AWQ: half a byte, and for 128 of them a 16-bit scale and a 4-bit zero point.
        ("Qwen/Qwen3-32B-AWQ", 31_205_621_760 * (0.5 + 2.5 / 128) + 2 * 151936 * 5120 * 2),
        # mxfp4: half a byte, and a byte for 32 of them; all but the experts at 16 bits.
        (
            "openai/gpt-oss-20b",
            24 * 32 * 3 * 2880 * 2880 * (0.5 + 1 / 32)
            + 2 * (2 * 201088 * 2880 + 24 * (2 * 2880 * 4096 + 2 * 2880 * 512 + 2880 * 32)),
        ),
    ],
)
def test_quantised_weights_by_hand(name: str, size: float) -> None:
    assert models()[name].weights_gib * 2**30 == pytest.approx(size, rel=1e-9)


def test_float32_is_loaded_at_16_bits() -> None:
    facts = models()["Snowflake/snowflake-arctic-embed-l-v2.0"]
    assert facts.weights_gib == facts.checkpoint_gib / 2


def test_every_row_says_where_it_is_from() -> None:
    assert len(ROWS) == len(rows("models.tsv"))
    assert {row["confidence"] for row in ROWS.values()} == {"verified", "derived"}
    assert all(row["sources"] for row in (*ROWS.values(), *rows("shapes.tsv")))
    assert {row["shape"] for row in ROWS.values()} == shapes().keys()
