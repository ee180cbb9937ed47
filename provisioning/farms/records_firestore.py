"""Records in Firestore: a record is a document of the same path, an instant is a timestamp."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from provisioning.farms.errors import RecordStoreError, TakenError
from provisioning.farms.google import errors, translated
from provisioning.farms.records import Record, checked, checked_collection, in_utc, place


class FirestoreRecords:
    """Records in the database of a client, as google.firestore_client makes one."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def create(self, path: str, record: Mapping[str, Any]) -> None:
        """See Records."""
        document = checked(path, record)
        with translated(f"record {path} in Firestore", RecordStoreError):
            try:
                self._at(path).create(document)
            except errors().AlreadyExists as error:
                raise TakenError(f"record {path}: is there already; look at it, or take another name") from error

    def get(self, path: str) -> Record | None:
        """See Records."""
        with translated(f"record {path} in Firestore", RecordStoreError):
            snapshot = self._at(path).get()
        return _record(snapshot) if snapshot.exists else None

    def put(self, path: str, record: Mapping[str, Any]) -> None:
        """See Records."""
        document = checked(path, record)
        with translated(f"record {path} in Firestore", RecordStoreError):
            self._at(path).set(document)

    def list(self, collection: str) -> dict[str, Record]:
        """See Records."""
        name = checked_collection(collection)
        with translated(f"records {name} in Firestore", RecordStoreError):
            snapshots = list(self._client.collection(name).stream())
        return {snapshot.id: _record(snapshot) for snapshot in sorted(snapshots, key=lambda one: one.id)}

    def delete(self, path: str) -> None:
        """See Records."""
        with translated(f"record {path} in Firestore", RecordStoreError):
            self._at(path).delete()

    def _at(self, path: str) -> Any:
        return self._client.document("/".join(place(path)))


def _record(snapshot: Any) -> Record:
    record: Record = _plain(snapshot.to_dict())
    return record


def _plain(value: Any) -> Any:
    """Instants without the nanoseconds that Firestore's own kind has."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return in_utc(value) if isinstance(value, datetime) else value
