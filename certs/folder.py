"""The folder of an identity: which files it has, how they are written and read back.

| file | what |
|---|---|
| `certificate.pem`, `certificate.der` | X.509 certificate, CN = name |
| `private_key.pem` | PKCS#8, for OpenSSL and awscrt; mode 0600 |
| `private_key.der` | SEC1, what MicroPython's mbedTLS reads; mode 0600 |
| `root_ca.pem`, `root_ca.der` | the CA that the holder trusts |
| `thing_name.txt` | the name, without a newline |
| `endpoint.txt` | the host to connect to, without a newline; only where the identity was fetched from AWS |
| `spares/` | keys with which a board renews its identity, see `certs.spares` |
| `next/` | the certificate for one of them that is not settled: `certificate.pem`, `.der`, its number in `spare.txt` |

Where a board has renewed its identity, it alone has the private key, and there is no `private_key` here.
"""

import os
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.errors import StorageError

AMAZON_ROOT = Path(__file__).with_name("AmazonRootCA1.pem")  # what a thing of AWS IoT trusts
_PEM = serialization.Encoding.PEM
_DER = serialization.Encoding.DER


def pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key in PEM."""
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key in DER."""
    return key.private_bytes(_DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def identity_files(
    name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, ca: x509.Certificate
) -> dict[str, bytes]:
    """What the files of an identity hold, by name; the certificate comes last, so that it is written last."""
    return {
        "private_key.pem": pkcs8(key),
        "private_key.der": sec1(key),
        **public_files(name, certificate, ca),
    }


def public_files(name: str, certificate: x509.Certificate, ca: x509.Certificate) -> dict[str, bytes]:
    """Those of them that are no secret."""
    return {
        "root_ca.pem": ca.public_bytes(_PEM),
        "root_ca.der": ca.public_bytes(_DER),
        "thing_name.txt": name.encode(),
        **certificate_files(certificate),
    }


def certificate_files(certificate: x509.Certificate) -> dict[str, bytes]:
    """A certificate in both forms; PEM comes last, so that it is written last."""
    return {"certificate.der": certificate.public_bytes(_DER), "certificate.pem": certificate.public_bytes(_PEM)}


def pem_of(certificate: x509.Certificate) -> bytes:
    """The certificate in PEM."""
    return certificate.public_bytes(_PEM)


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write each file whole or not at all, keys for their owner's eyes only. Raises StorageError.

    A crash can cut a set in two: who issues or fetches has to look, and to write all of it again.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write_atomically(folder / name, content, 0o600 if is_private(name) else 0o644)
    except OSError as error:
        raise StorageError(folder, error) from error


def is_private(name: str) -> bool:
    """True for the name of a file that holds a private key, or is to become one."""
    return name.startswith("private_key") or (name.startswith("spare_") and ".der" in name)


def _write_atomically(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # The mode is set when the file is born, so that a key is never readable by others, not even for a moment.
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def remove_files(folder: Path) -> None:
    """Remove an identity's folder, its keys first, then its certificate; nothing if it is not there.

    Raises StorageError.
    """
    try:
        paths = sorted(folder.rglob("*"), key=lambda path: (*_turn(path), -len(path.parts)))
        for path in [*paths, folder]:
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(folder, error) from error


def _turn(path: Path) -> tuple[bool, bool, bool]:
    """Sorts what is removed: without its certificate, what is left over counts for nothing."""
    name = path.name.lstrip(".")  # what a crash has left has a dot before it
    return path.is_dir(), not is_private(name), not name.startswith("certificate.pem")


def remove_file(path: Path) -> None:
    """Remove a file; nothing if it is not there. Raises StorageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(path, error) from error


def holds(folder: Path, files: dict[str, bytes]) -> bool:
    """True if the folder has these very files. Raises StorageError."""
    return all(read_file(folder / name) == content for name, content in files.items())


def read_file(path: Path) -> bytes | None:
    """What a file holds; None if it is not there. Raises StorageError."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(path, error) from error


def read_certificate(folder: Path) -> x509.Certificate | None:
    """The folder's certificate, or None if it is missing or damaged: both mean that a new one is needed.

    Raises StorageError.
    """
    return load_certificate(read_file(folder / "certificate.pem") or b"")


def load_certificate(pem: bytes) -> x509.Certificate | None:
    """The certificate that a PEM holds; None if it is damaged."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None


def read_key(folder: Path) -> ec.EllipticCurvePrivateKey | None:
    """The folder's private key, or None if it is missing or damaged. Raises StorageError."""
    return load_key(read_file(folder / "private_key.pem") or b"")


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    """The key that a PEM holds; None if it is damaged, locked by a pass phrase, or not on an elliptic curve."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a changed byte may name a curve that nobody has
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None
