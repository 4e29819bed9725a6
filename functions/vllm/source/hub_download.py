"""The program of the download's container: weights from a Hugging Face Hub into a folder.

The Job carries this file's text (`python3 -c TEXT REPOSITORY REVISION FOLDER`). It needs Python 3.11 and
huggingface_hub, 0.34 or newer, which the image has. Nothing else of this package is there.

The folder is complete once it holds `.freehold/complete`, which is written last. A download that was
killed goes on with the files that are missing, of the commit that the first one found. The exit code, and
one line of JSON in the container's termination message, say why a download ended.
"""

from __future__ import annotations

import argparse
import errno
import fnmatch
import json
import os
import re
import shutil
import signal
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

# What trying again does not mend.
GATED = (41, "GatedModel")
TOKEN_REFUSED = (42, "TokenRefused")
NO_REPOSITORY = (43, "RepositoryNotFound")
NO_REVISION = (44, "RevisionNotFound")
NO_WEIGHTS = (45, "NoWeights")
VOLUME_FULL = (46, "VolumeFull")
NOT_WRITABLE = (47, "VolumeNotWritable")
NOT_TRUSTED = (48, "CertificateNotTrusted")
# What may pass.
RATE_LIMITED = (51, "RateLimited")
UNREACHABLE = (52, "HubUnreachable")
INCOMPLETE = (53, "Incomplete")
OTHER = (1, "DownloadFailed")

WEIGHTS = (
    # Files of the weights in the repository's own folder, and the index that says which of them are needed.
    # The first format that a repository holds is taken.
    ("*.safetensors", "model.safetensors.index.json"),
    ("consolidated*.safetensors", "consolidated.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
)
CONSOLIDATED = "consolidated*"
BESIDE = ("*.json", "*.txt", "*.model", "*.model.v*", "*.tiktoken", "*.jinja", "*.py", "*/*.safetensors")
"""What an engine needs beside the weights: the last are layers of embedding models (2_Dense) and adapters."""
OTHER_FORMATS = ("original/*", "metal/*", "onnx/*", "openvino/*", "coreml/*", "gguf/*")
"""Folders that hold the same weights once more."""
WORKERS = 8
WAITS_SECONDS = (5, 20)
"""Between tries without any progress; after the last one the program ends."""
LONGEST_WAIT_SECONDS = 300
"""For a Hub that asks to wait: huggingface.co counts requests in spans of five minutes."""


class DownloadError(Exception):
    """Why a download ended, and whether trying again may help."""

    def __init__(self, kind: tuple[int, str], message: str) -> None:
        """Take the exit code with the reason, and what is wrong in words."""
        super().__init__(message)
        self.code, self.reason = kind


def main() -> NoReturn:
    """Download, report and exit."""
    # The first process of a container ignores SIGTERM otherwise, and is killed half a minute later.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    parser = argparse.ArgumentParser()
    parser.add_argument("repository")
    parser.add_argument("revision")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--consolidated", action="store_true", help="take consolidated*.safetensors")
    parser.add_argument("--report", type=Path, default=Path("/dev/termination-log"))
    args = parser.parse_args()
    _trust_own_ca()
    try:
        told = persistently(
            args.repository, args.revision, args.folder.resolve(), consolidated=args.consolidated
        )
        code = 0
    except Exception as error:
        failure = failure_of(error)
        told, code = {"reason": failure.reason, "message": str(failure)}, failure.code
    line = json.dumps(told)
    print(line, flush=True)
    try:
        args.report.write_text(line[:4096])
    except OSError as error:
        print(f"{args.report}: {error}", file=sys.stderr, flush=True)
    # Threads of other files may still wait for the network.
    os._exit(code)


def _trust_own_ca() -> None:
    """Trust the certificates in CA_BUNDLE beside the public ones."""
    own = os.environ.get("CA_BUNDLE")
    if not own:
        return
    import certifi

    bundle = Path(os.environ.get("HOME", "/tmp"), "ca.pem")
    bundle.write_text(Path(certifi.where()).read_text() + "\n" + own)
    # httpx and hf_xet; requests, of huggingface_hub before 1.0.
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)


def persistently(repository: str, revision: str, folder: Path, *, consolidated: bool) -> dict[str, Any]:
    """Download, and try again after a failure that may pass, as long as more files arrive.

    Raises:
        DownloadError: when the weights are not complete.
    """
    waits, arrived = list(WAITS_SECONDS), -1
    while True:
        try:
            return download(repository, revision, folder, consolidated=consolidated)
        except Exception as error:
            failure = failure_of(error)
            now = sum(1 for _ in _arrived(folder))
            if now > arrived:
                waits, arrived = list(WAITS_SECONDS), now
            if failure.code not in (RATE_LIMITED[0], UNREACHABLE[0], INCOMPLETE[0]) or not waits:
                raise failure from error
            wait = max(waits.pop(0), _asked_to_wait(error))
            print(f"{failure.reason}: {failure}; trying again in {wait} s", flush=True)
            time.sleep(wait)


