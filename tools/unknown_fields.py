"""Fields of claims and XRs that their schema does not have, without the program that asks as an API server.

`freehold plan` needs nothing built. The functions leave unknown fields alone, since an API server has
refused them, so that a plan of a misspelled field would be one of a claim that is never stored.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tools.admission import RefusedError
from tools.definitions import Definitions
from tools.errors import Problem
from tools.manifests import Manifest, label, version_of

__all__ = ["require_known_fields"]

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")

# What Crossplane adds to the spec of every claim and XR: crossplane-runtime v2, pkg/xcrd/schemas.go.
_BOTH = (
    "compositionRef",
    "compositionRevisionRef",
    "compositionRevisionSelector",
    "compositionSelector",
    "compositionUpdatePolicy",
    "writeConnectionSecretToRef",
)
_CLAIM = (*_BOTH, "compositeDeletePolicy", "resourceRef")
_COMPOSITE = (*_BOTH, "claimRef", "resourceRefs")


def require_known_fields(manifests: Sequence[Manifest], definitions: Definitions) -> None:
    """Raise RefusedError where claims or XRs have fields in their spec, or beside it, that there are not.

    A status is not looked at: another version may have written it, and no API server takes it from a user.
    """
    problems = [problem for manifest in manifests for problem in _problems(manifest, definitions)]
    if problems:
        raise RefusedError(problems)


def _problems(manifest: Manifest, definitions: Definitions) -> Iterator[Problem]:
    schema = definitions.of(manifest).schema(version_of(manifest))
    if not schema:
        yield Problem(label(manifest), "apiVersion", f"{manifest['apiVersion']} is not served")
        return
    crossplanes = _CLAIM if definitions.is_claim(manifest) else _COMPOSITE
    fields = [name for name in manifest if name not in _TOP]
    fields += _unknown(manifest.get("spec"), schema["properties"]["spec"], "spec", crossplanes)
    for field in sorted(fields):
        yield Problem(label(manifest), field, "unknown field")


def _unknown(value: Any, schema: Mapping[str, Any], at: str, others: Collection[str] = ()) -> Iterator[str]:
    """Yield the paths of fields that a schema does not have, none below another."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, schema.get("items") or {}, f"{at}[{index}]")
    elif isinstance(value, dict) and schema.get("type") == "object":
        properties = schema.get("properties") or {}
        free = schema.get("additionalProperties")
        for name, inner in value.items():
            if name in properties or free:
                below = properties.get(name, free)
                yield from _unknown(inner, below if isinstance(below, dict) else {}, f"{at}.{name}")
            elif name not in others:
                yield f"{at}.{name}"
