"""Weights from the Hugging Face Hub, or a mirror of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from functions.api import ModelSpec
from functions.base import Resource, Whose, digest, remote
from functions.catalog import models

from ..engine import engine_of
from ..plan import Plan
from ..serve.delivery import TOKEN_LABEL, deliveries, resources_of
from ..serve.pod import WEIGHTS_FOLDER
from .failures import GROWS, LATER, SOON, Cause
from .source import Reader, Source

__all__ = ["HUGGING_FACE", "PROGRAM"]

PROGRAM = Path(__file__).with_name("hub_download.py").read_text()
"""What the download's container runs."""

_HUB = "https://huggingface.co"
_TOKEN = "hub-token"
_ENVIRONMENT = {
    "HF_HOME": "/tmp/huggingface",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # hf_xet 1.6.0 buffers up to 8 GB otherwise: 2 GB, and 512 MB for each of 8 files. Its chunk cache would
    # fill the small disk of /tmp.
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_SIZE": "512mb",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_PERFILE_SIZE": "64mb",
    "HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_LIMIT": "1gb",
    "HF_XET_CHUNK_CACHE_SIZE_BYTES": "0",
}


def _identity(spec: ModelSpec, flags: Sequence[str]) -> str:
    return digest(spec.model, spec.revision, *(["consolidated"] if _consolidated(spec, flags) else []))


def _consolidated(spec: ModelSpec, flags: Sequence[str]) -> bool:
    """Tell whether the engine reads `consolidated*.safetensors`, as Mistral's own loader does.

    Some repositories hold that format beside the Hub's, and some hold it alone.
    """
    return engine_of(spec).load_format(spec, flags) == "mistral"


def _egress(plan: Plan) -> list[dict[str, Any]]:
    """Return the port of the Hub, or of the proxy to it, on any host: a NetworkPolicy cannot name one."""
    return [{"protocol": "TCP", "port": plan.weights.port}]


def _credentials(plan: Plan) -> list[Resource]:
    """Compose the delivery of the Hub token from the claim's own namespace."""
    ref = plan.spec.source.hugging_face.token_secret_ref
    if ref is None:
        return []
    source = remote.SecretKey(plan.claim.namespace, ref.name, ref.key)
    asked = plan.spec.source.restarted_at or ""
    return deliveries(plan, _TOKEN, source, "token", TOKEN_LABEL, asked_at=asked)


def _reader(plan: Plan) -> Reader:
    spec = plan.spec
    command = ["python3", "-c", PROGRAM, spec.model, spec.revision, WEIGHTS_FOLDER]
    if _consolidated(spec, plan.placement.engine_flags or ()):
        command.append("--consolidated")
    variables = {**_ENVIRONMENT, **plan.weights.variables}
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in variables.items()]
    if spec.source.hugging_face.token_secret_ref:
        secret = {"secretKeyRef": {"name": _TOKEN, "key": "token"}}
        env.append({"name": "HF_TOKEN", "valueFrom": secret})
    return Reader(command, env)


def _page(plan: Plan) -> str:
    return f"{plan.weights.endpoint.rstrip('/')}/{plan.spec.model}"


def _token(plan: Plan) -> str:
    """Name the token; empty without one."""
    ref = plan.spec.source.hugging_face.token_secret_ref
    return f"the token in Secret {plan.claim.namespace}/{ref.name}, key {ref.key}," if ref else ""


_NAME_A_TOKEN = (
    "put a token of that account into a Secret in this namespace and name it in "
    "spec.source.huggingFace.tokenSecretRef"
)


def _gated(plan: Plan) -> str:
    terms = f"accept its terms at {_page(plan)}"
    if token := _token(plan):
        return (
            f"{plan.spec.model} is gated, and {token} has no access to it: {terms} with the token's account"
        )
    return f"{plan.spec.model} is gated: {terms}, {_NAME_A_TOKEN}"


def _refused_token(plan: Plan) -> str:
    if token := _token(plan):
        return (
            f"{plan.weights.endpoint} refuses {token} for {plan.spec.model}: put a token into the Secret "
            f"that is "
            "valid and may read the model"
        )
    return (
        f"{plan.weights.endpoint} asks for a token: with an account that may read {plan.spec.model}, "
        f"{_NAME_A_TOKEN}"
    )


