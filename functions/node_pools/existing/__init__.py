"""A cluster that existed before its claim: nothing is created in any cloud.

Reading order: `identity` (which cluster a kubeconfig reaches, and whose it is), `pools` (node pools as
the spec declares them), `nodes` (their nodes, found by labels), `compose`.
"""

from .compose import PLACE

__all__ = ["PLACE"]
