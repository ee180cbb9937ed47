"""Updates over the air, on the computer that makes them: the key that signs, and what it has signed.

A bundle is a folder: `manifest.json` names the version and each file with its SHA-256, `manifest.sig` is its signature
(ECDSA P-256 with SHA-256, DER), the files are below `files/`. The private key is on this computer and nowhere else; a
board has public ones, two at most, so that one can take the other's place.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware import build
from gateway.errors import GatewayError
from gateway.update import IMAGE, MANIFEST, MANIFEST_BYTES, MOST_FILES

MOST_KEYS = 2
SIGNATURE = "manifest.sig"
FILES = "files"
MOST_VERSION = 1 << 30
APP_MAGIC = b"\xe9"  # an ESP-IDF image; an application has its description, with a magic word of its own, at 32
APP_AT, APP_DESCRIPTION = 32, (0xABCD5432).to_bytes(4, "little")


class SigningError(GatewayError):
    """A key or a bundle is not as it must be; the text says what, and the remedy."""


def make_key(path: Path) -> Path:
    """Write a new private key, for its owner's eyes only, and beside it the public one; gives the latter's path.

    Raises SigningError if there is a key already: whoever loses it cannot update what it was flashed on. OSError.
    """
    public = path.with_suffix(".pub.pem")
    if public.exists():
        raise SigningError(f"{public} is there already; keep it, or name another key with --key")
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise SigningError(f"{path} is there already; keep it, or name another key with --key") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(pem)
    return public


def sign(out: Path, key_path: Path, version: int) -> list[build.Built]:
    """Build the firmware, and write its bundle into the folder `out`, made anew; gives the files in it.

    Raises SigningError, BuildError, OSError.
    """
    key = _key_for(key_path, version)
    shutil.rmtree(out, ignore_errors=True)
    flat = out / FILES
    build.build(flat)
    for name in build.NEVER_UPDATED:  # no update changes these
        (flat / name).unlink()
    return seal(out, key, version)


def sign_image(out: Path, key_path: Path, version: int, image: Path) -> list[build.Built]:
    """Write the bundle of an image for boards whose modules are frozen into it; gives the file in it.

    Raises SigningError, OSError.
    """
    key = _key_for(key_path, version)
    content = image.read_bytes()
    if content[:1] != APP_MAGIC or content[APP_AT : APP_AT + 4] != APP_DESCRIPTION:
        raise SigningError(
            f"{image}: it is no application of an ESP32; give the build's micropython.bin, not firmware.bin, which has "
            "the boot loader before it"
        )
    shutil.rmtree(out, ignore_errors=True)
    (out / FILES).mkdir(parents=True)
    (out / FILES / IMAGE).write_bytes(content)
    return seal(out, key, version)


def seal(out: Path, key: ec.EllipticCurvePrivateKey, version: int) -> list[build.Built]:
    """Sign what is below `files` of a bundle; gives the files. Raises SigningError, OSError."""
    files = build.listing(out / FILES)
    manifest = _manifest(files, version)
    if len(files) > MOST_FILES or len(manifest) > MANIFEST_BYTES:
        raise SigningError(f"{len(files)} files in a manifest of {len(manifest)} bytes: more than a board takes")
    (out / MANIFEST).write_bytes(manifest)
    (out / SIGNATURE).write_bytes(key.sign(manifest, ec.ECDSA(hashes.SHA256())))
    return files


def public_keys(paths: Sequence[Path]) -> bytes:
    """What a board's update_keys.json holds: each key's point in hex. Raises SigningError."""
    if len(paths) > MOST_KEYS:
        raise SigningError(f"{len(paths)} public keys: a board knows {MOST_KEYS}, the one in use and the next one")
    return json.dumps([_point(path).hex() for path in paths]).encode()


def _point(path: Path) -> bytes:
    remedy = "give the .pub.pem that `python -m firmware keygen` wrote"
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path}: no public key ({error}); {remedy}") from error
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise SigningError(f"{path}: it is not on P-256; {remedy}")
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _key_for(path: Path, version: int) -> ec.EllipticCurvePrivateKey:
    key = _private_key(path)
    if not 0 < version < MOST_VERSION:
        raise SigningError(f"version {version}: it must be a whole number from 1 on, higher than those on the boards")
    return key


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    remedy = f"make one: python -m firmware keygen --key {path}"
    if path.exists():
        remedy = "bring it back from its copy; boards take nothing that another key has signed, until they are flashed"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise SigningError(f"{path}: no private key ({error}); {remedy}") from error
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)):
        raise SigningError(f"{path}: it is not on P-256; {remedy}")
    return key


def _manifest(files: Sequence[build.Built], version: int) -> bytes:
    rows: list[dict[str, Any]] = [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in files]
    manifest = {"version": version, "name": build.name(), "files": rows}
    return json.dumps(manifest, separators=(",", ":")).encode()


def mark(version: int, folder: str = "/a") -> bytes:
    """The mark of a board that was just flashed: the modules in `folder` run, as this version. See firmware/slots.py.

    No folder: the modules are frozen.
    """
    good = {"folder": folder, "version": version}
    body = json.dumps({"generation": 1, "document": {"good": good}}).encode()
    return hashlib.sha256(body).digest() + body
