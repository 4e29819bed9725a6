"""Arguments that take memory which GPUs are not chosen for, in every spelling, and the way out."""

from __future__ import annotations

import pytest

from functions.base import Invalid
from functions.vllm.compose import compose
from functions.vllm.engine.arguments import Argument, given
from functions.vllm.engine.uncounted import _UNCOUNTED
from tests.vllm.engine.test_arguments import refused, served
from tests.vllm.world import EU, SPEC, live, manifests, request

_HALF = "Leave it out: weights that are stored at 32 bits are served at 16."
_STORED = (
    "quantises weights when they are loaded, and GPUs are chosen for the weights as they are stored. Set "
    "spec.quantization to FP8, or name a checkpoint that is stored quantised, without the argument."
)
_BLOCKS = "changes the blocks of the KV cache, which is sized by those that the engine chooses itself. Leave it out."
_DRAFT = (
    "takes memory for the weights and the KV cache of a draft, which is not counted. Leave it out, or take the "
    "method ngram or suffix, which needs none."
)
_SHARE = (
    "changes what each GPU has of the model, which the placement decides. Leave it out; spec.gpu.count sets "
    "the number of GPUs."
)
_MAIN = (
    "keeps a part in main memory, of which the pod has only what the engine itself needs. Set "
    "spec.engine.resources.memory to that much more than its default, as well."
)
_ADAPTERS = (
    "takes memory for adapters, which is not counted, and pods have no files but the model's. Merge the adapter "
    "into the weights, name that model, and set spec.baseModel."
)
_RESIZED = "changes numbers that the Model is sized by. Leave those out; spec.architecture says the numbers of a model."
REFUSED = [
    (
        ["--dtype=float32"],
        "--dtype=float32 takes twice the memory for weights and KV cache that GPUs are chosen for. " + _HALF,
    ),
    (["--dtype", "float32"], "--dtype float32 takes twice the memory for weights and KV cache "),
    (["--dtype", "float"], "--dtype float takes twice "),
    (["--dty=float32"], "--dty=float32 (--dtype) takes twice "),
    (["--quantization=fp8"], f"--quantization=fp8 {_STORED}"),
    (["-q", "fp8_per_block"], f"-q (--quantization) fp8_per_block {_STORED}"),
    (["-qbitsandbytes"], f"-qbitsandbytes (--quantization) {_STORED}"),
    (
        ["--quantization_config.moe=mxfp8"],
        f"--quantization_config.moe=mxfp8 (--quantization-config) {_STORED}",
    ),
    (["--mamba-ssm-cache-dtype=float32"], "--mamba-ssm-cache-dtype=float32 changes the size of the states "),
    (["--block-size=128"], f"--block-size=128 {_BLOCKS}"),
    (["--block_size", "1"], f"--block_size (--block-size) 1 {_BLOCKS}"),
    (["--mamba-cache-mode=all"], f"--mamba-cache-mode=all {_BLOCKS}"),
    (
        ["--disable-hybrid-kv-cache-manager"],
        "--disable-hybrid-kv-cache-manager has layers with a sliding window, or with a state, keep the whole "
        "context, which may be many times what is counted. Leave it out.",
    ),
    (
        ["--disable-sliding-window"],
        "--disable-sliding-window has the engine refuse any context that is longer than the window. Leave it "
        "out; spec.contextLength sets the longest context.",
    ),
    (["--kv-cache-dtype-skip-layers", "0", "1"], "--kv-cache-dtype-skip-layers 0 1 leaves layers with a KV "),
    (
        ["--max-num-scheduled-tokens=65536"],
        "--max-num-scheduled-tokens=65536 is another batch than the one that GPUs are chosen for. Leave it out; "
        "spec.concurrency sets how many requests are held at once.",
    ),
    (["--max-num-sch", "9"], "--max-num-sch (--max-num-scheduled-tokens) 9 is another batch "),
    (
        ["--no-enable-chunked-prefill"],
        "--no-enable-chunked-prefill has the engine refuse any context that is longer than the batch which "
        "GPUs are chosen for. Leave it out.",
    ),
    (["-dcp=2"], f"-dcp=2 (--decode-context-parallel-size) {_SHARE}"),
    (["--no-enable-expert-parallel"], f"--no-enable-expert-parallel {_SHARE}"),
    (["--eplb-config.num_redundant_experts", "32"], f"--eplb-config.num_redundant_experts 32 {_SHARE}"),
    (["--mm-encoder-tp-mode=data"], "--mm-encoder-tp-mode=data has every GPU load the whole of what reads "),
    (["--enable-lora"], f"--enable-lora {_ADAPTERS}"),
    (["--lora-modules", "a=/models/a"], f"--lora-modules a=/models/a {_ADAPTERS}"),
    (['--speculative-config={"method": "mtp"}'], f'--speculative-config={{"method": "mtp"}} {_DRAFT}'),
    (
        ['--speculative-config={"method": "ngram", "model": "a/b"}'],
        f'--speculative-config={{"method": "ngram", "model": "a/b"}} {_DRAFT}',
    ),
    (["-sc", "no JSON"], f"-sc (--speculative-config) no JSON {_DRAFT}"),
    (["--speculative-config.method=eagle3"], f"--speculative-config.method=eagle3 {_DRAFT}"),
    (["--spec-model=a/b"], f"--spec-model=a/b {_DRAFT}"),
    (["--spec-method", "mtp"], f"--spec-method mtp {_DRAFT}"),
    (
        ['--kv-transfer-config={"kv_role": "kv_both"}'],
        '--kv-transfer-config={"kv_role": "kv_both"} sends the KV ',
    ),
    (["--cpu-offload-gb=20"], f"--cpu-offload-gb=20 {_MAIN}"),
    (["--kv-offloading-size", "8.5"], f"--kv-offloading-size 8.5 {_MAIN}"),
    (
        ["--mm-processor-cache-gb=16"],
        "--mm-processor-cache-gb=16 keeps more than 4 GiB of media in main memory",
    ),
    (
        ["--runner=pooling"],
        "--runner=pooling changes the task that the batch is chosen for. Set spec.task to what the model is "
        "asked to do.",
    ),
    (["--convert", "embed"], "--convert embed changes the task "),
    (['--hf-overrides={"num_hidden_layers": 2}'], f'--hf-overrides={{"num_hidden_layers": 2}} {_RESIZED}'),
    (
        ['--hf-overrides={"text_config": {"sliding_window": null}}'],
        f'--hf-overrides={{"text_config": {{"sliding_window": null}}}} {_RESIZED}',
    ),
    (["--hf-overrides.text_config.head_dim", "64"], f"--hf-overrides.text_config.head_dim 64 {_RESIZED}"),
]
ALLOWED = [
    ["--dtype", "bfloat16"],
    ["--quantization=awq_marlin"],
    ["-qgptq"],
    ["--enable-chunked-prefill"],
    ["--no-disable-hybrid-kv-cache-manager"],
    ['--speculative-config={"method": "ngram", "num_speculative_tokens": 4}'],
    ["--speculative-config.method=suffix", "--speculative-config.num_speculative_tokens=3"],
    ["--spec-method=ngram", "--spec-tokens=2"],
    ["--mm-processor-cache-gb", "2"],
    ['--hf-overrides={"rope_theta": 1000000}'],
    ["--enforce-eager"],
    ["--no-async-scheduling"],
]
AS_BY_DEFAULT = [["--dtype=auto"], ["--cpu-offload-gb=0"], ["--runner=auto"], ["--mamba-cache-dtype=auto"]]


