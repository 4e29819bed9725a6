"""The three functions as real processes over gRPC: start, refuse to start, serve, stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from crossplane.function.proto.v1 import run_function_pb2 as fnv1
from crossplane.function.proto.v1 import run_function_pb2_grpc as grpcv1

from functions.base.server import MAX_MESSAGE_MB
from functions.base.wire import to_struct
from functions.main import FUNCTIONS
from tests.tls import folder
from tools.control_plane.waiting import patience

CERTIFICATES = folder()
ROOT = Path(__file__).parent.parent
SECONDS = 20 * patience()
"""More than anything here takes; a server that hangs fails its test."""


class Server(NamedTuple):
    process: subprocess.Popen[str]
    address: str


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def running(*command: str, address: str = "") -> Iterator[Server]:
    """Run a server on a free port until the end of the block."""
    address = address or free_address()
    process = subprocess.Popen(
        [sys.executable, *command, "--address", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process, address)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def calling(server: Server, credentials: grpc.ChannelCredentials | None = None) -> Iterator[grpc.Channel]:
    """Connect to a server once it listens."""
    options = [("grpc.max_send_message_length", -1), ("grpc.initial_reconnect_backoff_ms", 50)]
    if credentials is None:
        channel = grpc.insecure_channel(server.address, options)
    else:
        channel = grpc.secure_channel(server.address, credentials, options)
    with channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=SECONDS)
        except grpc.FutureTimeoutError:
            server.process.kill()
            pytest.fail(f"not reachable: {server.process.communicate()[1]}")
        yield channel


def ask(channel: grpc.Channel, message: fnv1.RunFunctionRequest) -> fnv1.RunFunctionResponse:
    stub = grpcv1.FunctionRunnerServiceStub(channel)  # type: ignore[no-untyped-call]  # generated so
    answer = stub.RunFunction(message, timeout=SECONDS)
    assert isinstance(answer, fnv1.RunFunctionResponse)
    return answer


def request(megabytes: int = 0) -> fnv1.RunFunctionRequest:
    """Return a request for a composite that no function accepts, with so much else observed."""
    message = fnv1.RunFunctionRequest()
    message.meta.tag = "over-the-wire"
    to_struct({"apiVersion": "v1", "kind": "X", "spec": {"x": 1}}, message.observed.composite.resource)
    if megabytes:
        to_struct({"data": "x" * (megabytes << 20)}, message.observed.resources["large"].resource)
    return message


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One function, insecure."""
    with running("-m", "functions", next(iter(FUNCTIONS)), "--insecure") as started:
        yield started


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_serves_and_stops(name: str) -> None:
    with running("-m", "functions", name, "--insecure") as server:
        with calling(server) as channel:
            assert ask(channel, request()).meta.tag == "over-the-wire"
        server.process.send_signal(signal.SIGTERM)
        out, err = server.process.communicate(timeout=SECONDS)
    assert (server.process.returncode, out) == (0, ""), "SIGTERM is how a pod is stopped"
    assert "Traceback" not in err


def test_every_observed_object_may_be_in_one_message(server: Server) -> None:
    with calling(server) as channel:
        assert ask(channel, request(megabytes=9)).meta.tag == "over-the-wire", "gRPC's own limit is 4 MB"


def test_the_limit_can_be_set() -> None:
    with (
        running("-m", "functions", "cluster-stack", "--insecure", "--max-recv-message-size", "1") as small,
        calling(small) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        ask(channel, request(megabytes=2))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


WAITING = """
import sys, threading
from functions.base import Condition, Function, Outcome, Status, Whose
from functions.base.server import serve

both = threading.Barrier(2)

def compose(request):
    both.wait(timeout=10)  # until the other request is being answered too
    return Outcome(conditions=(Condition("Met", Status.TRUE, "Met", "met", Whose.PLATFORM),))

options = dict(debug=False, address=sys.argv[-1], tls_certs_dir=None, insecure=True)
options |= dict(max_recv_message_size=4, max_send_message_size=None)
serve(Function("waiting", ("Met",), (), Whose.PLATFORM, compose), options)
"""


def test_a_slow_request_does_not_block_another() -> None:
    with running("-c", WAITING) as server, calling(server) as channel, ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda _: ask(channel, request()), range(2)))
    assert [[c.reason for c in a.conditions] for a in answers] == [["Met"], ["Met"]]


