"""The gateway: Envoy Gateway, and what is our own of it.

`component` is what the registry lists, `manifests` are the objects beside the chart, `trouble` says in words
what those objects say of themselves.
"""

from .component import COMPONENT, addresses

__all__ = ["COMPONENT", "addresses"]
