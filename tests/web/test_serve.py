"""Starting and ending a server: address, port, certificate, proxy, Ctrl-C; each mistake is one sentence."""

import contextlib
import io
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.waiting import LAST_RESORT_S, until_true
from tests.web import server_process
from tests.web.site_under_test import PASSWORD, QUICK, Clock
from web.access import Access
from web.errors import ListenError
from web.roles import Role
from web.serve import Listen, address_of, bind, site_of

PROGRAM = [sys.executable, "-m", "tests.web.server_process"]


def add_user(folder: Path) -> str:
    """A user, and a token for the test; gives its secret."""
    with contextlib.closing(Access(folder / "a.sqlite", Clock(), hasher=QUICK)) as access:
        access.add_user("ana", PASSWORD, Role.MANAGE)
        return access.add_token("test", Role.SEE)


@contextlib.contextmanager
def serving(folder: Path, *words: str, end: signal.Signals = signal.SIGINT) -> Iterator[str]:
    """The server's address, as it tells it; ended by a signal, after which it must end well and by itself."""
    log = folder / "log"
    command = [*PROGRAM, "serve", "--access", str(folder / "a.sqlite"), *words]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            until_true(lambda: "serves " in log.read_text() or process.poll() is not None, "the server")
            assert process.poll() is None, log.read_text()
            yield log.read_text().partition("serves ")[2].split()[0]
        finally:
            process.send_signal(end)
            code = process.wait(LAST_RESORT_S)
    text = log.read_text()
    assert "Traceback" not in text, text
    assert code == (0 if end is signal.SIGINT else -end), text
    assert "has ended" in text or end is not signal.SIGINT


