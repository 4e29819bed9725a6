"""An authority of this control plane's own, and what it signs."""

from pathlib import Path

import trustme


class Authority:
    """`ca.crt` and `ca.key` in a folder, and certificates beside them."""

    def __init__(self, folder: Path) -> None:
        """Make the authority."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # Crossplane reads the key of its authority as PKCS #1 alone, so it must be an RSA key.
        self._authority = trustme.CA(key_type=trustme.KeyType.RSA)
        self.certificate.write_bytes(self._authority.cert_pem.bytes())
        _write_key(self.key, self._authority.private_key_pem)

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
        signed = self._authority.issue_cert("127.0.0.1", "localhost", *hosts, common_name=name)
        (folder / "tls.crt").write_bytes(signed.cert_chain_pems[0].bytes())
        _write_key(folder / "tls.key", signed.private_key_pem)
        (folder / "ca.crt").write_bytes(self.certificate.read_bytes())
        return folder


def signing_key(path: Path) -> None:
    """Write a key that service account tokens are signed with."""
    # The key of an authority that signs no certificate: no more is needed than a new key.
    _write_key(path, trustme.CA().private_key_pem)


def _write_key(path: Path, key: trustme.Blob) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.bytes())
