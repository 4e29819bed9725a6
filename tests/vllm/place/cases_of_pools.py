"""Which of several pools a Model gets, and what pools and specs leave out."""

from __future__ import annotations

from tests.vllm.place.pools import (
    A10,
    A10X4,
    A100,
    ASK,
    BARE,
    BARE_H100,
    BARE_L4X4,
    BIG,
    EFA,
    FP8,
    H100,
    H200,
    HALF,
    L4,
    L4X4,
    L4X8,
    L40S,
    L40SX4,
    LARGE,
    MIG,
    MIXTRAL,
    Q8,
    Q32,
    QUANTISE,
    QUARTER,
    R1,
    SMALL,
    SPOT,
    T4,
    TWIN,
    Case,
    m,
    used,
)

CASES_OF_POOLS = [
    # Ties.
    Case(
        "same memory: the cheaper",
        m(Q8),
        [A10, L4],
        "l4 x 1",
        "one: 15.41 + 2.25 <= 18.30",
        17.66,
    ),
    Case(
        "a part of a node's price",
        m(FP8),
        [L40S, L4X4],
        "l4x4 x 1",
        "one: 8.88 + 2.25 <= 38.87",
        11.13,
    ),
    Case("same price: the smaller GPU", m(FP8), [LARGE, L4], "l4 x 1", "22888 MiB before 45776"),
    Case("same in all: by name", m(Q8), [TWIN, L4], "l4 x 1", "l4 before l4-twin"),
    Case(
        "no price comes last",
        m(Q8),
        [BARE, A10],
        "a10 x 1",
        "one: 15.41 + 2.25 <= 18.30",
        17.66,
    ),
    Case(
        "any price before none",
        m(Q32),
        [BARE_H100, L4X4],
        "l4x4 x 4",
        "one: 61.63 + 4.00 <= 69.02",
        16.41,
    ),
    Case(
        "no price: fewer GPUs",
        m(Q32),
        [BARE_L4X4, BARE_H100],
        "bare-h100 x 1",
        "two: 30.82 + 2.00 > 16.93; four: 15.41 + 1.00 <= 16.93",
        65.63,
    ),
    Case("no price: the smaller GPU", m(Q8), [BARE_H100, BARE], "bare x 1", "22888 MiB before 81559"),
    # Several nodes, each with a stage of the layers: only where no pool's single node is enough.
    Case(
        "a stage a node",
        m(MIXTRAL),
        [L4X4],
        "l4x4 x 4 x 2 nodes",
        "two on 2 nodes: 21.97 + 0.50 > 16.31; four on 2 nodes: 10.98 + 0.25 <= 16.43; 40 of 80 layers each",
        11.23,
        shared=True,
        groups=True,
    ),
    Case(
        "the larger of two stages",
        m(R1),
        [H100],
        "h100 x 8 x 2 nodes",
        "four on 2 nodes: 80.85 + 0.54 > 66.68; eight on 2 nodes: 40.70 + 0.54 <= 64.03; 31 of 61 layers",
        41.24,
        shared=True,
        groups=True,
    ),
    Case(
        "one node first",
        m(MIXTRAL),
        [L4X4, H200],
        "h200 x 1",
        "two on 2 nodes: 21.97 + 0.50 > 16.31; four on 2 nodes: 10.98 + 0.25 <= 16.43",
        89.86,
        shared=True,
        groups=True,
    ),
    Case(
        "fewest GPUs of two nodes",
        m(BIG, contextLength=131072, concurrency=8),
        [H100],
        "h100 x 4 x 2 nodes",
        "two on 2 nodes: 55.63 + 47.00 > 66.68; four on 2 nodes: 27.84 + 23.50 <= 64.19; 47 of 94 layers "
        "on four",
        51.34,
        shared=True,
        groups=True,
    ),
    Case(
        "as many nodes as it takes",
        m(MIXTRAL),
        [{**L4, "nodes": {"min": 0, "max": 8}}],
        "l4 x 1 x 7 nodes",
        "one on 6 nodes: 16.47 + 0.38 > 16.09; one on 7 nodes: 13.73 + 0.31 <= 16.09",
        14.04,
        shared=True,
        groups=True,
    ),
    Case(
        "too few nodes",
        m(MIXTRAL),
        [{**L4, "nodes": {"min": 0, "max": 6}}],
        "[model] eu/l4: the Model needs 89.9 GiB on 1 GPU (weights 87.9, KV cache 2.0), and 17.6 GiB are "
        "usable; 7 nodes with 1 GPU each would hold it, but the pool has at most 6. It would fit eu/l4 "
        "with quantization: FP8, on 4 L4 on 4 nodes",
        "one on 6 nodes: 16.47 + 0.38 > 16.09; one on 7 nodes: 13.73 + 0.31 <= 16.09",
        shared=True,
        groups=True,
    ),
    Case(
        "nothing that runs it",
        m(MIXTRAL),
        [L4X4],
        "[model] eu/l4x4: the Model needs 22.5 GiB on each of 4 GPUs (weights 22.0, KV cache 0.5), and "
        "16.4 GiB are usable; 2 nodes with 4 GPUs each would hold it, but its cluster does not run "
        "LeaderWorkerSet. It would fit eu/l4x4 with quantization: FP8, on 4 L4",
        "no leader-worker-set among its components",
        shared=True,
    ),
    Case(
        "not for less than a node",
        m(Q32, gpu={"count": 2}),
        [L4X4],
        "[model] eu/l4x4: the Model needs 32.8 GiB on each of 2 GPUs (weights 30.8, KV cache 2.0), and "
        "16.9 GiB are usable. Without spec.gpu, it would fit eu/l4x4 on 4 L4",
        "two of four: the node is not used up",
        shared=True,
        groups=True,
    ),
    Case(
        *("nodes in use", m(MIXTRAL), [used(L4X4, 4)]),
        "[platform] eu/l4x4: 4 of its 8 GPUs are in use. The Model waits until enough are free: delete a "
        "Model that nobody needs, or ask the platform team to raise nodes.max of a node pool, such as "
        "eu/l4x4",
        "8 - 4 < 2 x 4",
        shared=True,
        groups=True,
    ),
    Case(
        *("two replicas of two nodes", m(MIXTRAL, replicas={"min": 2}), [L4X4]),
        "[model] eu/l4x4: 2 replicas with 8 GPUs each do not fit its 2 nodes. It would fit eu/l4x4 with "
        "replicas.min: 1",
        "2 nodes x 1 / 2 = 1",
        shared=True,
        groups=True,
    ),
    Case(
        "RDMA among equals",
        m(MIXTRAL),
        [L4X4, {**L4X4, "name": "rdma", "fabric": EFA}],
        "rdma x 4 x 2 nodes",
        "the same price: l4x4 before rdma by name, but without RDMA",
        11.23,
        shared=True,
        groups=True,
    ),
    # Slices: a Model takes one.
    Case(
        "half a GPU",
        m(SMALL),
        [L4, HALF],
        "l4-half x 1",
        "one: 2.32 + 0.50 <= 18.39",
        2.82,
    ),
    Case(
        "a quarter is too small",
        m(SMALL, contextLength=32768),
        [L4, QUARTER],
        "l4 x 1",
        "one: 2.32 + 1.00 <= 18.39",
        3.32,
    ),
    Case(
        "a quarter is enough",
        m(SMALL, contextLength=8192),
        [HALF, QUARTER],
        "l4-quarter x 1",
        "one: 2.32 + 0.25 <= 8.26",
        2.57,
    ),
    Case(
        "a MIG slice",
        m(SMALL),
        [H100, MIG],
        "h100-1g x 1",
        "one: 2.32 + 0.50 <= 69.43",
        2.82,
    ),
    Case(
        "larger than a slice",
        m(Q8),
        [HALF],
        "[model] eu/l4-half: the Model needs 17.7 GiB on 1 slice (weights 15.4, KV cache 2.2), and 8.2 "
        f"GiB are usable. The weights of 15.3 GiB {QUANTISE}",
        "one: 15.41 + 2.25 > 8.17; and slices are not added up",
    ),
    Case(
        *("several slices", m(SMALL, gpu={"count": 2}), [HALF]),
        "[model] eu/l4-half: a Model gets one slice of its shared GPUs, and spec.gpu.count is 2. Without "
        "spec.gpu, it would fit eu/l4-half on 1 slice of L4",
        "two slices may be parts of one GPU",
    ),
    Case(
        "slices are counted",
        m(SMALL, replicas={"min": 4}),
        [HALF],
        "l4-half x 1",
        "4 <= 2 nodes x 1 x 2",
        2.82,
        True,
    ),
    # What other Models take.
    Case(
        "a full pool is passed over",
        m(Q8),
        [used(L4, 2), A10],
        "a10 x 1",
        "2 nodes x 1 are taken",
        17.66,
    ),
    Case(
        "the last one",
        m(Q8),
        [used(L4, 1), A10],
        "l4 x 1",
        "1 of 2 is left",
        17.66,
    ),
    Case(
        *("all are full", m(Q8), [used(L4, 2), used(A10, 3)]),
        "[platform] eu/l4: 2 of its 2 GPUs are in use; eu/a10: 3 of its 2 GPUs are in use. The Model waits "
        "until enough are free: delete a Model that nobody needs, or ask the platform team to raise "
        "nodes.max of a node pool, such as eu/l4",
        "neither has one left",
    ),
    Case(
        "too few are left",
        m(Q32),
        [used(L4X4, 5), H100],
        "h100 x 1",
        "two: 30.82 + 2.00 > 16.93; four: 15.41 + 1.00 <= 16.93",
        65.63,
    ),
    Case(
        "too few for the replicas",
        m(Q8, replicas={"min": 2}),
        [used(L4, 1), A10],
        "a10 x 1",
        "2 - 1 < 2",
        17.66,
        True,
    ),
    Case(
        "slices are in use",
        m(SMALL, contextLength=32768),
        [used(HALF, 4), used(QUARTER, 1)],
        "[platform] eu/l4-half: 4 of its 4 slices are in use; eu/l4-quarter: the Model needs 3.3 GiB on "
        "1 slice (weights 2.3, KV cache 1.0), and 3.2 GiB are usable. The Model waits until enough are "
        "free: delete a Model that nobody needs, or ask the platform team to raise nodes.max of a node "
        "pool, such as eu/l4-half",
        "2 nodes x 1 x 2 are taken; 7 of 8 quarters are free and too small",
    ),
    Case(
        *("nodes without GPUs", m(Q8), [{**L4, "gpusPerNode": 0}]),
        f"[model] eu/l4: its nodes have no GPUs{ASK}",
        "an odd status is no reason to fail",
    ),
    # Overrides.
    Case(
        "memory asked for",
        m(Q8, gpu={"minMemoryGiB": 40}),
        [L4, L40S, QUARTER],
        "l40s x 1",
        "one: 15.41 + 2.25 <= 38.87",
        17.66,
    ),
    Case(
        "whole GPUs asked for",
        m(SMALL, gpu={"requires": ["WholeGPU"]}),
        [HALF, L4],
        "l4 x 1",
        "one: 2.32 + 0.50 <= 8.26",
        2.82,
    ),
    Case(
        *("what no pool has is asked for", m(Q8, gpu={"requires": ["NoSpot", "RDMA"]}), [L4, SPOT]),
        "[model] eu/l4: its nodes have no RDMA, and spec.gpu.requires has RDMA; eu/spot: the cloud may "
        "take its machines back (Spot), and spec.gpu.requires has NoSpot. Without spec.gpu, it would fit "
        "eu/l4 on 1 L4",
        "no fabric; capacity Spot",
    ),
    Case("model asked for", m(Q8, gpu={"model": "H100-80GB"}), [L4, H100], "h100 x 1", "L4 is left out"),
    Case(
        "count asked for",
        m(Q8, gpu={"count": 2}),
        [L4, L4X4],
        "l4x4 x 2",
        "two: 7.70 + 1.12 <= 16.94",
        8.83,
    ),
    Case(
        *("count that no node has", m(Q8, gpu={"count": 4}), [L4]),
        "[model] eu/l4: its nodes have 1 GPU, and spec.gpu.count is 4. Without spec.gpu, it would fit "
        "eu/l4 on 1 L4",
        "one GPU a node",
    ),
    Case(
        *("model that no pool has", m(Q8, gpu={"model": "L40S"}), [L4, T4]),
        "[model] eu/l4 and 1 more: their GPUs are L4 and T4, and spec.gpu.model is L40S. Without spec.gpu, it "
        "would fit eu/l4 on 1 L4",
        "neither is one",
    ),
    Case(
        *("model that none of ten pools has", m(Q8, gpu={"model": "B200"})),
        [T4, L4, L4X4, L4X8, A10, A10X4, L40S, L40SX4, A100, H100],
        "[model] eu/t4 and 9 more: their GPUs are T4, L4, A10G, L40S, A100-80GB and H100-80GB, and "
        "spec.gpu.model is B200. Without spec.gpu, it would fit eu/l4 on 1 L4",
        "none is one",
    ),
    Case(
        *("count that no node of three pools has", m(Q8, gpu={"count": 8}), [L4, A10, L4X4]),
        "[model] eu/l4 and 2 more: their nodes have 1 GPU and 4 GPUs, and spec.gpu.count is 8. Without "
        "spec.gpu, it would fit eu/l4 on 1 L4",
        "1, 1, 4 < 8",
    ),
    Case(
        *("least memory that no GPU has", m(Q8, gpu={"minMemoryGiB": 80}), [L4, A10, L40S, HALF]),
        "[model] eu/l4 and 2 more: their GPUs have 22.4 GiB and 44.7 GiB, and spec.gpu.minMemoryGiB is 80; "
        "eu/l4-half: its slices have 11.2 GiB, and spec.gpu.minMemoryGiB is 80. Without spec.gpu, it would "
        "fit eu/l4 on 1 L4",
        "22888 and 45776 and 11444 MiB < 80 GiB",
    ),
    Case(
        *("replicas for one node", m(Q8, replicas={"min": 3}), [{**L4, "nodes": {"min": 0, "max": 1}}]),
        "[model] eu/l4: 3 replicas with 1 GPU each do not fit its one node. It would fit eu/l4 with "
        "replicas.min: 1",
        "3 > 1 node x 1",
        shared=True,
    ),
    # Replicas and nodes; a pool has at most two.
    Case("a replica a node", m(Q8, replicas={"min": 2}), [L4], "l4 x 1", "2 <= 2 nodes x 1", shared=True),
    Case(
        *("more than nodes", m(Q8, replicas={"min": 3}), [L4]),
        "[model] eu/l4: 3 replicas with 1 GPU each do not fit its 2 nodes. It would fit eu/l4 with "
        "replicas.min: 2",
        "3 > 2 nodes x 1",
        shared=True,
    ),
    Case(
        "two replicas a node",
        m(Q8, replicas={"min": 4}, gpu={"count": 2}),
        [L4X4],
        "l4x4 x 2",
        "4 <= 2 nodes x 4 / 2",
        8.83,
        True,
    ),
    Case(
        *("one replica too many", m(Q8, replicas={"min": 5}, gpu={"count": 2}), [L4X4]),
        "[model] eu/l4x4: 5 replicas with 2 GPUs each do not fit its 2 nodes. Without spec.gpu, it would "
        "fit eu/l4x4 on 1 L4",
        "5 > 2 nodes x 4 / 2",
        shared=True,
    ),
    Case(
        *("one volume for all", m(Q8, replicas={"min": 2}), [L4]),
        "[model] eu/l4: 2 replicas mount one volume, and its cluster has no shared storage. It would fit "
        "eu/l4 with replicas.min: 1",
        "no shared storage",
    ),
    # What no cluster could serve.
    Case(
        *("beyond the model's context", m(Q8, contextLength=40961), [H100]),
        "spec.contextLength: 40961 tokens exceed the longest context of Qwen/Qwen3-8B. Set at most 40960.",
        "40960 in its config.json",
    ),
    Case(
        "the model's whole context",
        m(Q8, contextLength=40960),
        [H100],
        "h100 x 1",
        "one: 15.41 + 5.62 <= 69.04",
        21.03,
    ),
    Case(
        "requests that no cache holds",
        m(Q8, contextLength=40960, concurrency=1024),
        [H100],
        "[model] eu/h100: the Model needs 721.9 GiB on each of 8 GPUs (weights 1.9, KV cache 720.0), and "
        "66.3 GiB are usable. It would fit eu/h100 with contextLength: 3584, or with concurrency: 93 at "
        "40960 tokens",
        "eight on 8 nodes: 0.27 + 100.00 > 65.65; or 1024 of 3887 tokens",
    ),
]