def _arrived(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.is_file())


def download(repository: str, revision: str, folder: Path, *, consolidated: bool) -> dict[str, Any]:
    """Download what is missing of a repository's weights, and return what is complete.

    Raises:
        DownloadError: for what this program finds itself.
        Exception: of huggingface_hub, for what the Hub says.
    """
    state = folder / ".freehold"
    same = {"repository": repository, "revision": revision}
    done = _read(state / "complete")
    if done.items() >= same.items() and not _missing(folder, done["sizes"]):
        return _report(done)
    state.mkdir(exist_ok=True)
    (state / "complete").unlink(missing_ok=True)
    _remove_leftovers(folder)
    begun = _read(state / "begun")
    pinned = begun["commit"] if begun.items() >= same.items() else None
    info = _info(repository, revision, pinned)
    _write(state / "begun", {**same, "commit": info.sha})
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    print(f"{repository} at {revision} is commit {info.sha}", flush=True)
    get = partial(_get, repository, info.sha, folder)
    wanted = wanted_files(sizes, consolidated=consolidated, get=get)
    _remove_others(folder, wanted)
    _check_room(folder, wanted)
    _fetch(get, folder, wanted)
    missing = _missing(folder, wanted)
    if missing:
        raise DownloadError(INCOMPLETE, f"{_some(missing)} did not arrive whole")
    os.sync()
    done = {**same, "commit": info.sha, "sizes": {name: (folder / name).stat().st_size for name in wanted}}
    _write(state / "complete", done)
    return _report(done)


def _report(done: Mapping[str, Any]) -> dict[str, Any]:
    sizes = done["sizes"].values()
    return {"commit": done["commit"], "bytes": sum(sizes), "files": len(sizes)}


def _info(repository: str, revision: str, pinned: str | None) -> Any:
    """Ask the Hub for the files of a commit; of the revision if the pinned commit is gone."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        return HfApi().model_info(repository, revision=pinned or revision, files_metadata=True)
    except RevisionNotFoundError:
        if pinned is None:
            raise
        return HfApi().model_info(repository, revision=revision, files_metadata=True)


def _get(repository: str, commit: str, folder: Path, name: str) -> Path:
    """Download one file, unless it is there."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name, revision=commit, local_dir=folder))


def wanted_files(
    sizes: Mapping[str, int | None], *, consolidated: bool, get: Callable[[str], Path]
) -> dict[str, int | None]:
    """Return the files to download with their sizes in bytes; None for a size that the Hub does not say.

    Args:
        sizes: of all files in the repository.
        consolidated: whether `consolidated*` is taken where other files hold the same weights.
        get: downloads a file of the repository.

    Raises:
        DownloadError: for a repository without weights, or with an index of files that it has not got.
    """
    formats = [WEIGHTS[1], WEIGHTS[0], WEIGHTS[2]] if consolidated else list(WEIGHTS)
    weights, index = next(filter(lambda found: found[0], (_of_format(sizes, *f) for f in formats)), ((), ""))
    if index:
        weights = tuple(sorted(set(_read(get(index)).get("weight_map", {}).values())))
        absent = [name for name in weights if name not in sizes]
        if absent:
            raise DownloadError(
                NO_WEIGHTS, f"{index} names {_some(absent)}, which the repository does not hold"
            )
    if not weights:
        raise DownloadError(
            NO_WEIGHTS, "the repository holds neither *.safetensors nor pytorch_model*.bin files"
        )
    keep = any(fnmatch.fnmatch(name, CONSOLIDATED) for name in weights)
    beside = [
        name
        for name in sizes
        if _matches(name, BESIDE)
        and not _matches(name, OTHER_FORMATS)
        and (keep or not fnmatch.fnmatch(name, CONSOLIDATED))
    ]
    return {name: sizes[name] for name in (*beside, *weights)}


def _of_format(sizes: Iterable[str], pattern: str, index: str) -> tuple[tuple[str, ...], str]:
    """Return the weights of a format, and their index if there is one."""
    names = [
        name
        for name in sizes
        if "/" not in name
        and fnmatch.fnmatch(name, pattern)
        and (pattern.startswith("consolidated") or not fnmatch.fnmatch(name, CONSOLIDATED))
    ]
    return tuple(names), index if names and index in sizes else ""


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _remove_leftovers(folder: Path) -> None:
    """Remove files of downloads that were killed: huggingface_hub neither resumes nor removes them."""
    for path in (folder / ".cache" / "huggingface" / "download").rglob("*.incomplete"):
        path.unlink(missing_ok=True)


def _remove_others(folder: Path, wanted: Mapping[str, int | None]) -> None:
    """Remove weights of another commit, and files that are not whole."""
    for pattern in ("*.safetensors", "*.bin"):
        for path in folder.rglob(pattern):
            if path.relative_to(folder).as_posix() not in wanted:
                path.unlink()
    for name in _missing(folder, wanted):
        (folder / name).unlink(missing_ok=True)


