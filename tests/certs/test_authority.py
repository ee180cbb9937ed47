import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from awscrt import http, io
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import errors
from certs.authority import REVOKED, Authority
from certs.folder import write_files

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 4, 1, tzinfo=UTC)
GATEWAY = "irrigation-gateway-1"
FILES = {
    "certificate.pem",
    "certificate.der",
    "private_key.pem",
    "private_key.der",
    "root_ca.pem",
    "root_ca.der",
    "thing_name.txt",
}


def authority(folder: Path, now: datetime = NOW) -> Authority:
    return Authority(folder, now=lambda: now)


def certificate_in(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_identity_has_every_file_and_its_keys_are_private(tmp_path: Path) -> None:
    """A thing's folder holds the whole identity, and only its owner may read the keys."""
    folder = authority(tmp_path).issue(GATEWAY)
    assert folder == tmp_path / GATEWAY
    assert set(content_of(folder)) == FILES
    assert (folder / "thing_name.txt").read_text() == GATEWAY
    for key in tmp_path.rglob("private_key.*"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key


def test_the_certificate_names_the_thing_and_is_for_clients_of_this_ca(tmp_path: Path) -> None:
    """CN is the thing's name, the key is P-256, the use is client authentication, and the CA signed it for 2 years."""
    folder = authority(tmp_path).issue(GATEWAY)
    certificate, ca = certificate_in(folder), certificate_in(tmp_path / "ca")
    certificate.verify_directly_issued_by(ca)
    [common_name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    key = certificate.public_key()
    assert common_name.value == GATEWAY
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=730)


def test_the_ca_may_sign_things_but_no_other_ca(tmp_path: Path) -> None:
    """Basic constraints and key usage are critical, and the CA lives ten years."""
    authority(tmp_path).issue(GATEWAY)
    ca = certificate_in(tmp_path / "ca")
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    assert (ca.not_valid_after_utc - NOW).days == 3652


def test_the_boards_files_are_the_same_identity_in_der(tmp_path: Path) -> None:
    """The DER key is SEC1, as mbedTLS on a board reads it, and belongs to the DER certificate."""
    folder = authority(tmp_path).issue(GATEWAY)
    der = (folder / "private_key.der").read_bytes()
    key = serialization.load_der_private_key(der, password=None)
    sec1 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    certificate = x509.load_der_x509_certificate((folder / "certificate.der").read_bytes())
    assert der == sec1
    assert certificate == certificate_in(folder)
    assert certificate.public_key() == key.public_key()
    root = x509.load_der_x509_certificate((folder / "root_ca.der").read_bytes())
    assert root == certificate_in(tmp_path / "ca")


def test_a_valid_identity_is_kept(tmp_path: Path) -> None:
    """Issuing again changes nothing until 30 days before the end."""
    before = content_of(authority(tmp_path).issue(GATEWAY))
    late = NOW + timedelta(days=730 - 30)
    assert content_of(authority(tmp_path, late).issue(GATEWAY)) == before


def test_an_identity_can_sign_no_other(tmp_path: Path) -> None:
    """Whoever steals a thing's key has that thing, and no authority: its certificate says so, critically."""
    extensions = certificate_in(authority(tmp_path).issue(GATEWAY)).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)


def test_no_identity_outlives_its_ca(tmp_path: Path) -> None:
    """In the CA's last two years it issues for as long as it lives itself: nothing would prove a later day."""
    authority(tmp_path).issue("irrigation-compute")
    late = authority(tmp_path, NOW + timedelta(days=3652 - 100)).issue(GATEWAY)
    assert certificate_in(late).not_valid_after_utc == certificate_in(tmp_path / "ca").not_valid_after_utc


def test_a_servers_identity_is_no_things(tmp_path: Path) -> None:
    """A folder that a server's identity was copied to is issued anew, for a client: the gate would refuse the other."""
    ours = authority(tmp_path)
    ours.issue_server([GATEWAY])
    usage = certificate_in(ours.issue(GATEWAY)).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_an_expiring_identity_is_issued_again(tmp_path: Path) -> None:
    """Less than 30 days before the end, the thing gets a new key and certificate."""
    before = content_of(authority(tmp_path).issue(GATEWAY))
    late = NOW + timedelta(days=730 - 29)
    after = authority(tmp_path, late).issue(GATEWAY)
    assert content_of(after)["private_key.pem"] != before["private_key.pem"]
    assert certificate_in(after).not_valid_after_utc == late + timedelta(days=730)


def test_an_identity_of_another_ca_is_issued_again(tmp_path: Path) -> None:
    """A folder copied from another farm gets an identity of this farm's CA."""
    theirs = authority(tmp_path / "theirs").issue(GATEWAY)
    ours = authority(tmp_path / "ours")
    ours.issue("irrigation-compute")
    theirs.rename(tmp_path / "ours" / GATEWAY)
    certificate_in(ours.issue(GATEWAY)).verify_directly_issued_by(certificate_in(tmp_path / "ours" / "ca"))


def test_what_only_names_this_ca_is_issued_again(tmp_path: Path) -> None:
    """An identity of another farm that carries this farm's root beside it was not signed by it, and is not kept."""
    theirs = authority(tmp_path / "theirs").issue(GATEWAY)
    ours = authority(tmp_path / "ours")
    root = ours.issue("irrigation-compute")
    for name in ("root_ca.pem", "root_ca.der"):
        (theirs / name).write_bytes((root / name).read_bytes())
    theirs.rename(tmp_path / "ours" / GATEWAY)
    certificate_in(ours.issue(GATEWAY)).verify_directly_issued_by(certificate_in(tmp_path / "ours" / "ca"))


def test_revoke_takes_every_certificate_of_a_thing(tmp_path: Path) -> None:
    """What was rotated away counts as little as the last one, its key is gone, and the others are as they were."""
    farm = authority(tmp_path)
    others = content_of(farm.issue("other"))
    first = farm.issue(GATEWAY)
    ids = {certificate_in(first).fingerprint(hashes.SHA256()).hex()}
    ids.add(certificate_in(farm.rotate(GATEWAY)).fingerprint(hashes.SHA256()).hex())
    stolen = content_of(tmp_path / GATEWAY)
    assert farm.revoke(GATEWAY) == sorted(ids)
    assert {path.stem for path in (tmp_path / REVOKED).iterdir()} == ids
    assert not (tmp_path / GATEWAY).exists()
    assert farm.revoke(GATEWAY) == sorted(ids), "once more does no harm"
    write_files(tmp_path / GATEWAY, stolen)
    assert certificate_in(farm.issue(GATEWAY)).fingerprint(hashes.SHA256()).hex() not in ids
    assert content_of(farm.issue("other")) == others


def test_revoke_refuses_what_was_never_issued(tmp_path: Path) -> None:
    """A slip in the name is told, and the CA itself is no thing."""
    farm = authority(tmp_path)
    farm.issue(GATEWAY)
    with pytest.raises(errors.NothingToRevokeError, match=r"'nobody' was never issued in .*--out"):
        farm.revoke("nobody")
    with pytest.raises(errors.NameRefusedError):
        farm.revoke("ca")
    assert not (tmp_path / REVOKED).exists()


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_damaged_identity_is_issued_again(tmp_path: Path, name: str, content: bytes | None) -> None:
    """An identity with a file that is missing or damaged is made whole, as after a crash in the middle of writing."""
    folder = authority(tmp_path).issue(GATEWAY)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    authority(tmp_path).issue(GATEWAY)
    assert set(content_of(folder)) == FILES
    key = serialization.load_pem_private_key((folder / "private_key.pem").read_bytes(), password=None)
    assert certificate_in(folder).public_key() == key.public_key()


def test_a_things_folder_under_another_name_is_not_believed(tmp_path: Path) -> None:
    """Renaming gateway-1's folder to gateway-2 does not make it gateway-2."""
    mine = authority(tmp_path)
    mine.issue(GATEWAY).rename(tmp_path / "irrigation-gateway-2")
    certificate = certificate_in(mine.issue("irrigation-gateway-2"))
    assert "CN=irrigation-gateway-2" in certificate.subject.rfc4514_string()


def test_rotate_replaces_a_valid_identity(tmp_path: Path) -> None:
    """Rotation gives a new key of the same name and the same CA."""
    mine = authority(tmp_path)
    before = content_of(mine.issue(GATEWAY))
    after = content_of(mine.rotate(GATEWAY))
    assert after["private_key.pem"] != before["private_key.pem"]
    assert after["root_ca.pem"] == before["root_ca.pem"]


def test_rotate_refuses_a_thing_that_has_no_identity(tmp_path: Path) -> None:
    """A slip of the pen in `rotate` does not create a thing."""
    with pytest.raises(errors.UnknownThingError):
        authority(tmp_path).rotate("irrigation-gateway-9")
    assert not (tmp_path / "irrigation-gateway-9").exists()


@pytest.mark.parametrize("name", ["", "a.b", "../evil", "gate way", "é", "x" * 65, "ca", "CA", "gateway\n"])
def test_a_name_that_is_no_things_is_refused(tmp_path: Path, name: str) -> None:
    """Only letters, digits, '_' and '-' make a thing's name, and the CA's folder is not a thing."""
    with pytest.raises(errors.NameRefusedError):
        authority(tmp_path).issue(name)


@pytest.mark.parametrize("names", [[], ["local host"], ["../x"], ["ca"], ["localhost", "-bad"]])
def test_a_name_that_is_no_servers_is_refused(tmp_path: Path, names: list[str]) -> None:
    """A server has a DNS name or an IP address."""
    with pytest.raises(errors.NameRefusedError):
        authority(tmp_path).issue_server(names)


def test_a_ca_without_its_key_is_reported_and_not_replaced(tmp_path: Path) -> None:
    """Losing the CA's key must not silently make a new CA that no device in the field trusts."""
    mine = authority(tmp_path)
    mine.issue(GATEWAY)
    (tmp_path / "ca" / "private_key.pem").unlink()
    with pytest.raises(errors.BrokenAuthorityError):
        mine.issue(GATEWAY)


def test_a_ca_at_its_end_is_reported(tmp_path: Path) -> None:
    """In the last 30 days of its ten years the CA signs no more."""
    authority(tmp_path).issue(GATEWAY)
    with pytest.raises(errors.BrokenAuthorityError, match="valid only until 2036"):
        authority(tmp_path, NOW + timedelta(days=3630)).issue(GATEWAY)


def test_two_processes_that_start_together_share_one_ca(tmp_path: Path) -> None:
    """Eight first uses at once end with one CA, which signed all eight."""
    script = "import sys; from certs.authority import Authority; Authority(sys.argv[1]).issue(sys.argv[2])"
    started = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path, f"irrigation-gateway-{number}"], cwd=ROOT)
        for number in range(8)
    ]
    assert [process.wait() for process in started] == [0] * 8
    ca = certificate_in(tmp_path / "ca")
    for number in range(8):
        certificate_in(tmp_path / f"irrigation-gateway-{number}").verify_directly_issued_by(ca)


