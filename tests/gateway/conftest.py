"""A real broker with mutual TLS, certificates made for the test, and a clock that moves when a test says so."""

import asyncio
import inspect
import ipaddress
import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.processes import end
from tests.waiting import LAST_RESORT_S, eventually, free_port, until_true


class Pki:
    """A throw-away CA, and identities issued by it, in the layout of `certs/issued`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        self._root = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))

    def issue(self, name: str) -> Path:
        """The folder of a thing or server, issued at the first call."""
        folder = self.folder / name
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), x509.SubjectAlternativeName(alternatives))
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "private_key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        (folder / "root_ca.pem").write_bytes(self._root.public_bytes(pem))
        return folder

    def context(self, name: str) -> ssl.SSLContext:
        """A client's context under that name."""
        folder = self.issue(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=folder / "root_ca.pem")
        context.load_cert_chain(folder / "certificate.pem", folder / "private_key.pem")
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        return builder.sign(self._key, hashes.SHA256())


class Broker:
    """mosquitto on a free port; with `pki` it demands client certificates. `restart` keeps port and sessions."""

    def __init__(self, folder: Path, pki: Pki | None = None) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            "max_inflight_messages 0",
        ]
        lines += [f"persistence_location {folder}/", f"user {os.environ.get('USER') or 'root'}"]
        if pki:
            own = pki.issue("localhost")
            lines += [f"cafile {own}/root_ca.pem", f"certfile {own}/certificate.pem", f"keyfile {own}/private_key.pem"]
            lines += ["require_certificate true"]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        log = self._config.with_suffix(".log").open("ab")
        self._process = subprocess.Popen(["mosquitto", "-c", str(self._config)], stdout=log, stderr=log)
        log.close()
        until_true(lambda: reachable(self.port), "mosquitto at its port")

    def stop(self) -> None:
        """End gently: sessions are saved."""
        if self._process:
            end(self._process)
            self._process = None


class StepClock:
    """Field time that stands still until `advance`; see `gateway.interfaces.Clock`."""

    def __init__(self, start: int) -> None:
        self._ms = start * 1000
        self._origin_ms = self._ms
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self._ms // 1000

    def ticks_ms(self) -> int:
        return self._ms - self._origin_ms

    def trusted(self) -> bool:
        return True

    async def sleep_ms(self, ms: int) -> None:
        future = asyncio.get_running_loop().create_future()
        sleeper = (self._ms + ms, future)
        self._sleepers.append(sleeper)
        try:
            await future
        finally:
            self._sleepers.remove(sleeper)

    async def advance(self, seconds: float, settled: Callable[[], bool]) -> None:
        """Move on, from due event to due event, each time waiting in real time until `settled()`."""
        end = self._ms + int(seconds * 1000)
        while True:
            await eventually(settled)
            due = min([at for at, future in self._sleepers if not future.done()], default=end)
            self._ms = min(max(due, self._ms), end)
            woken = [future for at, future in self._sleepers if at <= self._ms and not future.done()]
            for future in woken:
                future.set_result(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not woken and self._ms >= end:
                await eventually(settled)
                return


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests, each on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 2 * LAST_RESORT_S))
    return True


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def broker(tmp_path: Path, pki: Pki) -> Iterator[Broker]:
    with_tls = Broker(tmp_path, pki)
    yield with_tls
    with_tls.stop()