def _check_room(folder: Path, wanted: Mapping[str, int | None]) -> None:
    missing = sum(wanted[name] or 0 for name in _missing(folder, wanted))
    free = shutil.disk_usage(folder).free
    if missing > free:
        whole = sum(size or 0 for size in wanted.values())
        raise DownloadError(
            VOLUME_FULL,
            f"the files are {_gib(whole)} GiB; {_gib(missing)} GiB are missing and the volume has "
            f"{_gib(free)} GiB left",
        )


def _fetch(get: Callable[[str], Path], folder: Path, wanted: Mapping[str, int | None]) -> None:
    names = _missing(folder, wanted)
    whole = sum(wanted[name] or 0 for name in names)
    print(f"{len(names)} files of {len(wanted)} to download, {_gib(whole)} GiB", flush=True)

    pool = ThreadPoolExecutor(WORKERS)
    try:
        for number, path in enumerate(pool.map(get, names), 1):
            print(f"{number} of {len(names)}: {path.relative_to(folder)}", flush=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _missing(folder: Path, wanted: Mapping[str, int | None]) -> list[str]:
    """Return the files that are not there, not of their size or, as safetensors, cut off."""
    return [name for name, size in wanted.items() if not _is_whole(folder / name, size)]


def _is_whole(path: Path, size: int | None) -> bool:
    if not path.is_file() or size not in (None, path.stat().st_size):
        return False
    return path.suffix != ".safetensors" or path.stat().st_size == _safetensors_size(path)


def _safetensors_size(path: Path) -> int:
    """Return the size that a file of safetensors says it has, in bytes; -1 for one that cannot be read.

    https://huggingface.co/docs/safetensors: the length of the header, the header, and the tensors.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > path.stat().st_size:
            return -1
        try:
            tensors = json.loads(file.read(length))
        except ValueError:
            return -1
    ends = (entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__")
    return 8 + length + max(ends, default=0)


def failure_of(error: Exception) -> DownloadError:
    """Say what an exception of huggingface_hub, of the network or of the file system means."""
    if isinstance(error, DownloadError):
        return error
    chain = list(_chain(error))
    hub, plain = (
        [getattr(e, "server_message", None) for e in chain],
        [str(e).strip() for e in reversed(chain)],
    )
    text = next(filter(None, (*hub, *plain)), type(error).__name__).partition("\n")[0]
    kinds = {kind.__name__ for e in chain for kind in type(e).__mro__}
    everything = " ".join(map(str, chain))
    # An error of TLS has a number of its own, and 1 is not "operation not permitted" there.
    numbers = {e.errno for e in chain if isinstance(e, OSError) and not isinstance(e, ssl.SSLError)}
    if numbers & {errno.ENOSPC, errno.EDQUOT} or "os error 28" in everything or "os error 122" in everything:
        return DownloadError(VOLUME_FULL, text)
    if numbers & {errno.EACCES, errno.EPERM, errno.EROFS}:
        return DownloadError(NOT_WRITABLE, text)
    return DownloadError(_said_by_hub(kinds, _status(chain)) or _network(kinds, everything) or OTHER, text)


def _said_by_hub(kinds: set[str], status: int) -> tuple[int, str] | None:
    if "GatedRepoError" in kinds:
        return GATED
    if "RevisionNotFoundError" in kinds:
        return NO_REVISION
    # Without a token the Hub answers 401 for what does not exist, too. To huggingface_hub every 401 is that.
    refused = TOKEN_REFUSED if os.environ.get("HF_TOKEN") else NO_REPOSITORY
    if "RepositoryNotFoundError" in kinds:
        return refused if status == 401 else NO_REPOSITORY
    by_status = {401: refused, 403: TOKEN_REFUSED, 404: NO_REPOSITORY, 429: RATE_LIMITED}
    return by_status.get(status) or (UNREACHABLE if status >= 500 else None)


def _network(kinds: set[str], text: str) -> tuple[int, str] | None:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return NOT_TRUSTED
    # httpx, requests, and what huggingface_hub says of an answer that is not the Hub's.
    signs = {"TransportError", "RequestException", "ConnectionError", "TimeoutError", "FileMetadataError"}
    return UNREACHABLE if kinds & {*signs, "LocalEntryNotFoundError"} else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(chain: Iterable[BaseException]) -> int:
    """Return the HTTP status that the Hub answered; 0 without an answer."""
    found = (getattr(getattr(e, "response", None), "status_code", 0) for e in chain)
    return next(filter(None, found), 0)


def _asked_to_wait(error: Exception) -> int:
    """Return the seconds that the Hub asks to wait, at most `LONGEST_WAIT_SECONDS`."""
    for e in _chain(error):
        header = getattr(getattr(e, "response", None), "headers", {}).get("Retry-After", "")
        # As huggingface_hub words the Hub's header RateLimit.
        found = re.search(r"Retry after (\d+) seconds", f"Retry after {header} seconds {e}")
        if found:
            return min(int(found[1]), LONGEST_WAIT_SECONDS)
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"


if __name__ == "__main__":
    main()
