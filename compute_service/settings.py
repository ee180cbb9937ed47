"""The zones file as a document that people edit while the service runs: read, changed at once or not at all, watched.

A change is checked as the service checks it, takes the file's place in one step, and is an order like the others: with
who made it, from where and when, and with an end once the service goes by it. The running service does from its next
tick on; of a file with a mistake it tells, by an alarm too, and goes by the old.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute_service import orders
from compute_service.adapters import zones_file
from compute_service.domain.inputs import digest
from compute_service.domain.orders import DONE, REFUSED, SETTINGS, Order, OrderRow
from compute_service.domain.ports import Store
from compute_service.domain.zone import Config
from compute_service.errors import ComputeError, ConfigError, SettingsError
from protocol import farms

KIND = "settings"  # of the journal's rows
SAVE, LOAD, REFUSAL = "saved", "loaded", "refused"
MOST_NOTES = 1000  # of the journal's rows about settings, that orders which still wait may be among
OVERTAKEN = "the file was changed again before the service had read it"


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


def check(path: Path, text: str, farm: str | None = None) -> Config:
    """The farm that a text would be in a document's place; `farm`: its id, if it is known.

    Raises ConfigError with every mistake in it.
    """
    with tempfile.TemporaryDirectory(prefix="zones-") as folder:
        draft = Path(folder) / path.name
        try:
            draft.write_text(text, encoding="utf-8")
            return zones_file.load(draft, farm)
        except UnicodeEncodeError as error:
            raise ConfigError(path, [f"{path.name}: half a character stands in it; write it anew"]) from error
        except ConfigError as error:
            raise ConfigError(path, [one.replace(str(draft), path.name) for one in error.mistakes]) from error


def edit(store: Store, path: Path, change: Edit) -> Document:
    """Put another text in the document's place, in one step, and write down who ordered it.

    Raises SettingsError if the document was changed meanwhile, ConfigError for a text with mistakes; then nothing is
    another than before.
    """
    if read(path).digest != change.digest:
        raise SettingsError(f"{path.name} was changed meanwhile; look at it again, and edit it as it is now")
    root = store.updates.root()
    check(path, change.text, farms.farm_of(root) if root else None)
    document = Document(path, change.text)
    body = {"state": SAVE, "by": change.by, "via": change.via, "digest": document.digest, "text": change.text}
    name = orders.new_order_id(change.at)
    order = Order(order_id=name, action=SETTINGS, at=change.at, by=change.by, via=change.via, why=path.name)
    with store.transaction(durable=True):
        store.journal.add(change.at, KIND, None, None, {**body, "order_id": order.order_id})
        store.orders.add(order)
        orders.note(store, OrderRow(order=order), order.at)
        _replace(path, change.text)
    return document


def settle(store: Store, change: "Change", now: int) -> None:
    """The orders that wait for settings come to their end: done is the one whose text the service goes by now.

    One whose text was replaced before the service had read it is refused: another came after it.
    """
    waiting = [row.order for row in store.orders.open() if row.order.action == SETTINGS]
    if not waiting:
        return
    notes = (row["body"] for row in store.journal.last(MOST_NOTES, (KIND,)))
    digests = {body["order_id"]: body["digest"] for body in notes if "order_id" in body}
    for order in waiting:
        is_here = change.config is not None and digests.get(order.order_id) == change.document.digest
        reason = "" if is_here else "; ".join(change.mistakes) or OVERTAKEN
        state = DONE if is_here else REFUSED
        store.orders.move(order.order_id, state, reason=reason, ended_at=now)
        orders.note(store, OrderRow(order=order, state=state, reason=reason, ended_at=now), now)


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
    """The file of a running service, from how it is now; looking costs one `stat` until it is another one.

    `farm`: the id of the farm that it has to be of, if one is known. Raises SettingsError or ConfigError if the service
    cannot begin with it.
    """

    def __init__(self, path: Path, farm: str | None = None) -> None:
        self._path, self._farm_id = path, farm
        self._mark = self._mark_now()
        document = read(path)
        self._digest = document.digest
        self.farm = zones_file.load(path, farm)
        self.first = Change(document, self.farm)

    def is_changed(self) -> bool:
        """Was the file touched since `change` looked at it? One that is away for a moment is not another one."""
        return self._mark_now() not in {None, self._mark}

    def change(self) -> Change | None:
        """What the file has become, once for each time that it is another; None while it is as it was."""
        if not self.is_changed():
            return None
        self._mark = self._mark_now()
        try:
            data = self._path.read_bytes()
        except OSError:
            return None  # until its rights or its place are others
        document = Document(self._path, data.decode(errors="replace"))
        if document.digest == self._digest:
            return None
        self._digest = document.digest
        config, mistakes = _config(document, data, self._farm_id)
        return Change(document, config, mistakes)

    def _mark_now(self) -> tuple[int, int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _config(document: Document, data: bytes, farm: str | None) -> tuple[Config | None, tuple[str, ...]]:
    """The farm of a document, or what is wrong with it: whatever that is, the service goes on."""
    name = document.path.name
    try:
        data.decode()
        return check(document.path, document.text, farm), ()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return None, (f"{name}:{line}: a letter that is not UTF-8; save the file as UTF-8",)
    except ConfigError as error:
        return None, tuple(error.mistakes)
    except ComputeError as error:
        return None, (f"{name}: {error}",)
