"""The zones file as a document that people edit while the service runs: read, changed at once or not at all, watched.

A change is checked as the service checks it, takes the file's place in one step, and stands in the journal with who
made it. The running service goes by it from its next tick on; of a file with a mistake it tells, and goes by the old.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute_service.adapters import zones_file
from compute_service.domain.inputs import digest
from compute_service.domain.ports import Store
from compute_service.domain.zone import Config
from compute_service.errors import ConfigError, SettingsError

KIND = "settings"
SAVE, LOAD, REFUSAL = "saved", "loaded", "refused"


@dataclass(frozen=True, slots=True)
class Document:
    """A zones file as it is: where it stands, and its text."""

    path: Path
    text: str

    @property
    def digest(self) -> str:
        """A short name of this very text."""
        return digest(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Another text for a document: `digest` is of the one that was edited; who, from where, and when (Unix s)."""

    text: str
    digest: str
    by: str
    via: str
    at: int


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is another than before: its farm, or the mistakes for which there is none."""

    document: Document
    config: Config | None
    mistakes: tuple[str, ...] = ()

    def to_note(self) -> Mapping[str, Any]:
        """The change as the journal has it."""
        state = LOAD if self.config else REFUSAL
        mistakes = {} if self.config else {"mistakes": list(self.mistakes)}
        return {"state": state, "digest": self.document.digest, "text": self.document.text, **mistakes}


def read(path: Path) -> Document:
    """The document as it is now. Raises SettingsError."""
    try:
        return Document(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: cannot be read ({error}); give the zones file that the service runs with"
        ) from error


def check(path: Path, text: str) -> Config:
    """The farm that a text would be in a document's place. Raises ConfigError with every mistake in it."""
    with tempfile.TemporaryDirectory(prefix="zones-") as folder:
        draft = Path(folder) / path.name
        try:
            draft.write_text(text, encoding="utf-8")
            return zones_file.load(draft)
        except UnicodeEncodeError as error:
            raise ConfigError(path, [f"{path.name}: half a character stands in it; write it anew"]) from error
        except ConfigError as error:
            raise ConfigError(path, [one.replace(str(draft), path.name) for one in error.mistakes]) from error


def edit(store: Store, path: Path, change: Edit) -> Document:
    """Put another text in the document's place, in one step.

    Raises SettingsError if the document was changed meanwhile, ConfigError for a text with mistakes; then nothing is
    another than before.
    """
    if read(path).digest != change.digest:
        raise SettingsError(f"{path.name} was changed meanwhile; look at it again, and edit it as it is now")
    check(path, change.text)
    document = Document(path, change.text)
    body = {"state": SAVE, "by": change.by, "via": change.via, "digest": document.digest, "text": change.text}
    with store.transaction(durable=True):
        store.journal.add(change.at, KIND, None, None, body)
        _replace(path, change.text)
    return document


def _replace(path: Path, text: str) -> None:
    """In one step, also if the power goes: the old file or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); nothing was changed") from error


class SettingsWatch:
    """The file of a running service; looking costs one `stat` until it is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = self._mark_now()
        self._digest = read(path).digest

    def change(self) -> Change | None:
        """What the file has become, once for each time that it is another; None while it is as it was."""
        mark = self._mark_now()
        if mark in {None, self._mark}:
            return None  # a file that is away for a moment is not another one
        try:
            document = read(self._path)
        except SettingsError:
            return None
        self._mark = mark
        if document.digest == self._digest:
            return None
        self._digest = document.digest
        try:
            return Change(document, check(self._path, document.text))
        except ConfigError as error:
            return Change(document, None, tuple(error.mistakes))

    def _mark_now(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
