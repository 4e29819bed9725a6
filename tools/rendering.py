"""One reconcile of an XR by Crossplane's own reconciler and local function servers.

The engine (`tools.engine`) fills in no defaults and returns a part of the XR; this module does the rest.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.api import contract
from functions.catalog import providers
from tools.claims import with_defaults
from tools.definitions import Composition, Definitions
from tools.engine import Reconciled, reconcile
from tools.errors import ToolError
from tools.manifests import Manifest, dump, version_of
from tools.offers import with_offers


@dataclass(frozen=True)
class Rendered:
    """The result of a reconcile. After a FATAL result the XR is unchanged and nothing is composed."""

    xr: Manifest
    """The XR with its defaults, spec.resourceRefs and new status."""
    composed: list[Manifest] = field(default_factory=list)
    """The desired composed resources, in the order of their names in the composition."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """The events: severity (Normal, Warning), reason, message."""
    fatal: str | None = None
    """The message of the function that refused the spec; None when none did."""

    @property
    def conditions(self) -> list[dict[str, Any]]:
        """The XR's conditions."""
        conditions: list[dict[str, Any]] = self.xr.get("status", {}).get("conditions", [])
        return conditions


def render(
    xr: Manifest,
    targets: Mapping[str, str],
    *,
    observed: Sequence[Manifest] = (),
    required: Sequence[Manifest] = (),
    without: Collection[str] = (),
    definitions: Definitions | None = None,
) -> Rendered:
    """Reconcile an XR once, without a cluster.

    Args:
        xr: the XR; `claims.to_xr` makes one of a claim.
        targets: host:port of each function that the composition names.
        observed: the composed resources as they are; see `observe`.
        required: what the functions may ask for, such as XInferenceClusters, whose offers are added.
        without: API groups of the providers that are not installed.
        definitions: the XRDs and compositions; by default those of this repository.

    Raises:
        ToolError: when the engine fails for another reason than a FATAL result.
    """
    definitions = definitions or Definitions()
    definition, composition = definitions.of(xr), definitions.composition(xr)
    whole = with_defaults(xr, definition.schema(version_of(xr)))
    answer = reconcile(
        whole,
        composition.manifest,
        definition.xrd,
        _addresses(composition, targets),
        observed=observed,
        required=with_offers(required),
        schemas=_schemas(without),
    )
    if answer.fatal is not None:
        return Rendered(xr=whole, fatal=answer.fatal)
    return Rendered(_after(whole, answer), answer.composed, answer.events)


def _addresses(composition: Composition, targets: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in composition.functions if name not in targets]
    if missing:
        raise ToolError(f"{composition.path} needs {', '.join(missing)}, which is not running")
    return {name: targets[name] for name in composition.functions}


def _schemas(without: Collection[str]) -> Iterator[Manifest]:
    """Yield the OpenAPI schema by which a function knows that a provider is installed, for each provider."""
    for provider in providers().values():
        if provider.group not in without:
            kind = {"group": provider.group, "version": provider.version, "kind": provider.kind}
            schema = {"type": "object", "x-kubernetes-group-version-kind": [kind]}
            yield {"openapi": "3.0.0", "components": {"schemas": {provider.kind: schema}}}
    group, version = contract.DELIVERY_API_VERSION.split("/")
    if group not in without:
        # One document for a group and version: the engine reads the first.
        found = {
            kind: {
                "type": "object",
                "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": kind}],
            }
            for kind in (contract.DELIVERY_KIND, contract.UPGRADE_KIND)
        }
        yield {"openapi": "3.0.0", "components": {"schemas": found}}


def _after(xr: Manifest, answer: Reconciled) -> Manifest:
    """Return the XR after the reconcile.

    The engine's own spec holds the reconciler's fields alone. When nothing changed it leaves
    status.claimConditionTypes out, which an update writes that it then skips; on a cluster that
    set only grows.
    """
    status: Manifest = dict(answer.xr.get("status", {}))
    before = xr.get("status", {}).get("claimConditionTypes", [])
    types = list(dict.fromkeys([*before, *status.get("claimConditionTypes", [])]))
    if types:
        status["claimConditionTypes"] = types
    return {**xr, "spec": xr.get("spec", {}) | answer.xr.get("spec", {}), "status": status}


def as_yaml(rendered: Rendered) -> str:
    """Return the XR and its composed resources as a YAML stream."""
    return dump([rendered.xr, *rendered.composed])
