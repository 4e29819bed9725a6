"""The command `freehold`, and what builds, renders and checks claims without a cluster.

Reading order: `cli` (the sub-commands), `rendering` (one reconcile by Crossplane's own reconciler) and
`settle` (reconciles until nothing changes), `admission` (what an API server would refuse), `placing`
(where a Model would be placed).
"""
