"""The images, one file each: the only place that lists them."""

from tools.images import python
from tools.images.kinds import agent, app, functions, hub, openai_client, packages, pause, valkey, vllm
from tools.images.kinds.kind import Kind

__all__ = ["DEBIAN_PACKAGES", "KINDS", "Kind"]

KINDS = {
    kind.name: kind
    for kind in (
        pause.KIND,
        app.KIND,
        openai_client.KIND,
        agent.KIND,
        functions.KIND,
        vllm.KIND,
        hub.KIND,
        valkey.KIND,
        *packages.kinds(),
    )
}

DEBIAN_PACKAGES = sorted({*python.PACKAGES, *valkey.PACKAGES, *vllm.PACKAGES})
"""What requirements/debian.txt pins."""
