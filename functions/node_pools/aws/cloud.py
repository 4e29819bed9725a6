"""AWS as a cloud: the one value that other packages see."""

from __future__ import annotations

from collections.abc import Mapping

from functions.api import Aws, NodeImage

from ..created import Cloud
from . import plan
from .managed import KINDS
from .parts import parts

__all__ = ["CLOUD"]


def _tags(place: Aws, own: Mapping[str, str]) -> Mapping[str, str]:
    return {**place.tags, **own}


CLOUD = Cloud(
    name="aws",
    label="AWS",
    spec=Aws,
    kinds=KINDS.composed,
    # https://docs.aws.amazon.com/eks/latest/userguide/ml-eks-optimized-ami.html
    node_image=NodeImage(driver=True, container_toolkit=True),
    tags=_tags,
    market=plan.market,
    live_pool=plan.live_pool,
    plan=plan.make,
    parts=parts,
)
