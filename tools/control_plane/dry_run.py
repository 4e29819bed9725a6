"""A running API server's own word on manifests: admission, defaults and ownership, with nothing stored."""

from collections.abc import Iterable

from tools.control_plane.api import FIELD_MANAGER, Api, ApiError
from tools.errors import Problem
from tools.manifests import Manifest, label

_ANY_NAMESPACE = "default"


def stored(api: Api, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
    """Return an object as the API server would store it, with its defaults and `managedFields`.

    Args:
        api: the API server.
        manifest: the object. Its status and owners are left out: nobody applies a status, and an
            owner that exists only in a render has no uid.
        manager: the field manager that applies the object.

    Raises:
        ApiError: when the API server would refuse the object.
    """
    applied = {key: value for key, value in manifest.items() if key != "status"}
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "ownerReferences"}
    namespace = metadata.get("namespace")
    if namespace and api.find("v1", "Namespace", namespace) is None:
        # A dry run needs a namespace that exists, and no rule of an object reads its namespace's name.
        metadata["namespace"] = _ANY_NAMESPACE
    answer = api.apply({**applied, "metadata": metadata}, dry_run=True, manager=manager)
    if namespace:
        answer["metadata"]["namespace"] = namespace
    return answer


def refusals(api: Api, manifests: Iterable[Manifest]) -> list[Problem]:
    """Return why the API server would refuse manifests, in its own words; empty when it would not."""
    problems = []
    for manifest in manifests:
        try:
            stored(api, manifest)
        except ApiError as error:
            problems.append(Problem(label(manifest), "", str(error)))
    return problems
