"""What is said where no machine of its own can be made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e import machines
from tools.control_plane.processes import Processes
from tools.errors import ToolError
from tools.machine import cgroups, machine, needs


def test_only_root_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert needs.missing() == ["root: run it with sudo, or in a container that is privileged"]
    with pytest.raises(ToolError, match="no machine of its own can be made here; missing: root: run it with"):
        needs.check()


def test_a_controller_that_is_not_mounted_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs, "_may_unshare", lambda: False)
    only = [cgroups.Hierarchy("cgroup", option, tmp_path, "/") for option in ("cpu,cpuacct", "memory")]
    monkeypatch.setattr(cgroups, "hierarchies", lambda: only)
    found = needs.missing()
    assert "the cgroup controller pids, mounted below /sys/fs/cgroup" in found
    assert "the right to make namespaces (CAP_SYS_ADMIN): a container must be privileged" in found
    assert not any("cpu" in text for text in found)


def test_tests_are_skipped_with_the_reason_but_fail_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "missing", lambda: ["root"])
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="no machine of its own: missing root"):
        machines.require()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(
        pytest.fail.Exception, match="CI makes machines of its own, and here is missing: root"
    ):
        machines.require()


def test_hierarchies_are_read_from_the_kernels_own_words(tmp_path: Path) -> None:
    """Version 1 with two controllers in one mount, version 2, and a container's own root of a mount."""
    for name in ("v1/docker", "v2/user.slice", "inner"):
        (tmp_path / name).mkdir(parents=True)
    own = "9:memory:/docker\n4:cpu,cpuacct:/docker/abc/inner\n0::/user.slice\n"
    mounts = (
        f"30 23 0:26 / {tmp_path}/v1 rw shared:9 - cgroup cgroup rw,memory\n"
        f"31 23 0:27 /docker/abc {tmp_path} rw - cgroup cgroup rw,cpuacct,cpu\n"
        f"32 23 0:28 / {tmp_path}/v2 rw - cgroup2 cgroup2 rw,nsdelegate\n"
        f"33 23 0:29 / /elsewhere rw - ext4 /dev/sda rw\n"
    )
    found = cgroups.read(own, mounts)
    assert [(each.kind, each.option, each.folder) for each in found] == [
        ("cgroup", "memory", tmp_path / "v1" / "docker"),
        ("cgroup", "cpu,cpuacct", tmp_path / "inner"),
        ("cgroup2", "", tmp_path / "v2" / "user.slice"),
    ]


def test_a_clone_where_the_machine_has_other_folders_is_refused() -> None:
    words = (
        "/var/lib/clone/.tools/x cannot be a machine's folder: inside, /var/lib is another; move the clone"
    )
    with pytest.raises(ToolError, match=words):
        machine.start(Processes(Path("/var/lib/clone/.tools/x")))