def _no_repository(plan: Plan) -> str:
    token = _token(plan)
    private = f"{token} may not read it" if token else "it is private and no token is named"
    return (
        f"there is no model {plan.spec.model} at {plan.weights.endpoint}, or {private}: correct spec.model, "
        f"or "
        f"{'give the token access' if token else 'name a token in spec.source.huggingFace.tokenSecretRef'}"
    )


def _no_revision(plan: Plan) -> str:
    return (
        f"{plan.spec.model} has no revision {plan.spec.revision}: set spec.revision to a branch, a tag or a "
        f"full "
        f"commit of {_page(plan)}"
    )


def _no_weights(plan: Plan) -> str:
    return (
        f"{plan.spec.model} at {plan.spec.revision} holds no weights that can be served (*.safetensors or "
        "pytorch_model*.bin), or its index names files that are not there: choose another repository or "
        "revision"
    )


def _full(plan: Plan) -> str:
    return (
        f"the files of {plan.spec.model} at {plan.spec.revision} do not fit the volume of {plan.volume_gib} "
        f"GiB: "
        f"set spec.source.volumeGiB to more than their size at {_page(plan)}/tree/{plan.spec.revision}"
    )


def _not_writable(plan: Plan) -> str:
    class_ = plan.placement.storage_class_name
    return (
        f"user {plan.user} may not write to the volume of "
        f"{f'StorageClass {class_}' if class_ else 'the default'}"
        f"{'' if class_ else ' StorageClass'} in {plan.placement.claim}: use a file system that follows "
        f"fsGroup, "
        "or set weights.user in function-vllm's input to a user who may"
    )


def _not_trusted(plan: Plan) -> str:
    return (
        f"the certificate of {plan.weights.endpoint}, or of a proxy before it, is not trusted: set "
        "weights.caBundle in function-vllm's input to the certificate of the authority that signed it"
    )


def _rate_limited(plan: Plan) -> str:
    more = "" if _token(plan) else "; a token in spec.source.huggingFace.tokenSecretRef raises the limit"
    return f"{plan.weights.endpoint} limits the requests that are made now (429): wait{more}"


def _unreachable(plan: Plan) -> str:
    through = f" through {plan.weights.proxy}" if plan.weights.proxy else ""
    return (
        f"pods of {plan.placement.claim} do not reach {plan.weights.endpoint}{through}, or it does not "
        f"answer: "
        "check the cluster's firewall and name servers, or set weights.proxy or weights.endpoint, a mirror, "
        "in "
        "function-vllm's input"
    )


def _incomplete(plan: Plan) -> str:
    return f"files of {plan.spec.model} did not arrive whole: wait, and if this lasts, look at {_page(plan)}"


_GATED = Cause("GatedModel", Whose.MODEL, _gated, LATER)
_CAUSES = {
    # The exit codes of hub_download.py.
    41: _GATED,
    42: Cause("TokenRefused", Whose.MODEL, _refused_token, LATER),
    43: Cause("RepositoryNotFound", Whose.MODEL, _no_repository, LATER),
    44: Cause("RevisionNotFound", Whose.MODEL, _no_revision, LATER),
    45: Cause("NoWeights", Whose.MODEL, _no_weights, LATER),
    46: Cause("VolumeFull", Whose.MODEL, _full, GROWS),
    47: Cause("VolumeNotWritable", Whose.PLATFORM, _not_writable, LATER),
    48: Cause("CertificateNotTrusted", Whose.PLATFORM, _not_trusted, LATER),
    51: Cause("RateLimited", Whose.INFRASTRUCTURE, _rate_limited, SOON),
    52: Cause("HubUnreachable", Whose.PLATFORM, _unreachable, SOON),
    53: Cause("Incomplete", Whose.INFRASTRUCTURE, _incomplete, SOON),
}


def _refused(plan: Plan) -> Cause | None:
    """Refuse a gated model without a token at the Hub itself; a mirror may need none."""
    known = models().get(plan.spec.model)
    public = plan.weights.endpoint.rstrip("/") == _HUB
    certain = public and known and known.gated and not _token(plan)
    return _GATED._replace(again=None) if certain else None


HUGGING_FACE = Source(
    field="hugging_face",
    identity=_identity,
    egress=_egress,
    credentials=_credentials,
    credential_names=resources_of(_TOKEN),
    reader=_reader,
    complete=remote.JOB_SUCCEEDED,
    causes=_CAUSES,
    refused=_refused,
    hint="check that a node of the node pool can start, and that the cluster has storage for the volume",
)
