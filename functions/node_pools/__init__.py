"""function-node-pools: a Kubernetes cluster with GPU node pools, and the ProviderConfigs that reach it.

Reading order: `pools` (which machine each node pool gets), `reach` (ProviderConfigs), one package
for each place (`existing`, `aws`), what a cluster tells its Models and what guards it for them
(`offer`, `in_use`), what to install first (`providers`), `compose`.
"""
