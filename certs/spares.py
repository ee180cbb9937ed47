"""Spare keys of a board: made here, kept on the board, certified one by one, so that it renews itself where it stands.

| file below `<thing>/spares/` | what |
|---|---|
| `spare_<n>.pem` | public key of a spare that no certificate was made for |
| `spare_<n>.der` | its private key, SEC1; mode 0600; only until the board has it |
| `used/<id>.pem` | public key that a settled certificate holds: the private one is on the board alone |

An id is the SHA-256 of the public key in DER, in hex.
"""

import hashlib
import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.folder import read_file, remove_file, remove_files, sec1, write_files

FOLDER = "spares"
MOST = 5  # spare_1 to spare_5: what a board has files for
_SETTLED = "used"
_NAME = re.compile(r"spare_([1-5])\.(pem|der)")


def numbers(folder: Path, suffix: str = "pem") -> list[int]:
    """The spares of a thing's folder that have a public key (`der`: a private one), rising. Raises StorageError."""
    names = (_NAME.fullmatch(path.name) for path in (folder / FOLDER).glob("spare_*"))
    return sorted(int(name[1]) for name in names if name and name[2] == suffix)


def are_on_board(folder: Path) -> bool:
    """True if a spare's private key was made and is no longer here."""
    return bool(set(numbers(folder)) - set(numbers(folder, "der")))


def make(folder: Path, count: int) -> None:
    """Make the spares 1 to `count` that have no public key yet. Raises StorageError."""
    for number in sorted(set(range(1, count + 1)) - set(numbers(folder))):
        key = ec.generate_private_key(ec.SECP256R1())
        # The public key last: a private one without it counts as not made, and is made anew.
        files = {f"spare_{number}.der": sec1(key), f"spare_{number}.pem": _pem(key.public_key())}
        write_files(folder / FOLDER, files)


def hand_over(folder: Path) -> None:
    """Remove the private keys, which are on the board now. Raises StorageError."""
    for path in (folder / FOLDER).glob("*spare_*.der*"):  # and what a crash has left of one
        remove_file(path)


def read(folder: Path, number: int) -> ec.EllipticCurvePublicKey | None:
    """A spare's public key; None if it is missing or damaged. Raises StorageError."""
    try:
        key = serialization.load_pem_public_key(read_file(folder / FOLDER / f"spare_{number}.pem") or b"")
    except ValueError:
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def use(folder: Path, number: int, certificate: x509.Certificate) -> None:
    """Note that the board has the key of a settled certificate, which was this spare. Raises StorageError."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    write_files(folder / FOLDER / _SETTLED, {f"{id_of(key)}.pem": _pem(key)})
    forget(folder, number)


def forget(folder: Path, number: int) -> None:
    """Let a spare be none: it is not certified again. Raises StorageError."""
    remove_file(folder / FOLDER / f"spare_{number}.der")
    remove_file(folder / FOLDER / f"spare_{number}.pem")


def is_key_on_board(folder: Path, certificate: x509.Certificate) -> bool:
    """True if the certificate's private key is one that only the board has."""
    key = certificate.public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and (folder / FOLDER / _SETTLED / f"{id_of(key)}.pem").exists()


def public_keys(folder: Path) -> dict[str, bytes]:
    """Every public key that lies there, in PEM, the used ones too, by id. Raises StorageError."""
    unused = (read(folder, number) for number in numbers(folder))
    keys = {id_of(key): _pem(key) for key in unused if key is not None}
    return keys | {path.stem: read_file(path) or b"" for path in (folder / FOLDER / _SETTLED).glob("*.pem")}


def drop(folder: Path) -> None:
    """Remove every spare, the used ones too. Raises StorageError."""
    remove_files(folder / FOLDER)


def id_of(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of a public key in DER, in hex."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
