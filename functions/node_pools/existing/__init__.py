"""A cluster that is there already: reached by a kubeconfig, its node pools as the spec declares them.

Reading order: `pools` (as declared), `nodes` (found by the labels of the pools), `compose`.
"""

from .compose import PLACE

__all__ = ["PLACE"]
