"""status.atProvider of resources that are ready, as their providers report it.

The values are made up and deterministic (ids are hashes of names), in the shape of the real ones. Only the
fields that the functions read have values.
"""

import copy
import hashlib
from typing import Any

from tools.manifests import Manifest, group_of
from tools.objects import inner, is_object

TIME = "2026-01-01T00:00:00Z"
ACCOUNT = "111122223333"

# The prefixes of EC2's own ids; other services use the object's name.
_ID_PREFIX = {
    ("ec2.aws.m.upbound.io", "CapacityReservation"): "cr",
    ("ec2.aws.m.upbound.io", "EIP"): "eipalloc",
    ("ec2.aws.m.upbound.io", "InternetGateway"): "igw",
    ("ec2.aws.m.upbound.io", "LaunchTemplate"): "lt",
    ("ec2.aws.m.upbound.io", "MainRouteTableAssociation"): "rtbassoc",
    ("ec2.aws.m.upbound.io", "NATGateway"): "nat",
    ("ec2.aws.m.upbound.io", "Route"): "r-rtb",
    ("ec2.aws.m.upbound.io", "RouteTable"): "rtb",
    ("ec2.aws.m.upbound.io", "RouteTableAssociation"): "rtbassoc",
    ("ec2.aws.m.upbound.io", "SecurityGroup"): "sg",
    ("ec2.aws.m.upbound.io", "SecurityGroupEgressRule"): "sgr",
    ("ec2.aws.m.upbound.io", "SecurityGroupIngressRule"): "sgr",
    ("ec2.aws.m.upbound.io", "SecurityGroupRule"): "sgrule",
    ("ec2.aws.m.upbound.io", "Subnet"): "subnet",
    ("ec2.aws.m.upbound.io", "VPC"): "vpc",
    ("ec2.aws.m.upbound.io", "VPCEndpoint"): "vpce",
    ("efs.aws.m.upbound.io", "FileSystem"): "fs",
    ("efs.aws.m.upbound.io", "MountTarget"): "fsmt",
}
# IAM is global: its ARNs name no region.
_GLOBAL_SERVICES = frozenset({"iam"})
# Kinds whose status has no arn.
_WITHOUT_ARN = frozenset(
    {
        "AccessEntry",
        "AccessPolicyAssociation",
        "ClusterAuth",
        "MainRouteTableAssociation",
        "MountTarget",
        "NATGateway",
        "PodIdentityAssociation",
        "RolePolicy",
        "RolePolicyAttachment",
        "Route",
        "RouteTableAssociation",
        "SecurityGroupRule",
    }
)
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "LeaderWorkerSet", "ReplicaSet"})


def hash17(text: str) -> str:
    """Return 17 hexadecimal digits, as in the ids of EC2."""
    return hashlib.sha256(text.encode()).hexdigest()[:17]


def external_name(manifest: Manifest) -> str:
    """Return the external name of a managed resource: an id for EC2, else the object's name."""
    name = str(manifest["metadata"]["name"])
    prefix = _ID_PREFIX.get((group_of(manifest), manifest["kind"]))
    if prefix:
        return f"{prefix}-{hash17(name)}"
    annotations = manifest["metadata"].get("annotations") or {}
    return str(annotations.get("crossplane.io/external-name", name))


def at_provider(manifest: Manifest) -> dict[str, Any]:
    """Return status.atProvider of a managed resource that is ready."""
    group = group_of(manifest)
    if is_object(manifest):
        within = inner(manifest)
        return {"manifest": remote(within)} if within else {}
    if (group, manifest["kind"]) == ("helm.m.crossplane.io", "Release"):
        chart = manifest["spec"]["forProvider"].get("chart", {})
        version = {"version": chart["version"]} if chart.get("version") else {}
        return {"state": "deployed", "revision": 1, **version}
    if group.endswith(".aws.m.upbound.io"):
        return _aws(manifest)
    # Azure's and Google's providers report an id at least.
    return {"id": external_name(manifest)} if group.endswith(".m.upbound.io") else {}


