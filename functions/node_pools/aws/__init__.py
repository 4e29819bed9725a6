"""EKS, in a VPC of its own or in one that is there already.

Reading order: `plan` (with `zones`, `pool_zones`, `versions` and `secrets_key`), `managed` (what
every managed resource has), then the manifests in the order they are created: `network`, `iam`,
`control_plane`, `admins`, `autoscaler`, `addons`, `efs`, `pools` (with `nodes`, `capacity` and
`efa`); `compose` puts them together.
"""

from .compose import compose

__all__ = ["compose"]