def test_every_identity_is_listed(tmp_path: Path) -> None:
    """`identities` tells name, end and AWS IoT's certificate id of all that was issued."""
    mine = authority(tmp_path)
    folder = mine.issue(GATEWAY)
    mine.issue_server(["localhost"])
    listed = {identity.name: identity for identity in mine.identities()}
    assert list(listed) == ["ca", GATEWAY, "localhost"]
    assert listed[GATEWAY].expires_at == NOW + timedelta(days=730)
    assert listed[GATEWAY].certificate_id == certificate_in(folder).fingerprint(hashes.SHA256()).hex()


def test_every_error_of_the_room_has_one_base() -> None:
    """A caller catches CertsError and has them all."""
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(own) == 18
    assert all(issubclass(kind, errors.CertsError) for kind in own)


def test_amazons_root_is_the_public_one() -> None:
    """The root that is shipped for AWS IoT Core is Amazon Root CA 1, by its published fingerprint."""
    root = x509.load_pem_x509_certificate((ROOT / "certs" / "AmazonRootCA1.pem").read_bytes())
    fingerprint = root.fingerprint(hashes.SHA256()).hex()
    assert fingerprint == "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"


# Handshakes: the identities are used as gateways, compute and the gate use them, on real sockets and the real clock.


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("issued")
    real = Authority(folder)
    real.issue_server(["localhost", "127.0.0.1"])
    real.issue(GATEWAY)
    return folder


