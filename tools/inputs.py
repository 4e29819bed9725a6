"""The input of a render, from a user's files: claims and XRs, observed and required resources."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tools import claims
from tools.admission import require_admitted
from tools.definitions import Definitions
from tools.errors import ToolError
from tools.manifests import Manifest, group_of, label
from tools.settle import settle


def as_xr(manifest: Manifest, definitions: Definitions, observed: Sequence[Manifest] = ()) -> Manifest:
    """Return the XR of a claim; an XR is returned as it is.

    The reconciler refuses observed resources of another owner. So the XR takes its uid, and for a claim
    that is not bound its name, from the owner of the observed resources.
    """
    definition = definitions.of(manifest)
    owner = _controller(observed, definition.group, definition.kind)
    if not definitions.is_claim(manifest):
        if not owner or manifest["metadata"].get("uid"):
            return manifest
        return manifest | {"metadata": manifest["metadata"] | {"uid": owner["uid"]}}
    xr = claims.to_xr(manifest, definition, name=owner.get("name"))
    if owner:
        xr["metadata"]["uid"] = owner["uid"]
    return xr


def _controller(observed: Iterable[Manifest], group: str, kind: str) -> dict[str, str]:
    for manifest in observed:
        for owner in manifest.get("metadata", {}).get("ownerReferences") or []:
            if owner.get("controller") and (group_of(owner), owner.get("kind")) == (group, kind):
                return {"name": owner["name"], "uid": owner["uid"]}
    return {}


def functions_of(manifests: Iterable[Manifest], definitions: Definitions) -> tuple[str, ...]:
    """Return the functions that rendering these claims and XRs calls, each once."""
    names: dict[str, None] = {}
    for manifest in manifests:
        kind = definitions.of(manifest).kind
        composition = definitions.composition(manifest | {"kind": kind})
        names |= dict.fromkeys(composition.functions)
    return tuple(names)


def claims_without_status(required: Iterable[Manifest], definitions: Definitions) -> list[Manifest]:
    """Return the claims among required resources that have no status."""
    return [m for m in required if definitions.is_claim(m) and not m.get("status")]


def required_resources(
    required: Sequence[Manifest],
    targets: Mapping[str, str],
    definitions: Definitions,
    say: Callable[[str], None],
) -> list[Manifest]:
    """Return required resources with each claim turned into its XR.

    A Model reads nothing of a cluster but its status, which a claim that was never applied does not
    have. Such a claim is settled first.

    Raises:
        RefusedError: for a claim that an API server would refuse.
        ToolError: for a claim that a function refuses.
    """
    without_status = claims_without_status(required, definitions)
    require_admitted(without_status, definitions)
    found = []
    for manifest in required:
        if not definitions.is_claim(manifest):
            found.append(manifest)
            continue
        xr = as_xr(manifest, definitions)
        if manifest in without_status:
            say(f"{label(manifest)} has no status: settling it, with everything composed reported ready")
            settled = settle(xr, targets, definitions=definitions)
            if settled.rendered.fatal is not None:
                raise ToolError(f"{label(manifest)}: {settled.rendered.fatal}")
            xr = settled.xr
        found.append(xr)
    return found
