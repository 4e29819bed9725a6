"""What encrypts a cluster's Secrets, and that a live cluster never changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from functions.base import Invalid
from functions.node_pools.compose import FUNCTION
from tests.node_pools.requests import aws, cluster, live, settled

OWN = "arn:aws:kms:eu-central-1:111122223333:key/own"
THEIRS = "arn:aws:kms:eu-central-1:111122223333:key/0123abcd-01ab-23cd-45ef-0123456789ab"


def key(arn: str = OWN) -> dict[str, Any]:
    """A key that lives."""
    return {"node-pools/kms-key": live({"metadata": {"name": "k"}}, arn=arn)}


def composed(observed: Mapping[str, Any], **place: Any) -> dict[str, Any]:
    outcome = FUNCTION.compose(cluster(aws(**place), observed=observed))
    return {"notes": outcome.notes, **{r.name.removeprefix("node-pools/"): r for r in outcome.resources}}


def encryption(resource: Any) -> Any:
    return resource.manifest["spec"]["forProvider"].get("encryptionConfig")


def config(arn: str) -> dict[str, Any]:
    return {"provider": {"keyArn": arn}, "resources": ["secrets"]}


def test_a_new_cluster_waits_for_a_key_of_its_own() -> None:
    # Proves: rotated, kept for a while once it is deleted, and there before the cluster.
    found = composed({})
    assert found["cluster"].manifest is None
    assert found["cluster"].waits_for == "the ARN of the KMS key of its Secrets"
    assert "node-pools/kms-key" in found["cluster"].after
    fields = found["kms-key"].manifest["spec"]["forProvider"]
    assert (fields["enableKeyRotation"], fields["deletionWindowInDays"]) == (True, 30)
    assert encryption(composed(key())["cluster"]) == config(OWN)


def test_the_key_goes_after_the_cluster() -> None:
    # Proves: EKS can read the Secrets as long as it lives.
    usage = composed({})["kms-key-last"].manifest["spec"]
    assert usage["of"]["kind"] == "Key"
    assert usage["by"] == {
        "apiVersion": "eks.aws.m.upbound.io/v1beta1",
        "kind": "Cluster",
        "resourceRef": {"name": "eu-prod-x7k2p-cluster-ba343f"},
    }


def test_the_users_key_is_used_and_none_made() -> None:
    # Proves: by the ARN of the spec, at once.
    found = composed({}, kmsKeyArn=THEIRS)
    assert encryption(found["cluster"]) == config(THEIRS)
    assert "kms-key" not in found
    assert "kms-key-last" not in found


def test_a_key_of_another_region() -> None:
    # Proves: refused before EKS does.
    with pytest.raises(Invalid) as caught:
        composed({}, kmsKeyArn="arn:aws:kms:us-east-1:111122223333:key/0123")
    assert str(caught.value) == (
        "spec.aws.kmsKeyArn: the key is in us-east-1, and the cluster in eu-central-1. Name a key of the "
        "cluster's region, or leave it out to have one made."
    )


def cluster_with(arn: str | None) -> dict[str, Any]:
    """A settled cluster that was made with that key."""
    request, _ = settled(FUNCTION, aws(kmsKeyArn=THEIRS))
    observed = {name: dict(found) for name, found in request.observed.items()}
    made = observed["node-pools/cluster"]["spec"]["forProvider"]
    if arn is None:
        del made["encryptionConfig"]
    else:
        made["encryptionConfig"] = config(arn)
    return observed


IN_VAIN = (
    "spec.aws.kmsKeyArn has no effect: the cluster's Secrets are encrypted with {}, which cannot change "
    "while it lives; claim a new cluster to have another"
)


@pytest.mark.parametrize(
    ("living", "asked", "note"),
    [
        pytest.param(None, {}, None, id="made-without"),
        pytest.param(None, {"kmsKeyArn": THEIRS}, "AWS's own key", id="asked-for-too-late"),
        pytest.param(THEIRS, {}, None, id="no-longer-asked-for"),
        pytest.param(THEIRS, {"kmsKeyArn": THEIRS}, None, id="as-asked"),
        pytest.param(OWN, {"kmsKeyArn": THEIRS}, OWN, id="another"),
    ],
)
def test_a_live_cluster_keeps_what_it_was_made_with(
    living: str | None, asked: dict[str, Any], note: str | None
) -> None:
    # Proves: nothing that EKS would make another cluster for; a wish in vain is told.
    found = composed(cluster_with(living), **asked)
    assert encryption(found["cluster"]) == (config(living) if living else None)
    assert "kms-key" not in found
    assert [n for n in found["notes"] if "kmsKeyArn" in n] == ([IN_VAIN.format(note)] if note else [])


@pytest.mark.parametrize("left", ["kms-key", "kms-key-last"])
def test_a_live_key_of_its_own_stays(left: str) -> None:
    # Proves: neither the key nor its guard goes because the other is not seen or the spec names another.
    request, _ = settled(FUNCTION, aws())
    lost = {"kms-key", "kms-key-last"} - {left}
    observed = {n: o for n, o in request.observed.items() if n.removeprefix("node-pools/") not in lost}
    assert composed(observed, kmsKeyArn=THEIRS).keys() >= {"kms-key", "kms-key-last"}
