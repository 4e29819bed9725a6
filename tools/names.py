"""Names, namespaces, labels and annotations as an API server accepts them.

A render has no admission: what is wrong here would show first on a cluster.
Rules: k8s.io/apimachinery, pkg/util/validation and pkg/api/validation.
"""

import re
from collections.abc import Iterator

from tools.manifests import Manifest, group_of

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PATH_SEGMENT = re.compile(r"[^/%]+")

_LABEL_MAX = 63
_SUBDOMAIN_MAX = 253
_ANNOTATIONS_MAX = 256 * 1024

_STARTS_WITH_LETTER = frozenset({("", "Service")})
# Their names become host names or label values.
_LABEL_NAMES = frozenset(
    {
        ("", "Namespace"),
        ("", "Service"),
        ("batch", "CronJob"),
        ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"),
    }
)
_CRON_JOB_MAX = 52
# provider-helm takes the release's name from here; Helm allows 53.
_RELEASE_MAX = 53


def problems(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield (field, what is wrong) for a manifest's metadata."""
    metadata = manifest.get("metadata") or {}
    name = metadata.get("name")
    if not name and not metadata.get("generateName"):
        yield "metadata.name", "is required"
    if name and (wrong := _name_problem(manifest, str(name))):
        yield "metadata.name", f"{name!r} {wrong}"
    namespace = metadata.get("namespace")
    if namespace and (wrong := _dns_problem(str(namespace), _LABEL, _LABEL_MAX)):
        yield "metadata.namespace", f"{namespace!r} {wrong}"
    yield from _labels(metadata)
    yield from _annotations(metadata)


def _name_problem(manifest: Manifest, name: str) -> str | None:
    group, kind = group_of(manifest), str(manifest.get("kind"))
    if group == "rbac.authorization.k8s.io":
        return None if _PATH_SEGMENT.fullmatch(name) else "may not contain '/' or '%'"
    if (group, kind) in _STARTS_WITH_LETTER and not name[0].isalpha():
        return "must start with a letter"
    longest = _SUBDOMAIN_MAX
    if (group, kind) in _LABEL_NAMES:
        longest = _CRON_JOB_MAX if kind == "CronJob" else _LABEL_MAX
        return _dns_problem(name, _LABEL, longest)
    if (group, kind) == ("helm.m.crossplane.io", "Release"):
        longest = _RELEASE_MAX
    elif group in {"batch", "apps"} and kind != "ControllerRevision":
        # Pods get the name as a label value.
        longest = _LABEL_MAX
    return _dns_problem(name, _SUBDOMAIN, longest)


def _dns_problem(name: str, pattern: re.Pattern[str], longest: int) -> str | None:
    if len(name) > longest:
        return f"is {len(name)} characters long, {longest} are allowed"
    if not pattern.fullmatch(name):
        dots = "" if pattern is _LABEL else ", '.'"
        return f"must be lower case letters, digits, '-'{dots}, with a letter or digit at each end"
    return None


def _labels(metadata: Manifest) -> Iterator[tuple[str, str]]:
    for key, value in (metadata.get("labels") or {}).items():
        field = f"metadata.labels[{key}]"
        if wrong := _key_problem(str(key)):
            yield field, wrong
        if not isinstance(value, str):
            yield field, f"must be a string, is {value!r}"
        elif len(value) > _LABEL_MAX:
            yield field, f"{value!r} is {len(value)} characters long, {_LABEL_MAX} are allowed"
        elif value and not _QUALIFIED.fullmatch(value):
            yield field, f"{value!r} must be letters, digits, '-', '_', '.', and not end in those"


def _annotations(metadata: Manifest) -> Iterator[tuple[str, str]]:
    annotations = metadata.get("annotations") or {}
    for key, value in annotations.items():
        # Keys are compared in lower case: mixed case is allowed before the slash.
        if wrong := _key_problem(str(key).lower()):
            yield f"metadata.annotations[{key}]", wrong
        if not isinstance(value, str):
            yield f"metadata.annotations[{key}]", f"must be a string, is {value!r}"
    size = sum(len(str(k)) + len(str(v)) for k, v in annotations.items())
    if size > _ANNOTATIONS_MAX:
        yield "metadata.annotations", f"are {size} bytes, {_ANNOTATIONS_MAX} are allowed"


def _key_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and (wrong := _dns_problem(prefix, _SUBDOMAIN, _SUBDOMAIN_MAX)):
        return f"the part before '/' {wrong}"
    if not 0 < len(name) <= _LABEL_MAX:
        return f"the key is {len(name)} characters long, 1 to {_LABEL_MAX} are allowed"
    if not _QUALIFIED.fullmatch(name):
        return "the key must be letters, digits, '-', '_', '.', and not start or end in those"
    return None
