"""A service on a store of its own, in memory or in a file, and a real broker with throw-away certificates."""

import datetime
import ipaddress
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from compute_service.adapters.sqlite.store import SqliteStore
from tests.compute_service.bench import GATEWAY, Bench, zone
from tests.compute_service.in_memory.store import InMemoryStore
from tests.processes import end
from tests.waiting import free_port, until_true

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"  # Debian keeps it off a user's PATH


@pytest.fixture
def store() -> InMemoryStore:
    """For what has nothing to do with files; see test_ports.py for how true it is."""
    return InMemoryStore()


@pytest.fixture
def bench(store: InMemoryStore) -> Bench:
    return Bench(store, (zone("a"), zone("b")))


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "compute.sqlite")) as store:
        yield store


@pytest.fixture
def file_bench(file_store: SqliteStore) -> Bench:
    return Bench(file_store, (zone("a"), zone("b")))


class Broker:
    """mosquitto with mutual TLS on a free loopback port; it keeps its sessions on disk over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        _issue(folder, ("localhost", "irrigation-compute", GATEWAY))
        identity = folder / "localhost"
        lines = (
            f"listener {self.port} 127.0.0.1",
            f"cafile {identity}/root_ca.pem",
            f"certfile {identity}/certificate.pem",
            f"keyfile {identity}/private_key.pem",
            "require_certificate true",
            "use_identity_as_username true",
            "persistence true",
            f"persistence_location {folder}/",
            "user root",  # else it drops to a user who may not read this folder
        )
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.folder / "mosquitto.log").open("ab")
        with log:
            arguments = [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")]
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        until(self._is_up)

    def _is_up(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self.process:
            end(self.process)
            self.process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


until = until_true


def _issue(folder: Path, things: tuple[str, ...]) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("test CA", authority_key, "test CA", authority_key)
    for thing in things:
        key = ec.generate_private_key(ec.SECP256R1())
        home = folder / thing
        home.mkdir()
        (home / "thing_name.txt").write_text(thing + "\n")
        (home / "root_ca.pem").write_bytes(_pem(authority))
        (home / "certificate.pem").write_bytes(_pem(_certificate(thing, key, "test CA", authority_key)))
        private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (home / "private_key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
