"""The identity that goes to a board: in DER, of the gateway in config.json, and such that a board can use it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from certs.authority import Authority
from firmware import flash

NAME = "irrigation-gateway-1"
PEM = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem_of(key: Key) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def issued(folder: Path) -> Path:
    return Authority(folder).issue(NAME)


def of_another_gateway(folder: Path) -> Path:
    return Authority(folder).issue("irrigation-gateway-10")


def with_a_strange_key(folder: Path) -> Path:
    identity = issued(folder)
    (identity / "private_key.pem").write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1())))
    return identity


def ended(folder: Path) -> Path:
    return Authority(folder, lambda: datetime.now(UTC) - timedelta(days=731)).issue(NAME)


def not_yet_begun(folder: Path) -> Path:
    return Authority(folder, lambda: datetime.now(UTC) + timedelta(days=2)).issue(NAME)


def on_rsa(folder: Path) -> Path:
    return self_made(folder, rsa.generate_private_key(65537, 2048))


def on_a_larger_curve(folder: Path) -> Path:
    return self_made(folder, ec.generate_private_key(ec.SECP384R1()))


def self_made(folder: Path, key: Key) -> Path:
    identity = issued(folder)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (identity / "private_key.pem").write_bytes(pem_of(key))
    (identity / "certificate.pem").write_bytes(certificate.public_bytes(PEM))
    return identity


def without_root(folder: Path) -> Path:
    identity = issued(folder)
    (identity / "root_ca.pem").unlink()
    return identity


def of_text(folder: Path) -> Path:
    identity = issued(folder)
    (identity / "certificate.pem").write_text("paste your certificate here")
    return identity


def locked_with_a_password(folder: Path) -> Path:
    identity = issued(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    (identity / "private_key.pem").write_bytes(
        key.private_bytes(PEM, form, serialization.BestAvailableEncryption(b"x"))
    )
    return identity


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (of_another_gateway, "its certificate is for irrigation-gateway-10, config.json is for irrigation-gateway-1"),
        (with_a_strange_key, "its key is not that of its certificate"),
        (ended, "its certificate ended on 20"),
        (not_yet_begun, "its certificate begins on 20"),
        (on_rsa, "its key is not on P-256"),
        (on_a_larger_curve, "its key is not on P-256"),
        (without_root, "root_ca.pem"),
        (of_text, "no usable identity"),
        (locked_with_a_password, "no usable identity"),
    ],
)
def test_what_a_board_could_not_use_is_refused(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    """The folder, what is wrong with it, and how to get a right one."""
    with pytest.raises(flash.FlashError) as caught:
        flash.identity(make(tmp_path), NAME)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    remedy = f"rotate {NAME}" if make is not_yet_begun else f"issue --things {NAME}"
    assert f"python -m certs {remedy}" in str(caught.value)


def test_a_right_one_becomes_der(tmp_path: Path) -> None:
    """Three files, the same key and certificates, the key in the form that a board's TLS reads."""
    files = flash.identity(issued(tmp_path), NAME)
    assert set(files) == {"certificate.der", "private_key.der", "root_ca.der"}
    certificate = x509.load_der_x509_certificate(files["certificate.der"])
    key = serialization.load_der_private_key(files["private_key.der"], None)
    assert key.public_key() == certificate.public_key()
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(files["root_ca.der"]))
    assert files["private_key.der"] == (tmp_path / NAME / "private_key.der").read_bytes()
