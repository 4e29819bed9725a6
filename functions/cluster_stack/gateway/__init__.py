"""The gateway: Envoy Gateway, and what is our own of it.

`component` is what the registry lists, `manifests` are the objects beside the chart, `former` finds the
certificate that is used until another is there, `trouble` says in words what those objects say of themselves.
"""

from .component import COMPONENT, addresses
from .former import former
from .limits import valkey_image

__all__ = ["COMPONENT", "addresses", "former", "valkey_image"]
