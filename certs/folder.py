"""The folder of an identity: which files it has, how they are written and read back.

| file | what |
|---|---|
| `certificate.pem`, `certificate.der` | X.509 certificate, CN = name |
| `private_key.pem` | PKCS#8, for OpenSSL and awscrt; mode 0600 |
| `private_key.der` | SEC1, what MicroPython's mbedTLS reads; mode 0600 |
| `root_ca.pem`, `root_ca.der` | the CA that the holder trusts |
| `thing_name.txt` | the name, without a newline |
| `endpoint.txt` | the host to connect to, without a newline; only where the identity was fetched from AWS |
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


def _sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def identity_files(
    name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, ca: x509.Certificate
) -> dict[str, bytes]:
    """What the files of an identity hold, by name; the certificate comes last, so that it is written last."""
    return {
        "private_key.pem": pkcs8(key),
        "private_key.der": _sec1(key),
        "root_ca.pem": ca.public_bytes(_PEM),
        "root_ca.der": ca.public_bytes(_DER),
        "thing_name.txt": name.encode(),
        "certificate.der": certificate.public_bytes(_DER),
        "certificate.pem": certificate.public_bytes(_PEM),
    }


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write each file whole or not at all, keys for their owner's eyes only. Raises StorageError.

    A crash can cut a set in two: who issues or fetches has to look, and to write all of it again.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write_atomically(folder / name, content, 0o600 if name.startswith("private_key") else 0o644)
    except OSError as error:
        raise StorageError(folder, error) from error


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
    """Remove an identity's folder, its keys first; nothing if it is not there. Raises StorageError."""
    try:
        for path in sorted(folder.glob("*"), key=lambda path: not path.name.startswith("private_key")):
            path.unlink()
        if folder.is_dir():
            folder.rmdir()
    except OSError as error:
        raise StorageError(folder, error) from error


def holds(folder: Path, files: dict[str, bytes]) -> bool:
    """True if the folder has these very files. Raises StorageError."""
    return all(_read(folder / name) == content for name, content in files.items())


def _read(path: Path) -> bytes | None:
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
    try:
        return x509.load_pem_x509_certificate(_read(folder / "certificate.pem") or b"")
    except ValueError:
        return None


def read_key(folder: Path) -> ec.EllipticCurvePrivateKey | None:
    """The folder's private key, or None if it is missing or damaged. Raises StorageError."""
    return load_key(_read(folder / "private_key.pem") or b"")


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    """The key that a PEM holds; None if it is damaged, locked by a pass phrase, or not on an elliptic curve."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a changed byte may name a curve that nobody has
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None
