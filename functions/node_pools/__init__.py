"""function-node-pools: a Kubernetes cluster with GPU node pools, and the way into it.

Reading order: `plan` (machines for the pools; `likely` guesses what a typo meant),
`access` (ProviderConfigs), one module or package for each place (`existing`, with its pools in
`declared`; `aws`), what is between a cluster and its Models (`offer`, `in_use`), `compose`.
"""
