"""What somebody posts as a root module, written into a folder: text or an archive, and variables; judged before."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from provisioning.errors import InputError, TooLargeError

MIB = 2**20
MOST_CODE_BYTES = MIB
MOST_ARCHIVE_BYTES = 20 * MIB
MOST_UNPACKED_BYTES = 100 * MIB
MOST_FILES = 5000
VARIABLES = "terraform.tfvars.json"
BACKEND = "backend.tf.json"
ADOPT = "adopt.tf.json"
OURS = {VARIABLES, BACKEND, ADOPT, "terraform.tfstate", ".terraform"}
PART = re.compile(r"[^\x00-\x1f\\\ud800-\udfff]{1,200}")


@dataclass(frozen=True, kw_only=True)
class Code:
    """A root module as it was posted: `text` is main.tf, or `archive` the base64 of a tar.gz."""

    text: str | None = None
    archive: str | None = None
    variables: Mapping[str, Any] | None = None

    def write(self, folder: Path) -> None:
        """Write it into a new folder. Raises InputError or TooLargeError, and then leaves nothing."""
        files = dict(self._files())
        make_folder(folder.parent)
        folder.mkdir(mode=0o700)
        try:
            for name, content in files.items():
                write_file(folder / name, content)
            if self.variables is not None:
                write_file(folder / VARIABLES, json.dumps(self.variables, indent=1).encode())
        except (OSError, UnicodeError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            reason = error.strerror if isinstance(error, OSError) else "a name is no UTF-8"
            raise InputError(f"the code cannot be written: {reason}; use plain names of files") from error

    def _files(self) -> Iterator[tuple[str, bytes]]:
        if (self.text is None) == (self.archive is None):
            raise InputError("send either iacCode or archive")
        if self.text is not None:
            yield _main_file(self.text)
        else:
            yield from _unpack(self.archive or "")


def write_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, with the folders above it."""
    make_folder(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner enters, and those above it that are missing (which `mkdir` leaves open)."""
    for one in reversed([folder, *folder.parents]):
        one.mkdir(exist_ok=True, mode=0o700)


def digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix().encode()
            content = path.read_bytes()
            total.update(b"%d %b %d " % (len(name), name, len(content)) + content)
    return total.hexdigest()


def pack(folder: Path) -> str:
    """A folder as the archive of a job: no state, nothing that Terraform or we left there, no links, no credentials.

    Raises InputError for one that is too large, or holds no Terraform code.
    """
    buffer = io.BytesIO()
    names = []
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            is_left = any(part in OURS or part.startswith((".terraform", ".git")) for part in name.parts)
            if path.is_file() and not path.is_symlink() and not is_left and not _is_private(name.name):
                archive.add(path, arcname=name.as_posix())
                names.append(name)
    if not any(name.name.endswith((".tf", ".tf.json")) for name in names):
        raise InputError(f"{folder}: no .tf file in it; name the folder of a root module")
    if buffer.tell() > MOST_ARCHIVE_BYTES:
        raise TooLargeError(f"{folder}: {buffer.tell()} bytes packed, at most {MOST_ARCHIVE_BYTES}")
    return base64.b64encode(buffer.getvalue()).decode()


def _is_private(name: str) -> bool:
    return name == "credentials" or ".tfstate" in name or name.endswith((".tfplan", ".tfvars"))


def _main_file(text: str) -> tuple[str, bytes]:
    try:
        content = text.encode()
    except UnicodeError as error:
        raise InputError("iacCode holds half a character; send it as UTF-8") from error
    if len(content) > MOST_CODE_BYTES:
        raise TooLargeError(f"iacCode has {len(content)} bytes, at most {MOST_CODE_BYTES}; send an archive")
    if not text.strip():
        raise InputError("iacCode is empty; send the text of main.tf")
    try:
        is_json = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_json = False
    return ("main.tf.json" if is_json else "main.tf"), content


def _unpack(archive: str) -> Iterator[tuple[str, bytes]]:
    if len(archive) > MOST_ARCHIVE_BYTES * 4 // 3 + 4:
        raise TooLargeError(f"the archive has more than {MOST_ARCHIVE_BYTES} bytes")
    try:
        gz_bytes = base64.b64decode(archive, validate=True)
        if len(gz_bytes) > MOST_ARCHIVE_BYTES:
            raise TooLargeError(f"the archive has more than {MOST_ARCHIVE_BYTES} bytes")
        with tarfile.open(fileobj=_Bounded(gz_bytes), mode="r|") as tar:
            yield from _members(tar)
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:  # of base64, too
        raise InputError(f"archive is no base64 of a tar.gz: {error}") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    names: set[str] = set()
    total = 0
    for member in tar:
        if member.isdir():
            continue
        name = _name(member)
        total += member.size
        if total > MOST_UNPACKED_BYTES or len(names) >= MOST_FILES:
            raise TooLargeError(f"the archive unpacks to more than {MOST_UNPACKED_BYTES} bytes or {MOST_FILES} files")
        if name in names:
            raise InputError(f"archive: {name} is in it twice")
        names.add(name)
        file = tar.extractfile(member)
        yield name, file.read() if file else b""
    if not any("/" not in name and name.endswith((".tf", ".tf.json")) for name in names):
        raise InputError("archive: no .tf file at its top, which is the root module")


def _name(member: tarfile.TarInfo) -> str:
    path = PurePosixPath(member.name)
    label = member.name[:80]
    if not member.isreg():
        raise InputError(f"archive: {label!r} is no regular file; send no links and no devices")
    if path.is_absolute() or ".." in path.parts or not all(PART.fullmatch(part) for part in path.parts):
        raise InputError(f"archive: {label!r} is no plain relative path")
    is_ours = not path.parts or path.parts[0] in OURS or path.name.endswith((".auto.tfvars", ".auto.tfvars.json"))
    if is_ours or "credentials" in path.parts:
        raise InputError(f"archive: {label!r} is the service's own to write, or no part of a root module; leave it out")
    return path.as_posix()


class _Bounded(io.RawIOBase):
    """The unpacked bytes of a gzip, which end with an error where the limit is: never more than a piece in memory."""

    def __init__(self, gz_bytes: bytes) -> None:
        self._rest = gz_bytes
        self._stream = zlib.decompressobj(wbits=31)
        self._count = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`."""
        want = size if size > 0 else 64 * 1024
        piece = self._stream.decompress(self._rest, want)
        self._rest = self._stream.unconsumed_tail
        self._count += len(piece)
        if self._count > MOST_UNPACKED_BYTES + MOST_FILES * 2048:
            raise TooLargeError(f"the archive unpacks to more than {MOST_UNPACKED_BYTES} bytes")
        return piece
