"""A cluster that is created in a cloud: what is the same in every cloud.

Reading order: `cloud` (what a cloud says of itself, and of one cluster), `pools` (machines of the
node pools, with `refusals` of changes), `versions`, `order` (of creation and deletion), `conditions`,
`compose`.
"""

from ..pools.pool import node_pool
from .cloud import CLUSTER, SYSTEM, Cloud, Cluster, Parts
from .compose import place
from .pools import LivePool, sharing_labels
from .versions import LiveVersions, live_versions

__all__ = [
    "CLUSTER",
    "SYSTEM",
    "Cloud",
    "Cluster",
    "LivePool",
    "LiveVersions",
    "Parts",
    "live_versions",
    "node_pool",
    "place",
    "sharing_labels",
]