def _aws(manifest: Manifest) -> dict[str, Any]:
    kind = manifest["kind"]
    if kind == "ClusterAuth":
        return {}
    name, parameters = external_name(manifest), manifest["spec"].get("forProvider", {})
    region = str(parameters.get("region", "us-east-1"))
    status: dict[str, Any] = {"id": name, **_parameters(parameters)}
    if kind not in _WITHOUT_ARN:
        status["arn"] = arn(group_of(manifest), kind, name, region)
    if kind == "EIP":
        status |= {"allocationId": name, "publicIp": "203.0.113.10"}
    if (group_of(manifest), kind) == ("eks.aws.m.upbound.io", "Cluster"):
        status |= _eks_cluster(name, region)
    if kind == "LaunchTemplate":
        status |= {"defaultVersion": 1, "latestVersion": 1}
    if kind == "NodeGroup":
        status |= {"status": "ACTIVE"}
    return status


def _parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the scalar parameters, which the provider reports back; references it does not."""
    return {key: value for key, value in parameters.items() if isinstance(value, str | int | float | bool)}


def arn(group: str, kind: str, name: str, region: str) -> str:
    """Return an Amazon resource name (ARN)."""
    service = group.split(".")[0]
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    where = "" if service in _GLOBAL_SERVICES else region
    resource = "oidc-provider" if kind == "OpenIDConnectProvider" else kind.lower()
    return f"arn:{partition}:{service}:{where}:{ACCOUNT}:{resource}/{name}"


def _eks_cluster(name: str, region: str) -> dict[str, Any]:
    host = hash17(name).upper()
    return {
        "status": "ACTIVE",
        "endpoint": f"https://{host}.gr7.{region}.eks.amazonaws.com",
        "certificateAuthority": [{"data": "bWFkZS11cA=="}],
        "identity": [{"oidc": [{"issuer": f"https://oidc.eks.{region}.amazonaws.com/id/{host}"}]}],
        "vpcConfig": {"clusterSecurityGroupId": f"sg-{hash17(name)}"},
    }


def remote(manifest: Manifest) -> Manifest:
    """Return a manifest as the cluster shows it in which it works, with the status of its kind."""
    live = copy.deepcopy(manifest)
    metadata = live.setdefault("metadata", {})
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    metadata |= {
        "uid": hashlib.md5(f"{live['kind']} {name}".encode(), usedforsecurity=False).hexdigest(),
        "resourceVersion": "1000",
        "creationTimestamp": TIME,
    }
    if live["kind"] == "Secret":
        # The provider runs with --sanitize-secrets.
        live.pop("data", None)
        live.pop("stringData", None)
    if status := _remote_status(live):
        live["status"] = status
    return live


def _remote_status(manifest: Manifest) -> dict[str, Any]:
    kind = manifest["kind"]
    replicas = (manifest.get("spec") or {}).get("replicas", 1)
    if kind in _WORKLOADS:
        return _workload(kind, replicas)
    if kind == "DaemonSet":
        count = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
        return dict.fromkeys((*count, "updatedNumberScheduled", "numberAvailable"), 1)
    if kind == "Job":
        return {"succeeded": 1, "conditions": [_condition("Complete", "Completed")]}
    if kind == "Namespace":
        return {"phase": "Active"}
    if kind in {"PersistentVolumeClaim", "PersistentVolume"}:
        return {"phase": "Bound"}
    if kind == "Pod":
        return {"phase": "Running", "conditions": [_condition("Ready", "PodReady")]}
    if kind in {"ConfigMap", "Secret", "ServiceAccount", "Service", "NetworkPolicy"}:
        return {}
    if "." in group_of(manifest) and not group_of(manifest).endswith(".k8s.io"):
        return {"conditions": [_condition("Ready", "Ready")]}
    return {}


def _workload(kind: str, replicas: int) -> dict[str, Any]:
    status: dict[str, Any] = {
        "replicas": replicas,
        "readyReplicas": replicas,
        "updatedReplicas": replicas,
    }
    if kind != "LeaderWorkerSet":
        status |= {"observedGeneration": 1, "availableReplicas": replicas}
    return status | {"conditions": [_condition("Available", "MinimumReplicasAvailable")]}


def _condition(type_: str, reason: str) -> dict[str, Any]:
    return {
        "type": type_,
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": TIME,
    }
