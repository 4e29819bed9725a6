"""function-node-pools: a Kubernetes cluster with GPU node pools, and the ProviderConfigs that reach it.

Reading order: `place` and `registry` (where a cluster can be), `allowed` (which claims may have it),
`pools` (machines of node pools), `reach` (ProviderConfigs), `models` (what Models use of the cluster,
what that forbids, and the offer to them), `created` (what is the same in every cloud) with
`managed` (managed resources of any provider), one package for each place (`aws`, `existing`),
`providers` (which packages to install first), `compose`.
"""
