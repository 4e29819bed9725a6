"""Which of several pools a Model gets, and what pools and specs leave out, worked out by hand."""

from __future__ import annotations

from tests.vllm.place.pools import (
    A10,
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
    L40S,
    L70,
    LARGE,
    MIG,
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
    Case("same memory: the cheaper", m(Q8), [A10, L4], "l4 x 1", "0.8048 before 1.006"),
    Case("a part of a node's price", m(FP8), [L40S, L4X4], "l4x4 x 1", "4.6016 / 4 = 1.15 before 1.861"),
    Case("same price: the smaller GPU", m(FP8), [LARGE, L4], "l4 x 1", "22888 MiB before 45776"),
    Case("same in all: by name", m(Q8), [TWIN, L4], "l4 x 1", "l4 before l4-twin"),
    Case("no price comes last", m(Q8), [BARE, A10], "a10 x 1", "1.006 before not known"),
    Case("any price before none", m(Q32), [BARE_H100, L4X4], "l4x4 x 4", "4.60 before not known", 16.56),
    Case("no price: fewer GPUs", m(Q32), [BARE_L4X4, BARE_H100], "bare-h100 x 1", "1 before 4: 62.240 + 4"),
    Case("no price: the smaller GPU", m(Q8), [BARE_H100, BARE], "bare x 1", "22888 MiB before 81559"),
    # Several nodes, each with a stage of the layers: only where no pool's single node is enough.
    Case(
        *("a stage a node", m(L70), [L4X4], "l4x4 x 4 x 2 nodes"),
        *("four 33.512 + 1.25 > 17.563; 40 of 80 layers each: 16.756 + 0.625", 17.38),
        shared=True,
        groups=True,
    ),
    Case(
        *("the larger of two stages", m(R1), [H100], "h100 x 8 x 2 nodes"),
        *("79.932 + 1.072 > 70.276; 31 of 61 layers: 40.621 + 0.545", 41.17),
        shared=True,
        groups=True,
    ),
    Case(
        *("one node first", m(L70), [L4X4, H200], "h200 x 2"),
        *("67.024 + 2.5 <= 126.169 for 15.82 USD/h, before two nodes for 9.20", 69.52),
        shared=True,
        groups=True,
    ),
    Case(
        *("fewest GPUs of two nodes", m(BIG, contextLength=131072, concurrency=8), [H100]),
        *("h100 x 4 x 2 nodes", "28.073 + 188 / 4 > 70.276; 47 of 94 layers on four: 28.073 + 23.5", 51.57),
        shared=True,
        groups=True,
    ),
    Case(
        *("as many nodes as it takes", m(L70), [{**L4, "nodes": {"min": 0, "max": 8}}]),
        *(
            "l4 x 1 x 8 nodes",
            "134.048 / 8 + 5 / 8 <= 20.563 - 3.0; seven: 12 of 80: 20.107",
            17.38,
        ),
        shared=True,
        groups=True,
    ),
    Case(
        *("too few nodes", m(L70), [{**L4, "nodes": {"min": 0, "max": 7}}]),
        "[model] eu/l4: the Model needs 139.0 GiB on 1 GPU (weights 134.0, KV cache 5.0), and 18.1 GiB are "
        "usable; 8 nodes with 1 GPU each would hold it, but the pool has at most 7. It would fit eu/l4 "
        "with quantization: FP8, on 5 L4 on 5 nodes",
        "8 > 7; 68.451e9 x 1.00024 + 2.101e9 x 2 bytes = 67.68 x 1.02: a fifth of it 13.81 + 1, a quarter 18.51",
        shared=True,
        groups=True,
    ),
    Case(
        *("nothing that runs it", m(L70), [L4X4]),
        "[model] eu/l4x4: the Model needs 34.8 GiB on each of 4 GPUs (weights 33.5, KV cache 1.2), and "
        "17.6 GiB are usable; 2 nodes with 4 GPUs each would hold it, but its cluster does not run "
        f"LeaderWorkerSet. The weights of 131.4 GiB {QUANTISE}",
        "no leader-worker-set among its components",
        shared=True,
    ),
    Case(
        *("not for less than a node", m(Q32, gpu={"count": 2}), [L4X4]),
        "[model] eu/l4x4: the Model needs 33.1 GiB on each of 2 GPUs (weights 31.1, KV cache 2.0), and "
        "17.6 GiB are usable. Without spec.gpu, it would fit eu/l4x4 on 4 L4",
        "two of four: the node is not used up",
        shared=True,
        groups=True,
    ),
    Case(
        *("nodes in use", m(L70), [used(L4X4, 4)]),
        "[platform] eu/l4x4: 4 of its 8 GPUs are in use. The Model waits until enough are free: delete a "
        "Model that nobody needs, or ask the platform team to raise nodes.max of a node pool, such as "
        "eu/l4x4",
        "8 - 4 < 2 x 4",
        shared=True,
        groups=True,
    ),
    Case(
        *("two replicas of two nodes", m(L70, replicas={"min": 2}), [L4X4]),
        "[model] eu/l4x4: 2 replicas with 8 GPUs each do not fit its 2 nodes. It would fit eu/l4x4 with "
        "replicas.min: 1",
        "2 nodes x 1 / 2 = 1",
        shared=True,
        groups=True,
    ),
    Case(
        *("RDMA among equals", m(L70), [L4X4, {**L4X4, "name": "rdma", "fabric": EFA}]),
        *(
            "rdma x 4 x 2 nodes",
            "the same price: l4x4 before rdma by name, but without RDMA",
            17.38,
        ),
        shared=True,
        groups=True,
    ),
    # Slices: a Model takes one.
    Case(
        *("half a GPU", m(SMALL), [L4, HALF], "l4-half x 1"),
        *("2.30 x 1.02 + 16 x 2 x 8 x 64 x 2 x 16384 = 0.5; 0.40 before 0.80", 2.85),
    ),
    Case("a quarter is too small", m(SMALL), [L4, QUARTER], "l4 x 1", "2.846 > 2.641", 2.85),
    Case(
        *("a quarter is enough", m(SMALL, contextLength=8192), [HALF, QUARTER], "l4-quarter x 1"),
        *("2.346 + 0.25 <= 2.641; 0.20 before 0.40", 2.60),
    ),
    Case("a MIG slice", m(SMALL), [H100, MIG], "h100-1g x 1", "0.98 before 6.88: 2.846 <= 6.47", 2.85),
    Case(
        *("larger than a slice", m(Q8), [HALF]),
        "[model] eu/l4-half: the Model needs 17.8 GiB on 1 slice (weights 15.6, KV cache 2.2), and 7.8 "
        f"GiB are usable. The weights of 15.3 GiB {QUANTISE}",
        "15.565 alone > 7.782, and slices are not added up",
    ),
    Case(
        *("several slices", m(SMALL, gpu={"count": 2}), [HALF]),
        "[model] eu/l4-half: a Model gets one slice of its shared GPUs, and spec.gpu.count is 2. Without "
        "spec.gpu, it would fit eu/l4-half on 1 slice of L4",
        "two slices may be parts of one GPU",
    ),
    Case(
        *("slices are counted", m(SMALL, replicas={"min": 4}), [HALF], "l4-half x 1"),
        *("4 <= 2 nodes x 1 x 2", 2.85, True),
    ),
    # What other Models take.
    Case("a full pool is passed over", m(Q8), [used(L4, 2), A10], "a10 x 1", "2 nodes x 1 are taken", 17.82),
    Case("the last one", m(Q8), [used(L4, 1), A10], "l4 x 1", "1 of 2 is left", 17.82),
    Case(
        *("all are full", m(Q8), [used(L4, 2), used(A10, 3)]),
        "[platform] eu/l4: 2 of its 2 GPUs are in use; eu/a10: 3 of its 2 GPUs are in use. The Model waits "
        "until enough are free: delete a Model that nobody needs, or ask the platform team to raise "
        "nodes.max of a node pool, such as eu/l4",
        "neither has one left",
    ),
    Case(
        *("too few are left", m(Q32), [used(L4X4, 5), H100], "h100 x 1"),
        *("8 - 5 = 3 < 4: 6.88 instead of 4.60: 62.240 + 4", 66.24),
    ),
    Case(
        *("too few for the replicas", m(Q8, replicas={"min": 2}), [used(L4, 1), A10], "a10 x 1"),
        *("2 - 1 < 2", 17.82, True),
    ),
    Case(
        *("slices are in use", m(SMALL), [used(HALF, 4), used(QUARTER, 1)]),
        "[platform] eu/l4-half: 4 of its 4 slices are in use; eu/l4-quarter: the Model needs 2.8 GiB on 1 "
        "slice (weights 2.3, KV cache 0.5), and 2.6 GiB are usable. The Model waits until enough are free: "
        "delete a Model that nobody needs, or ask the platform team to raise nodes.max of a node pool, "
        "such as eu/l4-half",
        "2 nodes x 1 x 2 are taken; 7 of 8 quarters are free and too small",
    ),
    Case(
        *("nodes without GPUs", m(Q8), [{**L4, "gpusPerNode": 0}]),
        f"[model] eu/l4: its nodes have no GPUs{ASK}",
        "an odd status is no reason to fail",
    ),
    # Overrides.
    Case(
        *("memory asked for", m(Q8, gpu={"minMemoryGiB": 40}), [L4, L40S, QUARTER], "l40s x 1"),
        *("22.35 and 5.59 < 40 <= 44.7", 17.82),
    ),
    Case(
        *("whole GPUs asked for", m(SMALL, gpu={"requires": ["WholeGPU"]}), [HALF, L4], "l4 x 1"),
        *("0.40 is not looked at", 2.85),
    ),
    Case(
        *("what no pool has is asked for", m(Q8, gpu={"requires": ["NoSpot", "RDMA"]}), [L4, SPOT]),
        "[model] eu/l4: its nodes have no RDMA, and spec.gpu.requires has RDMA; eu/spot: the cloud may "
        "take its machines back (Spot), and spec.gpu.requires has NoSpot. Without spec.gpu, it would fit "
        "eu/l4 on 1 L4",
        "no fabric; capacity Spot",
    ),
    Case("model asked for", m(Q8, gpu={"model": "H100-80GB"}), [L4, H100], "h100 x 1", "L4 is left out"),
    Case("count asked for", m(Q8, gpu={"count": 2}), [L4, L4X4], "l4x4 x 2", "7.783 + 1.125", 8.91),
    Case(
        *("count that no node has", m(Q8, gpu={"count": 4}), [L4]),
        "[model] eu/l4: its nodes have 1 GPU, and spec.gpu.count is 4. Without spec.gpu, it would fit "
        "eu/l4 on 1 L4",
        "one GPU a node",
    ),
    Case(
        *("model that no pool has", m(Q8, gpu={"model": "L40S"}), [L4, T4]),
        "[model] eu/l4: its GPUs are L4, and spec.gpu.model is L40S; eu/t4: its GPUs are T4, and "
        "spec.gpu.model is L40S. Without spec.gpu, it would fit eu/l4 on 1 L4",
        "neither is one",
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
        *("two replicas a node", m(Q8, replicas={"min": 4}, gpu={"count": 2}), [L4X4], "l4x4 x 2"),
        *("4 <= 2 nodes x 4 / 2", 8.91, True),
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
        "the model's whole context", m(Q8, contextLength=40960), [H100], "h100 x 1", "15.565 + 5.625", 21.19
    ),
    Case(
        *("requests that no cache holds", m(Q8, contextLength=40960, concurrency=1024), [H100]),
        "[model] eu/h100: the Model needs 721.9 GiB on each of 8 GPUs (weights 1.9, KV cache 720.0), and "
        "70.3 GiB are usable. It would fit eu/h100 with contextLength: 3840, or with concurrency: 97 at "
        "40960 tokens",
        "room 68.330 x 8 = 97.2 requests of 5.625, or 1024 of 3887 tokens, by 256: 3840",
    ),
]
