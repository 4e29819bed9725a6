"""function-node-pools: a Kubernetes cluster with GPU node pools, and the way into it.

Reading order: `plan` (machines for the pools), `access` (ProviderConfigs), one
module or package for each place (`existing`, `aws`), `compose`.
"""
