"""An authority of this control plane's own, and what it signs, made by openssl."""

import shutil
import subprocess
from pathlib import Path

from tools.errors import ToolError, last_lines

_DAYS = "3650"


class Authority:
    """`ca.crt` and `ca.key` in a folder, and certificates beside them."""

    def __init__(self, folder: Path) -> None:
        """Make the authority."""
        if shutil.which("openssl") is None:
            raise ToolError(
                "a control plane needs openssl for its certificates: install it (apt install openssl)"
            )
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # Crossplane reads the key of its authority as PKCS #1 alone.
        _openssl("genrsa", "-traditional", "-out", str(self.key), "2048")
        _openssl(
            *("req", "-x509", "-new", "-key", str(self.key), "-out", str(self.certificate)),
            *("-days", _DAYS, "-subj", "/CN=freehold-control-plane"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    @property
    def certificate(self) -> Path:
        """The certificate that everyone here trusts."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """Its key."""
        return self.folder / "ca.key"

    def serve(self, name: str, *hosts: str) -> Path:
        """Return a new folder of tls.crt, tls.key and ca.crt for a server at 127.0.0.1 and the hosts."""
        folder = self.folder / name
        folder.mkdir()
        key, request, extensions = folder / "tls.key", folder / "tls.csr", folder / "extensions"
        names = ",".join(["IP:127.0.0.1", "DNS:localhost", *(f"DNS:{host}" for host in hosts)])
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key))
        _openssl("req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-out", str(request))
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.key)),
            *("-days", _DAYS, "-extfile", str(extensions), "-out", str(folder / "tls.crt")),
        )
        shutil.copy(self.certificate, folder / "ca.crt")
        return folder


def signing_key(path: Path) -> None:
    """Write a key that service account tokens are signed with."""
    _openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(path))


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"`openssl {arguments[0]}` failed:\n{last_lines(done.stderr)}")
