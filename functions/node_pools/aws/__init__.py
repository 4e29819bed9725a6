"""EKS in a VPC of its own.

Reading order: `plan` (with `zones` and `versions`), `managed` (what every managed
resource has), then the manifests in the order they are created: `network`, `iam`,
`control_plane`, `admins`, `addons`, `pools`; `compose` puts them together.
"""

from .compose import compose

__all__ = ["compose"]
