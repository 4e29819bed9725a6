"""A certificate authority of one control plane, and the certificates that it signs."""

from pathlib import Path
from typing import Self

import trustme


class Authority:
    """A certificate authority: `ca.crt` and `ca.key` in a folder, and a folder for each certificate."""

    def __init__(self, folder: Path, made: trustme.CA | None = None) -> None:
        """Make the authority's key and certificate in a folder, unless they were made before."""
        self.folder = folder
        if made is not None:
            self._authority = made
            return
        folder.mkdir(parents=True, exist_ok=True)
        # Crossplane reads the key of its authority as PKCS #1 alone, so it must be an RSA key.
        self._authority = trustme.CA(key_type=trustme.KeyType.RSA)
        self.certificate.write_bytes(self._authority.cert_pem.bytes())
        _write_key(self.key, self._authority.private_key_pem)

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return the authority of a folder, made before. Raises FileNotFoundError where none was."""
        made = trustme.CA.from_pem((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())
        return cls(folder, made)

    @property
    def certificate(self) -> Path:
        """The path of the authority's certificate."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """The path of the authority's key."""
        return self.folder / "ca.key"

    def serve(self, name: str, *hosts: str) -> Path:
        """Return a new folder of tls.crt, tls.key and ca.crt, for a server at 127.0.0.1 and these hosts."""
        folder = self.folder / name
        folder.mkdir()
        signed = self._authority.issue_cert("127.0.0.1", "localhost", *hosts, common_name=name)
        (folder / "tls.crt").write_bytes(signed.cert_chain_pems[0].bytes())
        _write_key(folder / "tls.key", signed.private_key_pem)
        (folder / "ca.crt").write_bytes(self.certificate.read_bytes())
        return folder


def signing_key(path: Path) -> None:
    """Write a new key for the API server to sign service account tokens with."""
    # trustme makes keys with authorities alone; this authority signs nothing.
    _write_key(path, trustme.CA().private_key_pem)


def _write_key(path: Path, key: trustme.Blob) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.bytes())