def refusal(folder: Path, *words: str) -> str:
    """What the server says instead of starting."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        assert server_process.main(["serve", "--access", str(folder / "a.sqlite"), *words]) == 2
    [line] = errors.getvalue().splitlines()
    return line


def certificate(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """A certificate of its own for this machine, as somebody makes one for a farm's network."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(days=1),
        now + timedelta(days=9),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_streams_open(tmp_path: Path, end: signal.Signals) -> None:
    """Ctrl-C ends the server while pages stand open, and one of them takes nothing any more."""
    with serving(tmp_path, end=end) as address:
        stuck = socket.create_connection(("127.0.0.1", httpx.URL(address).port or 0))
        stuck.sendall(b"GET /events?after=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        streams = contextlib.ExitStack()
        clients = [streams.enter_context(httpx.Client(timeout=LAST_RESORT_S)) for _ in range(3)]
        responses = [streams.enter_context(client.stream("GET", f"{address}events")) for client in clients]
        for response in responses:
            lines = response.iter_lines()
            assert any(line.startswith("id: ") for line in lines)
    with streams, contextlib.suppress(httpx.HTTPError):
        assert all(response.is_stream_consumed or not list(response.iter_raw()) for response in responses)
    stuck.close()


def test_a_stream_over_a_real_server_goes_on(tmp_path: Path) -> None:
    """Many events in a row, one number after the other."""
    with serving(tmp_path) as address, httpx.stream("GET", f"{address}events", timeout=LAST_RESORT_S) as response:
        numbers = []
        for line in response.iter_lines():
            if line.startswith("id: "):
                numbers.append(int(line.removeprefix("id: ")))
            if len(numbers) == 12:
                break
    assert numbers == list(range(numbers[0], numbers[0] + 12))


def test_without_users_it_is_for_this_machine_alone(tmp_path: Path) -> None:
    """It refuses another address, and a proxy before it, with one sentence each; with a user it takes both."""
    assert refusal(tmp_path, "--host", "0.0.0.0") == (
        "error: nobody may log in yet, so 0.0.0.0 would let everybody in; add a user, or use 127.0.0.1 alone"
    )
    assert "so a proxy would" in refusal(tmp_path, "--origin", "https://farm.example", "--proxy-headers", "127.0.0.1")
    assert "so a proxy would" in refusal(tmp_path, "--origin", "https://farm.example")
    token = add_user(tmp_path)
    with serving(tmp_path, "--host", "0.0.0.0") as address:
        port = httpx.URL(address).port
        me = f"http://127.0.0.1:{port}/api/me"
        assert httpx.get(me).status_code == 401
        assert httpx.get(me, headers={"Authorization": f"Bearer {token}"}).json()[0] == "test"


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """By which number, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refusal(tmp_path, "--port", str(port)) == (
            f"error: port {port} of 127.0.0.1 is taken by another program; end it, or give another --port"
        )


def test_it_takes_its_port_again_at_once(tmp_path: Path) -> None:
    """A restart does not wait for connections that the last one left behind."""
    with serving(tmp_path) as address:
        assert httpx.get(f"{address}api/me").json()[0] == "local"
        port = str(httpx.URL(address).port)
    with serving(tmp_path, "--port", port) as address:
        assert httpx.get(f"{address}api/me").json()[0] == "local"


def test_it_serves_tls_with_its_own_certificate(tmp_path: Path) -> None:
    """A browser that trusts the certificate gets there, and is told to come by TLS only; HSTS and scheme say so."""
    cert, key = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(cert))
    token = add_user(tmp_path)
    with serving(tmp_path, "--host", "localhost", "--cert", str(cert), "--key", str(key)) as address:
        assert address.startswith("https://")
        port = httpx.URL(address).port
        response = httpx.get(
            f"https://localhost:{port}/api/me", headers={"Authorization": f"Bearer {token}"}, verify=trust
        )
        assert response.json()[2] == "https"
        assert "strict-transport-security" in response.headers


def test_a_trusted_proxy_tells_the_clients_address(tmp_path: Path) -> None:
    """From any other address the same header says nothing."""
    token = add_user(tmp_path)
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "Host": "farm.example",
    }
    for proxy, expected in {"127.0.0.0/8": ["192.0.2.7", "https"], "10.0.0.1": ["127.0.0.1", "http"]}.items():
        with serving(tmp_path, "--origin", "https://farm.example", "--proxy-headers", proxy, "--port", "0") as address:
            assert address == "https://farm.example/"
            port = port_of(tmp_path)
            assert httpx.get(f"http://127.0.0.1:{port}/api/me", headers=headers).json()[1:] == expected


def port_of(folder: Path) -> int:
    """Where the server of this folder listens, since its own word names the proxy's address."""
    [line] = [line for line in (folder / "log").read_text().splitlines() if line.startswith("listens")]
    return int(line.split()[1])


MISTAKES = {
    "--cert x.pem": "--cert and --key go together",
    "--proxy-headers 10.0.0.1": "--proxy-headers needs --origin",
    "--origin https://a --proxy-headers proxy.lan": "no address and no network",
    "--origin farm.example": "not of the form",
    "--origin https://farm.example/": "not of the form",
    "--origin https://Farm.example": "not of the form",
    "--host no.such.host.invalid": "no address of this machine",
    "--host 192.0.2.1": "cannot listen at 192.0.2.1",
    "--port 70000": "is no port",
    "--port -1": "is no port",
    "--cert a.pem --key a.key": "a.pem: no such file",
}


@pytest.mark.parametrize("words", list(MISTAKES))
def test_a_mistake_is_one_sentence(tmp_path: Path, words: str) -> None:
    """Before anything listens."""
    add_user(tmp_path)
    assert MISTAKES[words] in refusal(tmp_path, *words.split())


def test_a_certificate_without_its_key_is_told(tmp_path: Path) -> None:
    """Another's key, or files that are none."""
    cert, _ = certificate(tmp_path)
    _, other = certificate(tmp_path, "other")
    nonsense = tmp_path / "x.pem"
    nonsense.write_text("nonsense")
    for pair in ((cert, other), (nonsense, other), (cert, nonsense)):
        with pytest.raises(ListenError, match="no certificate with its key"):
            bind(Listen(cert=pair[0], key=pair[1]), has_users=True)


@pytest.mark.parametrize(
    ("listen", "is_loopback", "is_tls"),
    [
        (Listen(), True, False),
        (Listen(host="::1"), True, False),
        (Listen(host="localhost"), True, False),
        (Listen(host="0.0.0.0"), False, False),
        (Listen(host="192.168.1.2"), False, False),
        (Listen(host="farm"), False, False),
        (Listen(origin="https://farm.example", proxies=("127.0.0.1",)), False, True),
        (Listen(origin="http://farm.example"), False, False),
        (Listen(cert=Path("c"), key=Path("k")), True, True),
    ],
)
def test_what_follows_from_where_it_listens(listen: Listen, is_loopback: bool, is_tls: bool) -> None:
    """For whom the door is open without users, and how cookies are kept."""
    site = site_of(listen)
    assert (site.is_loopback, site.is_tls) == (is_loopback, is_tls)


def test_its_address_can_be_typed() -> None:
    """Also that of IPv6."""
    with bind(Listen(host="127.0.0.1"), has_users=False) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener, Listen()) == f"http://127.0.0.1:{port}/"
    if socket.has_ipv6:
        with contextlib.suppress(ListenError), bind(Listen(host="::1"), has_users=False) as listener:
            assert address_of(listener, Listen(host="::1")) == f"http://[::1]:{listener.getsockname()[1]}/"


def test_an_answer_in_two_packets_waits_for_nobody() -> None:
    """Else a client that keeps its connection waits 40 ms for each answer."""
    with (
        bind(Listen(host="127.0.0.1"), has_users=False) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
