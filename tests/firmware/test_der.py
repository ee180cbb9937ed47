"""The board's reader of certificates, held against `cryptography`."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from firmware import build
from gateway import der

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, Key] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
}
OTHERS: dict[str, Key] = {"RSA": rsa.generate_private_key(65537, 2048), "Ed25519": ed25519.Ed25519PrivateKey.generate()}


def made(key: Key, serial: int, ends: datetime) -> bytes:
    """A certificate of this key for itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "irrigation-gateway-1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(ends)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("kind", [*KEYS, *OTHERS])
@pytest.mark.parametrize("serial", [1, 0x80, 0x5C0F3A9E77D1B204, (1 << 159) - 1])
@pytest.mark.parametrize("year", [2031, 2049, 2050, 2096, 9999])
def test_it_reads_what_was_made(kind: str, serial: int, year: int) -> None:
    """Short and long serials, both forms of a time, any kind of key."""
    key, ends = (KEYS | OTHERS)[kind], datetime(year, 2, 28, 23, 59, 58, tzinfo=UTC)
    bits = x509.load_der_x509_certificate(made(key, serial, ends)).public_key()
    point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    told = der.facts(made(key, serial, ends))
    assert told[:2] == (f"{serial:X}", int(ends.timestamp()))
    assert kind not in KEYS or told[2] == bits.public_bytes(*point)


def test_it_reads_amazons_ca() -> None:
    """Its key is RSA, and it lives until 2038."""
    root = x509.load_pem_x509_certificate((build.ROOT / "certs" / "AmazonRootCA1.pem").read_bytes())
    told = der.facts(root.public_bytes(serialization.Encoding.DER))
    assert told[:2] == (f"{root.serial_number:X}", int(root.not_valid_after_utc.timestamp()))


def test_what_a_status_can_say(tmp_path: Path) -> None:
    """An end beyond every message is left out, and so is a file that is none."""
    ends = datetime(2040, 1, 1, tzinfo=UTC)
    (tmp_path / "certificate.der").write_bytes(made(KEYS["P-256"], 0xAB, ends))
    (tmp_path / "root_ca.der").write_bytes(made(OTHERS["RSA"], 1, datetime(2120, 1, 1, tzinfo=UTC)))
    assert der.identity(str(tmp_path)) == ("AB", int(ends.timestamp()), None)
    (tmp_path / "certificate.der").write_bytes(b"0")
    (tmp_path / "root_ca.der").unlink()
    assert der.identity(str(tmp_path)) == (None, None, None)
