"""What an API server refuses of a claim, by the API server's own code on the XRDs, with the words a user reads."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api import ClusterSpec, ModelSpec, Schema
from functions.base import Invalid, parse
from tools.admission import admit

POOL = {"name": "l4", "gpu": {"model": "L4"}}
AWS = {"region": "eu-central-1"}
SPECS: dict[str, type[Schema]] = {"InferenceCluster": ClusterSpec, "Model": ModelSpec}
EXISTING = {"kubeconfigSecretRef": {"name": "kubeconfig"}}


def cluster(spec: dict[str, Any]) -> dict[str, Any]:
    return _claim("InferenceCluster", spec)


def model(**spec: Any) -> dict[str, Any]:
    return _claim("Model", {"model": "Qwen/Qwen3-8B", **spec})


def _claim(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "bad", "namespace": "team-a"}
    return {"apiVersion": "freehold.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _network(*subnets: tuple[str, str]) -> dict[str, Any]:
    """A VPC that is there, with these subnets: the end of an id, and a zone."""
    return {
        "vpcId": "vpc-0123456789abcdef0",
        "subnets": [{"id": f"subnet-0000000{end}", "zone": zone} for end, zone in subnets],
    }


ZONES = ["euc1-az1", "euc1-az2", "euc1-az3"]
NETWORK = _network(("1", "euc1-az1"), ("2", "euc1-az2"))


def pooled(**fields: Any) -> dict[str, Any]:
    return cluster({"aws": AWS, "nodePools": [{**POOL, **fields}]})


HOUSE = {
    "parametersBillions": 3.1,
    "layers": 36,
    "attentionHeads": 16,
    "kvHeads": 2,
    "headDim": 128,
    "maxContextLength": 32768,
}
KEY = (
    "a key of a label or taint has letters, digits, '-', '_' and '.', after a domain and '/' if there is one, "
    "such as team or example.com/team"
)
VALUE = (
    "the value of a label or taint has letters, digits, '-', '_' and '.', and begins and ends with a letter"
)
LONG_DOMAIN = f"{'a' * 50}.example.com/team"
RESERVED = (
    "labels and taints of a node pool that is created take no keys of freehold.dev, nvidia.com, "
    "kubernetes.io, k8s.io, eks.amazonaws.com, k8s.amazonaws.com or their subdomains, which are not yours to set: use a domain "
    "of your own, such as example.com/team"
)
ROLE = "arn:aws-us-gov:iam::111122223333:role/ops/platform-admins"
ONE_PLACE = "name exactly one of aws and existing: where the cluster is"
RANGE = "aws.vpcCidr must be a private IPv4 range between /16 and /20, such as 10.0.0.0/16"
BAD = {
    "no cloud": (cluster({"nodePools": [POOL]}), ONE_PLACE),
    "two clouds": (cluster({"aws": AWS, "existing": EXISTING, "nodePools": [POOL]}), ONE_PLACE),
    "no pools": (cluster({"aws": AWS, "nodePools": []}), "should have at least 1 items"),
    "min above max": (
        cluster({"aws": AWS, "nodePools": [{**POOL, "nodes": {"min": 5, "max": 2}}]}),
        "nodes.min must not be larger than nodes.max, which has a default where it is left out",
    ),
    "min above the default max": (
        cluster({"aws": AWS, "nodePools": [{**POOL, "nodes": {"min": 5}}]}),
        "nodes.min must not be larger than nodes.max, which has a default where it is left out",
    ),
    "pool names twice": (
        cluster({"aws": AWS, "nodePools": [POOL, POOL]}),
        "every node pool needs a name of its own",
    ),
    "pool of nothing": (
        cluster({"aws": AWS, "nodePools": [{"name": "a"}]}),
        "a node pool names its GPU (gpu: {model: L4}) or its machine (instanceType: g6.xlarge)",
    ),
    "existing without gpu": (
        cluster({"existing": EXISTING, "nodePools": [{"name": "a", "instanceType": "g6.xlarge"}]}),
        "a node pool of an existing cluster declares its gpu",
    ),
    **{
        f"existing with {next(iter(given))}": (
            cluster({"existing": EXISTING, "nodePools": [{**POOL, **given}]}),
            "a node pool of an existing cluster has no instanceType, reservation, zones or diskGiB: its "
            "machines are there already",
        )
        for given in (
            {"instanceType": "g6.xlarge"},
            {"reservation": {"id": "cr-0123456789abcdef0"}, "capacity": "Reserved"},
            {"zones": ["a"]},
            {"diskGiB": 500},
        )
    },
    "half a declared GPU": (
        cluster({"existing": EXISTING, "nodePools": [{"name": "a", "gpu": {"model": "X", "memoryGiB": 24}}]}),
        "gpu.memoryGiB and gpu.computeCapability go together",
    ),
    "a declared GPU of a cloud": (
        cluster(
            {
                "aws": AWS,
                "nodePools": [
                    {"name": "a", "gpu": {"model": "X", "memoryGiB": 24, "computeCapability": "8.9"}}
                ],
            }
        ),
        "gpu.memoryGiB and gpu.computeCapability declare GPUs of an existing cluster",
    ),
    "existing with a fabric": (
        cluster({"existing": EXISTING, "nodePools": [{**POOL, "fabric": "RDMA", "nodes": {"max": 2}}]}),
        "a node pool of an existing cluster cannot ask for fabric RDMA yet: what its nodes have is not known",
    ),
    "existing in two ways": (
        cluster({"existing": {**EXISTING, "controlPlane": {}}, "nodePools": [POOL]}),
        "name exactly one of existing.kubeconfigSecretRef and existing.controlPlane",
    ),
    "a kubeconfig elsewhere": (
        cluster(
            {
                "existing": {"kubeconfigSecretRef": {"name": "../../b/secrets/c"}},
                "nodePools": [{**POOL, "gpu": {"model": "L4", "count": 1}}],
            }
        ),
        "this is no name of a Secret: it has lower-case letters, digits, '-' and '.', and begins and ends with a "
        "letter or a digit",
    ),
    "existing in no way": (
        cluster({"existing": {}, "nodePools": [POOL]}),
        "name exactly one of existing.kubeconfigSecretRef and existing.controlPlane",
    ),
    "no region": (cluster({"aws": {}, "nodePools": [POOL]}), "Required value"),
    **{
        f"region {given}": (
            cluster({"aws": {"region": given}, "nodePools": [POOL]}),
            "aws.region is the code of an AWS region, such as eu-central-1",
        )
        for given in ("Frankfurt", "eu-central", "eu-central-1a", "")
    },
    **{
        f"pool name {given!r}": (
            cluster({"aws": AWS, "nodePools": [{**POOL, "name": given}]}),
            "a node pool's name has small letters, digits and '-' only, begins with a letter and does not "
            "end with '-', such as l4-spot",
        )
        for given in ("L4", "l4_spot", "4x-l4", "l4-", "")
    },
    **{
        f"namespaces {given!r}": (
            cluster({"aws": AWS, "nodePools": [POOL], "allowedNamespaces": ["team-*", given]}),
            "name namespaces; '*' alone stands for any characters, as in team-*",
        )
        for given in ("Team-A", "team a", "team-?", "team-[ab]", "team-a/models", "")
    },
    "range with host bits": (cluster({"aws": {**AWS, "vpcCidr": "10.0.0.1/16"}, "nodePools": [POOL]}), RANGE),
    "range too small": (cluster({"aws": {**AWS, "vpcCidr": "10.0.0.0/28"}, "nodePools": [POOL]}), RANGE),
    "range not private": (cluster({"aws": {**AWS, "vpcCidr": "11.0.0.0/16"}, "nodePools": [POOL]}), RANGE),
    "range of nonsense": (cluster({"aws": {**AWS, "vpcCidr": "999.0.0.0/16"}, "nodePools": [POOL]}), RANGE),
    "ranges overlap": (
        cluster(
            {"aws": {**AWS, "vpcCidr": "10.0.0.0/16", "serviceCidr": "10.0.64.0/20"}, "nodePools": [POOL]}
        ),
        "aws.vpcCidr and aws.serviceCidr overlap: choose ranges apart from each other",
    ),
    **{
        f"public access from {given}": (
            cluster({"aws": {**AWS, "publicAccessCidrs": [given]}, "nodePools": [POOL]}),
            "aws.publicAccessCidrs takes IPv4 ranges with a prefix and without host bits, "
            "such as 203.0.113.10/32 or 203.0.113.0/24",
        )
        for given in (
            "203.0.113.10",
            "203.0.113.10/24",
            "203.0.113.0/024",
            "203.0.113.0/33",
            "300.0.0.0/24",
            "2001:db8::/32",
            "office",
        )
    },
    **{
        f"public access from {given}": (
            cluster({"aws": {**AWS, "publicAccessCidrs": ["203.0.113.10/32", given]}, "nodePools": [POOL]}),
            "aws.publicAccessCidrs: list public addresses; the private endpoint is always open to the VPC",
        )
        for given in (
            "10.1.2.0/24",
            "172.31.0.0/16",
            "192.168.0.0/16",
            "100.64.0.1/32",
            "127.0.0.1/32",
            "169.254.0.0/16",
        )
    },
    **{
        f"admin {arn}": (
            cluster({"aws": {**AWS, "adminRoleArns": [arn]}, "nodePools": [POOL]}),
            "aws.adminRoleArns takes ARNs of IAM roles, such as "
            "arn:aws:iam::111122223333:role/platform-admins",
        )
        for arn in (
            "platform-admins",
            "arn:aws:iam::111122223333:user/jane",
            "arn:aws:sts::111122223333:assumed-role/admins/jane",
        )
    },
    "an admin twice": (
        cluster({"aws": {**AWS, "adminRoleArns": [ROLE, ROLE]}, "nodePools": [POOL]}),
        "aws.adminRoleArns names a role twice: once is enough",
    ),
    "a key that is no key": (
        cluster({"aws": {**AWS, "kmsKeyArn": "alias/secrets"}, "nodePools": [POOL]}),
        "aws.kmsKeyArn is the ARN of a KMS key, such as arn:aws:kms:eu-central-1:111122223333:key/",
    ),
    **{
        f"tag {key}": (
            cluster({"aws": {**AWS, "tags": {key: "x"}}, "nodePools": [POOL]}),
            "aws.tags takes no keys that begin with aws: or freehold.dev/, which are not yours to set",
        )
        for key in ("aws:team", "freehold.dev/owner")
    },
    "a system pool of none": (
        cluster({"aws": {**AWS, "systemPool": {"nodes": {"min": 0, "max": 3}}}, "nodePools": [POOL]}),
        "aws.systemPool.nodes.min is at least 1: without nodes the cluster has no DNS",
    ),
    "two networks": (
        cluster({"aws": {**AWS, "vpcCidr": "10.0.0.0/16", "existingNetwork": NETWORK}, "nodePools": [POOL]}),
        "aws.vpcCidr is for a new VPC and aws.existingNetwork names an existing one: name one of them",
    ),
    "zones beside subnets": (
        cluster({"aws": {**AWS, "zones": ZONES, "existingNetwork": NETWORK}, "nodePools": [POOL]}),
        "aws.zones are for a new VPC: with aws.existingNetwork the zones are those of its subnets",
    ),
    "subnets in one zone": (
        cluster(
            {
                "aws": {**AWS, "existingNetwork": _network(("1", "euc1-az1"), ("2", "euc1-az1"))},
                "nodePools": [POOL],
            }
        ),
        "aws.existingNetwork.subnets must lie in at least two zones, which EKS demands",
    ),
    "a subnet twice": (
        cluster(
            {
                "aws": {**AWS, "existingNetwork": _network(("1", "euc1-az1"), ("1", "euc1-az2"))},
                "nodePools": [POOL],
            }
        ),
        "aws.existingNetwork.subnets names a subnet twice",
    ),
    "two zones": (
        cluster({"aws": {**AWS, "zones": ["a", "b"]}, "nodePools": [POOL]}),
        "should have at least 3",
    ),
    "pool name too long": (
        cluster({"aws": AWS, "nodePools": [{**POOL, "name": "a" * 21}]}),
        "may not be more than 20",
    ),
    "Spot and a reservation": (
        pooled(capacity="Spot", reservation={"id": "cr-1"}),
        "capacity Spot and a reservation exclude each other: drop one of them",
    ),
    "Reserved without a reservation": (
        pooled(capacity="Reserved"),
        "capacity Reserved and reservation go together: reservation.id says which one, such as "
        "cr-0123456789abcdef0",
    ),
    "a reservation on demand": (
        pooled(reservation={"id": "cr-1"}),
        "capacity Reserved and reservation go together",
    ),
    "a reservation without id": (
        pooled(capacity="Reserved", reservation={"kind": "CapacityBlock"}),
        "Required value",
    ),
    **{
        f"sharing {mode} without a count": (
            pooled(sharing={"mode": mode}),
            "sharing.slicesPerGPU goes with mode TimeSlicing or MPS: how many Models share one GPU",
        )
        for mode in ("TimeSlicing", "MPS")
    },
    "slices of whole GPUs": (
        pooled(sharing={"slicesPerGPU": 2}),
        "sharing.slicesPerGPU goes with mode TimeSlicing or MPS",
    ),
    "MIG without a profile": (
        pooled(sharing={"mode": "MIG"}),
        "sharing.profile goes with mode MIG: the size of a slice, such as 1g.10gb",
    ),
    "a fabric of one node": (
        pooled(fabric="RDMA"),
        "fabric RDMA connects several nodes: set nodes.max to 2 or more, or drop fabric",
    ),
    "a fabric of slices": (
        pooled(fabric="RDMA", nodes={"max": 2}, sharing={"mode": "MPS", "slicesPerGPU": 2}),
        "fabric RDMA connects whole GPUs, of Models larger than one node: drop fabric or sharing",
    ),
    "a profile without MIG": (
        pooled(sharing={"mode": "MPS", "slicesPerGPU": 2, "profile": "1g.10gb"}),
        "sharing.profile goes with mode MIG",
    ),
    "a profile with media engines": (
        pooled(sharing={"mode": "MIG", "profile": "1g.10gb+me"}),
        "should match",
    ),
    "one slice": (pooled(sharing={"mode": "MPS", "slicesPerGPU": 1}), "should be greater than or equal to 2"),
    **{
        f"label {key}": (pooled(labels={key: "a"}), KEY)
        for key in ("", "a b", "-a", "a-", "/a", "Example.com/a", "a/b/c")
    },
    "a label's key too long": (
        pooled(labels={LONG_DOMAIN: "a"}),
        "a key of a label or taint has at most 63 characters, its domain included",
    ),
    **{f"label's value {value!r}": (pooled(labels={"a": value}), VALUE) for value in ("", "a b", "-a", "a.")},
    "a label's value too long": (pooled(labels={"a": "a" * 64}), "may not be more than 63"),
    "labels without end": (
        pooled(labels={f"a{i}": "a" for i in range(21)}),
        "must have at most 20 items",
    ),
    **{
        f"label {key}": (pooled(labels={key: "a"}), RESERVED)
        for key in (
            "freehold.dev/node-pool",
            "nvidia.com/gpu",
            "kubernetes.io/os",
            "topology.kubernetes.io/zone",
            "node.k8s.io/a",
            "eks.amazonaws.com/nodegroup",
            "k8s.amazonaws.com/accelerator",
        )
    },
    "taint nvidia.com/gpu": (pooled(taints=[{"key": "nvidia.com/gpu"}]), RESERVED),
    "taint of no key": (pooled(taints=[{"key": ""}]), KEY),
    "a taint's key too long": (pooled(taints=[{"key": LONG_DOMAIN}]), "may not be more than 63"),
    "a taint's value": (pooled(taints=[{"key": "a", "value": "a b"}]), VALUE),
    "a taint's effect": (pooled(taints=[{"key": "a", "effect": "Never"}]), "should match"),
    "unknown field": (cluster({"aws": AWS, "nodePols": [], "nodePools": [POOL]}), "unknown field"),
    "a model without name": (_claim("Model", {}), "Required value"),
    "a model that is no name": (model(model="qwen3"), "model is ORGANISATION/NAME on the Hub"),
    "heads": (
        model(architecture={**HOUSE, "kvHeads": 3}),
        "architecture.attentionHeads must be a multiple of kvHeads",
    ),
    "heads and a latent": (
        model(architecture={**HOUSE, "latentDim": 576}),
        "architecture takes either headDim or, for a compressed cache (MLA), latentDim",
    ),
    "more windows than layers": (
        model(architecture={**HOUSE, "windowedLayers": 37, "slidingWindow": 512}),
        "architecture.windowedLayers must be at most layers, of which they are a part",
    ),
    "layers with a window of nothing": (
        model(architecture={**HOUSE, "windowedLayers": 18}),
        "architecture.windowedLayers and slidingWindow go together: how many layers, and how many tokens",
    ),
    "an encoder with windows": (
        model(architecture={**HOUSE, "encoder": True, "windowedLayers": 18, "slidingWindow": 512}),
        "architecture.encoder caches nothing, so it takes neither latentDim nor windowedLayers",
    ),
    "weights of another model": (
        model(architecture={**HOUSE, "weightsGiB": 300}),
        "architecture.weightsGiB contradicts parametersBillions: a parameter takes 0.4 to 4.5 bytes",
    ),
    "cluster by both": (
        model(cluster={"name": "eu", "matchLabels": {"a": "b"}}),
        "cluster takes either a name or matchLabels, not both and not neither",
    ),
    "cluster by nothing": (model(cluster={}), "cluster takes either a name or matchLabels"),
    "context of nothing": (model(contextLength=0), "should be greater than or equal to 128"),
    **{
        f"argument {' '.join(args)}": (model(engine={"args": args}), f"engine.args takes no {message}")
        for args, message in (
            (["--max-model-len=8"], "--max-model-len: spec.contextLength sets the longest context"),
            (["--max_model_len", "8"], "--max-model-len: spec.contextLength sets the longest context"),
            (["--served_model_name=x"], "--model, --served-model-name: spec.model names the model"),
            (["-tp=4"], "--tensor-parallel-size, -tp, "),
            (["-tp", "4"], "--tensor-parallel-size, -tp, "),
            (["--headless"], "--tensor-parallel-size, -tp, "),
            (["--enforce-eager", "-dp=2"], "--data-parallel-size, -dp, "),
            (["--kv-cache-memory-bytes=1G"], "--kv-cache-memory-bytes, --num-gpu-blocks-override, "),
            (
                ["--max-num-seqs=1024"],
                "--max-num-seqs, --max-num-batched-tokens: GPUs are chosen for the batch that the package passes; "
                "set spec.concurrency for more requests at once, spec.contextLength for longer ones",
            ),
            (["--max_num_batched_tokens", "9"], "--max-num-seqs, --max-num-batched-tokens: "),
            (["--gpu-memory-utilization=0.95"], "--kv-cache-memory-bytes, --num-gpu-blocks-override, "),
            (["--kv-cache-dtype=fp8"], "--kv-cache-dtype: spec.engine.kvCacheType "),
            (["--port=1"], "--port, --host, --uds, --grpc, --ssl-keyfile, --ssl-certfile: the Service"),
            (["--config", "/a.yaml"], "--config: list the arguments themselves"),
            (["--hf-token=x"], "--hf-token: spec.source.huggingFace.tokenSecretRef takes"),
        )
    },
    **{
        f"variable {name}": (model(engine={"env": [{"name": name, "value": "1"}]}), message)
        for name, message in (
            (
                "NVIDIA_VISIBLE_DEVICES",
                "engine.env takes no NVIDIA_VISIBLE_DEVICES: the pod has the GPUs that it was given, and no other Model's",
            ),
            ("CUDA_VISIBLE_DEVICES", "the pod has the GPUs that it was given, and no other Model's"),
            (
                "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
                "takes no CUDA_MPS_PINNED_DEVICE_MEM_LIMIT: the pod has the GPUs that it was given",
            ),
            ("VLLM_SERVER_DEV_MODE", "whoever reaches the endpoint runs code or loads other weights"),
            ("VLLM_ALLOW_INSECURE_SERIALIZATION", "whoever reaches the endpoint runs code"),
            ("HF_TOKEN", "spec.source.huggingFace.tokenSecretRef takes the token from a Secret"),
            ("HF_HUB_OFFLINE", "engine.env takes no HF_HUB_OFFLINE: serving pods reach no Hub"),
        )
    },
    "two variables": (
        model(
            engine={"env": [{"name": n, "value": "1"} for n in ("HF_TOKEN", "CUDA_VISIBLE_DEVICES", "LWS_A")]}
        ),
        "engine.env takes no HF_TOKEN: spec.source.huggingFace.tokenSecretRef takes the token from a Secret",
    ),
    **{
        f"image {image!r}": (
            model(engine={"image": image}),
            "this is no reference to an image: write [REGISTRY[:PORT]/]NAME:TAG or NAME@sha256:DIGEST, with NAME "
            "in lower case, without blanks and without https://",
        )
        for image in (
            "https://docker.io/vllm/vllm-openai:v0.27.1",
            "vLLM/vllm-openai:v0.27.1",
            "vllm/vllm-openai:v0.27.1 ",
            "vllm/vllm-openai:v0.27.1\n",
            "vllm/vllm-openai:",
            "vllm//vllm-openai:v0.27.1",
            "vllm/vllm-openai:v0.27.1:cu129",
            "vllm/vllm-openai@sha256:abc",
            "vllm/vllm-openai@v0.27.1",
            "/vllm/vllm-openai",
            "${IMAGE}",
        )
    },
    "tool calling as a switch": (model(toolCalling=True), "must be of type object"),
    "base model without organisation": (
        model(baseModel="Qwen3-8B"),
        "baseModel is ORGANISATION/NAME on the Hub, such as Qwen/Qwen3-8B",
    ),
    "two sizes": (
        model(baseModel="Qwen/Qwen3-8B", architecture=HOUSE),
        "baseModel and architecture both say what the model is sized by: name one of them",
    ),
    "a token elsewhere": (
        model(source={"huggingFace": {"tokenSecretRef": {"name": "../../b/secrets/c"}}}),
        "this is no name of a Secret: it has lower-case letters, digits, '-' and '.', and begins and ends with a "
        "letter or a digit",
    ),
    "env that is no name": (model(engine={"env": [{"name": "A B", "value": ""}]}), "should match"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    claim, message = BAD[name]
    problems = [str(problem) for problem in admit([claim])]
    assert any(message in problem for problem in problems), problems


SCHEMAS_OWN = (
    "should",
    "must be of type",
    "Required value",
    "may not be",
    "must have at most",
    "unknown field",
)
"""What the API server says in its own words: where a function ever sees it, pydantic has others."""


@pytest.mark.parametrize(
    "name",
    [name for name, (_, message) in BAD.items() if not any(words in message for words in SCHEMAS_OWN)],
)
def test_a_function_refuses_the_same_in_the_same_words(name: str) -> None:
    claim, message = BAD[name]
    with pytest.raises(Invalid) as caught:
        parse(SPECS[claim["kind"]], claim["spec"], "spec")
    assert message in str(caught.value)


def test_what_is_next_to_what_is_refused() -> None:
    public = ["0.0.0.0/0", "11.0.0.0/8", "172.32.0.0/11", "100.128.0.0/9", "1.2.3.4/32"]
    good = cluster(
        {"aws": {**AWS, "publicAccessCidrs": public, "adminRoleArns": [ROLE]}, "nodePools": [POOL]}
    )
    assert admit([good]) == []
    parse(ClusterSpec, good["spec"], "spec")


@pytest.mark.parametrize(
    "image",
    [
        "vllm",
        "vllm/vllm-openai",
        "vllm/vllm-openai:v0.27.1-cu129",
        "localhost:5000/a/b/c_d__e-f.g:_X",
        "[::1]:5000/vllm:a",
        "Mirror.Example.com/vllm/vllm-openai:v0.27.1@sha256:" + "a" * 64,
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/vllm@sha256:" + "0" * 64,
    ],
)
def test_images_next_to_what_is_refused(image: str) -> None:
    claim = model(engine={"image": image})
    assert admit([claim]) == []
    parse(ModelSpec, claim["spec"], "spec")


def test_tool_calling_as_a_switch() -> None:
    """An API server has words of its own for it."""
    with pytest.raises(Invalid) as caught:
        parse(ModelSpec, {"model": "Qwen/Qwen3-8B", "toolCalling": True}, "spec")
    assert str(caught.value) == (
        "spec.toolCalling: has to be an object (got true). Its fields are parser. Correct this field."
    )


def test_keys_next_to_what_is_refused() -> None:
    mine = {
        "team": "a",
        "example.com/team": "a.b_C-1",
        "my-nvidia.com/a": "a",
        "kubernetes.io.example.com/a": "a",
        "a" * 63: "a" * 63,
    }
    good = pooled(labels=mine, taints=[{"key": "example.com/gpu"}, {"key": "a", "value": ""}])
    existing = {**POOL, "labels": {"eks.amazonaws.com/nodegroup": "a"}, "taints": [{"key": "nvidia.com/gpu"}]}
    theirs = cluster({"existing": EXISTING, "nodePools": [existing]})
    for claim in (good, theirs):
        assert admit([claim]) == []
        parse(ClusterSpec, claim["spec"], "spec")


def test_a_good_claim_is_not() -> None:
    assert admit([cluster({"aws": AWS, "nodePools": [POOL]}), model()]) == []