def context(folder: Path, side: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    made = side()
    made.load_verify_locations(folder / "root_ca.pem")
    made.load_cert_chain(folder / "certificate.pem", folder / "private_key.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


@contextmanager
def listening(folder: Path, seen: list[str]) -> Iterator[int]:
    """Serve one mutual-TLS handshake on a free port of loopback, and note the peer's CN or the error's name."""
    server = context(folder / "localhost", lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        with raw:
            try:
                with server.wrap_socket(raw, server_side=True) as peer:
                    certificate = peer.getpeercert()
                    assert certificate is not None
                    seen.append(str(certificate["subject"][-1][0][1]))
                    with suppress(OSError):  # awscrt hangs up right after the handshake
                        peer.sendall(b"ok")
            except OSError as error:
                seen.append(type(error).__name__)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_gateway_and_the_gate_accept_each_other(issued: Path, host: str) -> None:
    """Mutual TLS with host name check succeeds by name and by address, and the gate learns the CN."""
    seen: list[str] = []
    client = context(issued / GATEWAY, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        listening(issued, seen) as port,
        socket.create_connection((host, port)) as raw,
        client.wrap_socket(raw, server_hostname=host) as tls,
    ):
        assert tls.recv(2) == b"ok"
    assert seen == [GATEWAY]


def test_an_identity_of_another_farm_is_refused(issued: Path, tmp_path: Path) -> None:
    """The same name signed by another CA does not pass the gate."""
    seen: list[str] = []
    stranger = Authority(tmp_path).issue(GATEWAY)
    client = context(stranger, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    client.load_verify_locations(issued / "ca" / "certificate.pem")
    with (
        listening(issued, seen) as port,
        socket.create_connection(("localhost", port)) as raw,
        client.wrap_socket(raw, server_hostname="localhost") as tls,
        pytest.raises(OSError, match=r"unknown ca|reset|EOF"),
    ):
        assert tls.recv(2) == b"ok"
    assert seen == ["SSLCertVerificationError"]


def test_a_gateway_cannot_play_the_gate(issued: Path) -> None:
    """A client certificate is refused as a server's, so a stolen gateway cannot collect readings and commands."""
    client = context(issued / GATEWAY, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    client.check_hostname = False
    server = context(issued / GATEWAY, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    at_client, at_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client.wrap_bio(at_client, at_server)
    answer = server.wrap_bio(at_server, at_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        answer.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        hello.do_handshake()


def test_awscrt_reads_the_pem_files(issued: Path) -> None:
    """The compute service's TLS library, which is not OpenSSL, connects with the same files."""
    seen: list[str] = []
    folder = issued / GATEWAY
    options = io.TlsContextOptions.create_client_with_mtls_from_path(
        str(folder / "certificate.pem"), str(folder / "private_key.pem")
    )
    options.override_default_trust_store_from_path(None, str(folder / "root_ca.pem"))
    tls = io.ClientTlsContext(options).new_connection_options()
    tls.set_server_name("localhost")
    with listening(issued, seen) as port:
        connection = http.HttpClientConnection.new("localhost", port, tls_connection_options=tls).result(60)
        connection.close().result(60)
    assert seen == [GATEWAY]
