"""Looks for private keys where none may be: in states, their backups, and saved plans."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

MARK = b"PRIVATE" + b" KEY"
SHORTEST = 24  # characters of base64 that nothing else has by chance


def key_lines(key_files: Iterable[Path]) -> set[bytes]:
    """The lines of base64 in these PEM files: however a key is quoted, it holds one of them whole."""
    lines = (line.strip() for file in key_files for line in file.read_bytes().splitlines())
    return {line for line in lines if len(line) >= SHORTEST and not line.startswith(b"-----")}


def files_with_keys(folder: Path, lines: set[bytes]) -> list[str]:
    """The files under `folder` that hold a key or the mark of one, as paths; of archives, the member too."""
    return [name for name, content in _contents(folder) if MARK in content or any(line in content for line in lines)]


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        yield str(path.relative_to(folder)), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    yield f"{path.relative_to(folder)}:{member}", archive.read(member)
