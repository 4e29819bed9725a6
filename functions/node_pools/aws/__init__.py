"""EKS clusters, each in a VPC of its own or in an existing VPC.

Reading order: `plan` decides, with `zones`, `pool_zones`, `secrets_key` and `releases`. `managed` has
what is common to every managed resource. Then the modules that compose, in the order of creation:
`network`, `identity`, `control_plane`, `admins`, `autoscaler`, `addons`, `pools` (with `nodes`,
`capacity` and `fabric`), `storage`. `parts` puts their resources together, and `cloud` is the one
value that other packages see.
"""

from .cloud import CLOUD

__all__ = ["CLOUD"]
