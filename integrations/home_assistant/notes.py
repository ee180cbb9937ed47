"""What the bridge remembers over a restart: minutes of runs by hand, its devices, and what it has told."""

import json
from pathlib import Path

from integrations.errors import NotesError


class Notes:
    """A small file, written anew at each change. Raises NotesError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.minutes: dict[str, int] = {}
        self.seq: int | None = None
        self.devices: set[str] = set()
        if path.exists():
            self._read()

    def set_minutes(self, zone_id: str, minutes: int) -> None:
        """Minutes of a zone's next run by hand."""
        self.minutes[zone_id] = minutes
        self._write()

    def set_seq(self, seq: int) -> None:
        """Everything up to this place in the journal was told."""
        if seq != self.seq:
            self.seq = seq
            self._write()

    def set_devices(self, topics: set[str]) -> None:
        """The discovery topics of all devices that are announced."""
        if topics != self.devices:
            self.devices = topics
            self._write()

    def _read(self) -> None:
        try:
            document = json.loads(self._path.read_text())
            self.minutes = {str(name): int(value) for name, value in document["minutes"].items()}
            self.seq = None if document["seq"] is None else int(document["seq"])
            self.devices = {str(topic) for topic in document["devices"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"cannot be read ({error}); delete it, and minutes are as at first"
            raise NotesError(f"{self._path}: {why}") from error

    def _write(self) -> None:
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            part.write_text(json.dumps({"minutes": self.minutes, "seq": self.seq, "devices": sorted(self.devices)}))
            part.replace(self._path)
        except OSError as error:
            raise NotesError(f"{self._path}: cannot be written ({error}); check the path and the disk") from error
