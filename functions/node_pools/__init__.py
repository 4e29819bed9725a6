"""function-node-pools: a Kubernetes cluster with GPU node pools, and the way into it.

Reading order: `plan` (machines for the pools; `likely` guesses what a typo meant),
`access` (ProviderConfigs), one module or package for each place (`existing`, with its pools in
`declared` and their nodes in `found`; `aws`), what is between a cluster and its Models (`offer`,
`in_use`), what to install first (`providers`), `compose`.
"""
