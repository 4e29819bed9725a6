"""AWS as a cloud: the one value that other packages see."""

from __future__ import annotations

from collections.abc import Mapping

from functions.api import Aws, NodeImage, Reach

from ..created import Cloud
from . import plan
from .managed import KINDS
from .parts import parts

__all__ = ["CLOUD"]


def _tags(place: Aws, own: Mapping[str, str]) -> Mapping[str, str]:
    return {**place.tags, **own}


# A Network Load Balancer passes connections on as they are, for as long as something is sent on them:
# https://github.com/kubernetes/cloud-provider-aws/blob/master/docs/service_controller.md
_NETWORK = {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}
_INTERNAL = {"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}

CLOUD = Cloud(
    name="aws",
    label="AWS",
    spec=Aws,
    kinds=KINDS.composed,
    # https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
    node_image=NodeImage(driver=True, container_toolkit=True),
    tags=_tags,
    load_balancers={Reach.ORGANISATION: {**_NETWORK, **_INTERNAL}, Reach.INTERNET: _NETWORK},
    market=plan.market,
    live_pool=plan.live_pool,
    plan=plan.make,
    parts=parts,
)
