"""Kubeconfigs that would have the agent run a command, read a file or call without encryption are not used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.kubeconfig import UnusableKubeconfig, usable
from tests.agent.deliveries import kubeconfig

SECRET = "a-token-that-no-message-repeats"


def changed(**cluster: Any) -> str:
    config = kubeconfig("https://gpu.example")
    config["clusters"][0]["cluster"] |= cluster
    return json.dumps(config)


def test_one_that_holds_all_is_used_and_other_contexts_are_not() -> None:
    config = kubeconfig("https://gpu.example", token=SECRET)
    config["users"].append({"name": "other", "user": {"exec": {"command": "sh"}}})
    used = usable(json.dumps(config))
    assert used["users"] == [{"name": "c", "user": {"token": SECRET}}]
    assert used["clusters"][0]["cluster"]["server"] == "https://gpu.example"


@pytest.mark.parametrize(
    ("user", "field"),
    [
        ({"exec": {"command": "sh", "args": [SECRET]}}, "exec"),
        ({"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}, "tokenFile"),
        ({"auth-provider": {"name": "gcp", "config": {"cmd-path": "sh"}}}, "auth-provider"),
        ({"client-certificate": "/tmp/x", "client-key": "/tmp/y"}, "client-certificate, client-key"),
        ({"token": SECRET, "as": "admin"}, "as"),
    ],
)
def test_one_that_makes_the_agent_act_is_not(user: dict[str, Any], field: str) -> None:
    with pytest.raises(UnusableKubeconfig) as refused:
        usable(json.dumps(kubeconfig("https://gpu.example", **user)))
    assert str(refused.value) == (
        f"uses {field}, which the agent does not: put a token, or a certificate with its key, and the authority's "
        "certificate into the kubeconfig"
    )


@pytest.mark.parametrize(
    "cluster", [{"certificate-authority": "/etc/passwd"}, {"proxy-url": "http://10.0.0.1"}]
)
def test_neither_files_nor_proxies_of_a_cluster(cluster: dict[str, str]) -> None:
    with pytest.raises(UnusableKubeconfig, match=f"uses {next(iter(cluster))},"):
        usable(changed(**cluster))


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(UnusableKubeconfig, match="names a server that is not https"):
        usable(changed(server="http://gpu.example"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        SECRET,
        f"token: [{SECRET}",
        f"current-context: {SECRET}",
        '{"contexts": 7}',
        "!!python/name:os.system",
    ],
)
def test_what_is_no_kubeconfig_is_not_repeated(text: str) -> None:
    with pytest.raises(UnusableKubeconfig) as refused:
        usable(text)
    assert str(refused.value) == "has no present context with a cluster and a user"
    assert refused.value.__cause__ is None