@pytest.mark.parametrize(("args", "message"), REFUSED, ids=[" ".join(args) for args, _ in REFUSED])
def test_refused_with_the_way_out(args: list[str], message: str) -> None:
    assert refused(*args).startswith(f"spec.engine.args: {message}")


@pytest.mark.parametrize("args", [*ALLOWED, *AS_BY_DEFAULT], ids=" ".join)
def test_what_takes_no_more(args: list[str]) -> None:
    assert served(*args)[-len(args) :] == args


@pytest.mark.parametrize("flag", [flag for rule in _UNCOUNTED for flag in rule.flags])
def test_what_is_refused_is_an_argument(flag: str) -> None:
    """None is refused under a name that vLLM has not, and each has a case above."""
    [found, *_] = given([flag, "1"])
    assert isinstance(found, Argument)
    tried = [f.flag for args, _ in REFUSED for f in given(args) if isinstance(f, Argument)]
    by = next(rule for rule in _UNCOUNTED if flag in rule.flags)
    assert set(by.flags) & set(tried)


def test_main_memory_that_the_spec_gives() -> None:
    args = ["--cpu-offload-gb=20", "--mm-processor-cache-gb=16"]
    assert served(*args, resources={"memory": "64Gi"})[-2:] == args


def test_an_image_of_the_users_own_takes_no_more_either() -> None:
    assert "takes twice the memory" in refused("--dtype=float32", image="registry.example.com/vllm-fork:main")


def test_what_runs_goes_on() -> None:
    """An older package admitted it: a newer one tells nothing FATAL of a Model that serves."""
    before = compose(request({**SPEC, "engine": {"args": ["--seed=1", "--enforce-eager"]}}, EU))
    observed = live(before)
    workload = observed["vllm/deployment"]["spec"]["forProvider"]["manifest"]["spec"]
    [container] = workload["template"]["spec"]["containers"]
    old = ["--dtype", "float32"]
    container["args"] += old
    status = dict(before.status)
    after = compose(request({**SPEC, "engine": {"args": old}}, EU, status=status, observed=observed))
    assert manifests(after)["vllm/deployment"]
    with pytest.raises(Invalid, match="takes twice the memory"):
        compose(
            request({**SPEC, "engine": {"args": ["--dtype=float32"]}}, EU, status=status, observed=observed)
        )
