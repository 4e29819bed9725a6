"""containerd, which runs containers by runc and pulls images from the control plane's registry alone."""

from pathlib import Path

from tools.control_plane.layout import Layout
from tools.images.kinds import pause
from tools.node.binaries import CONTAINERD, PLUGINS, SHIM

NAME = "containerd"
SOCKET = "/run/containerd/containerd.sock"
_CONFIGURATION = """version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [{disabled}]
[grpc]
  address = "{socket}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{mirrors}"
[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE, as here and there in a container, a score can only be raised.
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_selinux = false
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  runtime_path = "{shim}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "runc"
  SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["{plugins}"]
  conf_dir = "{network}"
"""
_DISABLED = (
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.nri.v1.nri",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.internal.v1.tracing",
)
_MIRROR = """server = "https://{registry}"
[host."https://{registry}"]
  capabilities = ["pull", "resolve"]
  ca = "{authority}"
"""


def command(layout: Layout, registry: str, network: Path) -> list[str]:
    """Write containerd's files; return its command.

    Args:
        layout: of the control plane.
        registry: HOST:PORT of the registry that stands in for every other: images have their own names.
        network: the folder of the pod network's configuration.
    """
    folder = layout.folder / NAME
    mirrors = ask(layout, registry)
    configuration = folder / "config.toml"
    configuration.write_text(
        _CONFIGURATION.format(
            disabled=", ".join(f'"{name}"' for name in _DISABLED),
            socket=SOCKET,
            pause=pause.KIND.reference,
            mirrors=mirrors,
            shim=SHIM.path(),
            plugins=_plugins(folder / "plugins"),
            network=network,
        )
    )
    return [str(CONTAINERD.path()), f"--config={configuration}"]


def ask(layout: Layout, registry: str, of: str = "_default") -> Path:
    """Have containerd ask a registry, HOST:PORT, for images of a host; return the folder of all that it asks.

    Args:
        layout: of the control plane, whose authority has signed the registry's certificate.
        registry: the registry.
        of: the host, as images are named; by default every host that nothing is said of.
    """
    mirrors = layout.folder / NAME / "mirrors"
    (mirrors / of).mkdir(parents=True, exist_ok=True)
    text = _MIRROR.format(registry=registry, authority=layout.certificates / "ca.crt")
    (mirrors / of / "hosts.toml").write_text(text)
    return mirrors


def _plugins(folder: Path) -> Path:
    """Link the network's plugins, which are found by their names, in one folder."""
    folder.mkdir(exist_ok=True)
    for plugin in PLUGINS:
        (folder / plugin.name).symlink_to(plugin.path())
    return folder
