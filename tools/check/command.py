"""What `freehold check` does: look at one thing after the other, and print a line for each."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from functions.base import Whose
from tools.check import applied, core, gpu_cluster, packages
from tools.check.finding import Finding, State, Unreadable
from tools.check.reading import Live, Reader
from tools.console import say, show, working
from tools.control_plane.api import Api
from tools.errors import Exit, ToolError

__all__ = ["CONTROL_PLANE", "GPU_CLUSTER", "findings", "reaching", "run"]

Check = Callable[[Reader], Iterator[Finding]]

CONTROL_PLANE: Sequence[tuple[str, Check]] = (
    ("Kubernetes", core.kubernetes),
    ("Crossplane", core.crossplane),
    ("packages", packages.needed_packages),
    ("kinds of providers", packages.kinds),
    ("XRDs", packages.definitions),
    ("compositions", packages.compositions),
    ("install.yaml", applied.installed),
    ("Crossplane's rights", packages.permissions),
)
"""What is looked at where claims are made, in the order in which it is installed."""
GPU_CLUSTER: Sequence[tuple[str, Check]] = (
    ("storage", gpu_cluster.storage),
    ("network policies", gpu_cluster.network_policies),
    ("GPUs", gpu_cluster.gpus),
)
"""What is looked at where Models run."""


def run(kubeconfig: Path | None, context: str | None, *, gpu: bool, json_output: bool) -> Exit:
    """Look at a cluster; print what was found, and return the exit code.

    Raises:
        ToolError: where the cluster cannot be reached, or does not know who asks.
    """
    # It tells of each try; what comes of them is told here.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    cluster = Live(_api(kubeconfig, context))
    with working("looks at the cluster"):
        cluster.version()
    found: list[Finding] = []
    for title, check in GPU_CLUSTER if gpu else CONTROL_PLANE:
        with working(f"looks at {title}"):
            found += findings(cluster, title, check)
    found = [reaching(each, kubeconfig, context) for each in found]
    bad = [each for each in found if each.is_bad]
    if json_output:
        print(json.dumps({"findings": [_plain(each) for each in found], "missing": len(bad)}, indent=2))
    else:
        for each in found:
            _print(each)
    say(f"looked at {len(found)} things; of these {len(bad)} are missing or cannot be read")
    return Exit.FAILED if bad else Exit.DONE


def findings(cluster: Reader, title: str, check: Check) -> list[Finding]:
    """Return what a check finds, and that something may not be read where it stops there."""
    found = []
    try:
        for each in check(cluster):
            found.append(each)
    except Unreadable as lacks:
        says = f"cannot be looked at further: you may not {lacks}"
        mend = f"kubectl auth can-i {lacks}, and ask for the right to"
        found.append(Finding(title, State.UNREADABLE, says, Whose.INFRASTRUCTURE, mend))
    return found


def _api(kubeconfig: Path | None, context: str | None) -> Api:
    from kubernetes.config import ConfigException

    try:
        return Api.of(kubeconfig, context or "")
    except (ConfigException, OSError) as error:
        where = kubeconfig or "the kubeconfig of KUBECONFIG or ~/.kube/config"
        raise ToolError(f"{where} names no cluster: {error}. Give --kubeconfig or --context") from error


def reaching(finding: Finding, kubeconfig: Path | None, context: str | None) -> Finding:
    """Have the commands reach the cluster that was looked at."""
    options = [f"--kubeconfig {kubeconfig}"] if kubeconfig else []
    options += [f"--context {context}"] if context else []
    if not options:
        return finding
    mend = finding.mend.replace("kubectl ", f"kubectl {' '.join(options)} ")
    helm = " ".join(options).replace("--context", "--kube-context")
    mend = mend.replace("helm upgrade ", f"helm {helm} upgrade ")
    return Finding(finding.subject, finding.state, finding.says, finding.whose, mend)


def _plain(finding: Finding) -> dict[str, str]:
    return {key: str(value) for key, value in asdict(finding).items()}


def _print(finding: Finding) -> None:
    whose = f" [{finding.whose}]" if finding.state is not State.OK else ""
    show(f"{finding.state:<10}  {finding.subject} {finding.says}{whose}")
    if finding.mend:
        show(f"{'':<12}{finding.mend}")