# Certificates


def read(name: str) -> bytes:
    return (CERTIFICATES / name).read_bytes()


def client(name: str) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(read("ca.crt"), read(f"{name}.key"), read(f"{name}.crt"))


@pytest.fixture(scope="module")
def secure() -> Iterator[Server]:
    """One function with certificates, as Crossplane runs it."""
    with running("-m", "functions", "cluster-stack", "--tls-certs-dir", str(CERTIFICATES)) as started:
        yield started


def test_crossplane_is_let_in_by_its_certificate(secure: Server) -> None:
    with calling(secure, client("client")) as channel:
        assert ask(channel, request()).meta.tag == "over-the-wire"


REFUSED = {
    "no certificate": grpc.ssl_channel_credentials(read("ca.crt")),
    "a certificate of another authority": client("stranger"),
    "no encryption": None,
}


@pytest.mark.parametrize("who", REFUSED)
def test_nobody_else_is_let_in(secure: Server, who: str) -> None:
    with calling(secure, client("client")):
        pass  # it listens
    credentials = REFUSED[who]
    channel = (
        grpc.secure_channel(secure.address, credentials)
        if credentials
        else grpc.insecure_channel(secure.address)
    )
    with channel, pytest.raises(grpc.RpcError) as refused:
        ask(channel, request())
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


# Starting


class Failure(NamedTuple):
    name: str
    options: tuple[str, ...]
    says: str


def bad_certificates(at: Path, **contents: str) -> str:
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (at / name).write_text(contents.get(name.replace(".", "_"), read(name).decode()))
    return str(at)


def failure_of(*options: str, address: str) -> str:
    """Start a server that cannot start; return its one line."""
    with running("-m", "functions", "cluster-stack", *options, address=address) as server:
        out, err = server.process.communicate(timeout=SECONDS)
    assert (server.process.returncode, out) == (1, "")
    assert err.count("\n") == 1, f"one line, not: {err}"
    start = f"function-cluster-stack cannot start on {address}: "
    assert err.startswith(start)
    return err.removeprefix(start).rstrip()


def test_insecure_goes_before_certificates() -> None:
    command = ("-m", "functions", "cluster-stack", "--insecure", "--tls-certs-dir", "/none")
    with running(*command) as server, calling(server) as channel:
        assert ask(channel, request()).meta.tag == "over-the-wire"


def test_a_taken_port(server: Server) -> None:
    with calling(server):
        said = failure_of("--insecure", address=server.address)
    assert "Address already in use" in said


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:99999", "port 99999 is not between 0 and 65535"),
        ("nowhere.invalid:9443", "nowhere.invalid"),
        ("9443", "it is not HOST:PORT"),
        ("127.0.0.1:http", "it is not HOST:PORT"),
    ],
)
def test_a_wrong_address(address: str, says: str) -> None:
    assert says in failure_of("--insecure", address=address)


def test_no_credentials() -> None:
    assert "--tls-certs-dir or --insecure" in failure_of(address=free_address())


def test_no_certificates(tmp_path: Path) -> None:
    said = failure_of("--tls-certs-dir", str(tmp_path / "none"), address=free_address())
    assert f"No such file or directory: '{tmp_path}/none/tls.crt'" in said


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ({"tls_crt": "not a certificate"}, "tls.crt and tls.key are not a certificate and its key"),
        ({"tls_key": read("client.key").decode()}, "tls.crt and tls.key are not a certificate and its key"),
        ({"ca_crt": "not a certificate"}, "ca.crt is not a certificate"),
    ],
    ids=["certificate", "key-of-another", "authority"],
)
def test_wrong_certificates(tmp_path: Path, contents: dict[str, str], says: str) -> None:
    directory = bad_certificates(tmp_path, **contents)
    assert says in failure_of("--tls-certs-dir", directory, address=free_address())


def test_help_names_the_functions_and_the_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "functions", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"{{{'|'.join(sorted(FUNCTIONS))}}}" in done.stdout
    assert f"[default: {MAX_MESSAGE_MB}]" in done.stdout.replace("\n", " ").replace("  ", "")
    assert done.stderr == ""


def test_an_unknown_function_names_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "functions", "vlm"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in FUNCTIONS)
