"""Bundles as `python -m firmware sign` writes them, with a signature that only a board would look at."""

import hashlib
import json
from pathlib import Path

FILES = {"lib/gateway/gateway.mpy": b"gateway" * 900, "lib/protocol/topics.mpy": b"topics" * 50, "boot.mpy": b"b"}


def write_bundle(folder: Path, version: int = 7, files: dict[str, bytes] = FILES) -> Path:
    """A bundle of these files."""
    rows = []
    for path, content in files.items():
        file = folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        rows.append({"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    manifest = {"version": version, "name": "pythoflow 0.2.0", "files": rows}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "manifest.sig").write_bytes(bytes([0x30, 69]) + bytes(69))
    return folder
