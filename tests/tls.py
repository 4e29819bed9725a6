"""Certificates for the tests of real servers, made anew in every run and trusted by nobody else."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import trustme

__all__ = ["folder"]


@cache
def folder() -> Path:
    """Return a folder with what Crossplane mounts (tls.crt, tls.key, ca.crt), a client and a stranger."""
    made = Path(tempfile.mkdtemp(prefix="freehold-tls-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(made / "ca.crt"))
    for name, authority, identity in (
        ("tls", ours, "localhost"),
        ("client", ours, "crossplane"),
        ("stranger", theirs, "crossplane"),
    ):
        certificate = authority.issue_cert(identity, "127.0.0.1", common_name=identity)
        certificate.cert_chain_pems[0].write_to_path(str(made / f"{name}.crt"))
        certificate.private_key_pem.write_to_path(str(made / f"{name}.key"))
    return made
