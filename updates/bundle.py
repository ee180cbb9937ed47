"""A bundle: the folder that `python -m firmware sign` writes, held against its own manifest before anybody gets it.

    manifest.json   {"version": 7, "name": "pythoflow 0.2.0", "files": [{"path", "bytes", "sha256"}, ...]}
    manifest.sig    ECDSA P-256 with SHA-256 over the manifest's bytes, DER
    files/          the files, by their paths

Only a board judges the signature. AWS IoT's limits: 50 files a stream, 24 MB a file, 32,768 characters a document.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from protocol import json_text
from updates.errors import BundleError

MANIFEST, SIGNATURE, FILES = "manifest.json", "manifest.sig", "files"
MOST_FILES = 50  # of a stream, the manifest among them
MOST_FILE_BYTES = 24 * 1024 * 1024
MOST_DOCUMENT = 32_768
MOST_SIGNATURE = 72  # bytes, of P-256 in DER
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """What a stream is made of: the manifest is its file 0, and `files[k - 1]` its file k."""

    version: int
    name: str
    manifest: Path
    signature: bytes
    files: tuple[Path, ...]

    def document(self, job_id: str) -> str:
        """The job document, in which the stream has the job's own name. Raises BundleError if it is too long."""
        text = json.dumps(
            {
                "operation": "update",
                "version": self.version,
                "stream": job_id,
                "manifest_bytes": self.manifest.stat().st_size,
                "signature": base64.b64encode(self.signature).decode(),
            }
        )
        if len(text) > MOST_DOCUMENT:
            raise BundleError(f"{self.manifest}: a job document of {len(text)} characters, at most {MOST_DOCUMENT}")
        return text


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and hold every file against the manifest. Raises BundleError, which names the file."""
    manifest, signature = folder / MANIFEST, folder / SIGNATURE
    try:
        raw, proof = manifest.read_bytes(), signature.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{error.filename}: {error.strerror}; make the bundle with: "
            f"python -m firmware sign --version N --out {folder}"
        ) from error
    if not 8 <= len(proof) <= MOST_SIGNATURE or proof[0] != 0x30:
        raise BundleError(f"{signature}: no ECDSA signature in DER; sign the bundle again")
    try:
        content = json_text.loads(raw)
    except ValueError as error:
        raise BundleError(f"{manifest}: {error}; sign the bundle again") from error
    version, name, rows = _head(manifest, content)
    return Bundle(version, name, manifest, proof, tuple(_file(folder, manifest, row) for row in rows))


def _head(manifest: Path, content: Any) -> tuple[int, str, list[Any]]:
    content = content if isinstance(content, dict) else {}
    version, name, rows = content.get("version"), content.get("name"), content.get("files")
    if type(version) is not int or version < 1:
        raise BundleError(f"{manifest}: version: want a number from 1, got {version!r}")
    if not isinstance(name, str):
        raise BundleError(f"{manifest}: name: want a text, got {name!r}")
    if not isinstance(rows, list) or not 1 <= len(rows) < MOST_FILES:
        raise BundleError(f"{manifest}: files: want 1 to {MOST_FILES - 1} of them")
    return version, name, rows


def _file(folder: Path, manifest: Path, row: Any) -> Path:
    row = row if isinstance(row, dict) else {}
    path, size, digest = row.get("path"), row.get("bytes"), row.get("sha256")
    if not isinstance(path, str) or not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise BundleError(f"{manifest}: path {path!r}: want one below {FILES}/")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise BundleError(f"{manifest}: {path}: sha256: want 64 hex digits in small letters, got {digest!r}")
    file = folder / FILES / path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}, but {MANIFEST} names it") from error
    if not 1 <= len(content) <= MOST_FILE_BYTES:
        raise BundleError(f"{file}: {len(content)} bytes, want 1 to {MOST_FILE_BYTES}")
    if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{file}: not what {MANIFEST} says; sign the bundle again")
    return file
