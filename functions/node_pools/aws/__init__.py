"""EKS, in a VPC of its own or in one that is there already.

Reading order: `plan` (with `zones`, `pool_zones` and `secrets_key`), `managed` (what
every managed resource has), then the manifests in the order they are created: `network`, `iam`,
`control_plane`, `admins`, `autoscaler`, `addons`, `efs`, `pools` (with `nodes`, `capacity` and
`efa`); `parts` puts them together, and `cloud` is what the rest of the package sees of AWS.
"""

from .cloud import CLOUD

__all__ = ["CLOUD"]
