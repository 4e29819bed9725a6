from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.control_plane.certificates import Authority
from tools.control_plane.layout import ADMIN, USERS, Layout, free_ports


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    Authority(found.certificates)
    found.write_users(6443)
    return found


def test_free_ports_differ() -> None:
    ports = free_ports(30)
    assert len(set(ports)) == 30
    assert all(port > 1023 for port in ports)


def test_ports_are_given_to_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of planes that start at once, before a server of any listens."""
    monkeypatch.setattr("tools.paths.CACHE", tmp_path)
    given = [port for _ in range(100) for port in free_ports(13)]
    assert len(set(given)) == len(given)


def test_no_token_is_for_others_to_read(layout: Layout) -> None:
    paths = [layout.tokens, *(layout.kubeconfig(user) for user in USERS)]
    assert {path.name: path.stat().st_mode & 0o777 for path in paths} == {path.name: 0o600 for path in paths}


def test_every_user_has_a_token_of_its_own(layout: Layout) -> None:
    tokens = [line.split(",")[0] for line in layout.tokens.read_text().splitlines()]
    assert len(set(tokens)) == len(USERS)
    for user, token in zip(USERS, tokens, strict=True):
        [entry] = json.loads(layout.kubeconfig(user).read_text())["users"]
        assert entry == {"name": user, "user": {"token": token}}


def test_only_the_administrator_may_do_all(layout: Layout) -> None:
    masters = [line for line in layout.tokens.read_text().splitlines() if "system:masters" in line]
    assert [line.split(",")[1] for line in masters] == [USERS[ADMIN][0]]


def test_the_api_of_a_user_is_reached_with_its_token(layout: Layout) -> None:
    api = layout.api("scheduler")
    configuration = api.client.configuration
    assert configuration.host == "https://127.0.0.1:6443"
    token = configuration.get_api_key_with_prefix("BearerToken").removeprefix("Bearer ")
    assert f"{token},system:kube-scheduler," in layout.tokens.read_text()


def test_a_portable_kubeconfig_needs_no_file(layout: Layout) -> None:
    text = layout.portable_kubeconfig()
    assert str(layout.folder) not in text
    assert json.loads(text)["clusters"][0]["cluster"].keys() == {"server", "certificate-authority-data"}
