"""function-cluster-stack: what a cluster needs to offer its GPUs to pods.

Reading order: `plan`, `release` (what every Helm Release has), `component`, one module a
component (`node_feature_discovery`, `gpu_operator` with `sharing`, `autoscaler`, `efa`,
`leader_worker_set`), `compose`.
"""
