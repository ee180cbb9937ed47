"""Records, the same tests on every store: what goes in comes out, and one record is created once."""

import json
import string
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from provisioning.farms.errors import RecordError, RecordStoreError, TakenError
from provisioning.farms.records import (
    MOST_BYTES,
    MOST_DEPTH,
    MOST_WHOLE,
    Records,
    checked,
    packed,
    place,
    unpacked,
)
from provisioning.farms.records_dynamodb import DynamoDbRecords, record_of
from provisioning.farms.records_firestore import FirestoreRecords
from provisioning.farms.records_sqlite import SqliteRecords
from tests.provisioning import cloud
from tests.provisioning.farms.emulators import firestore_at

Store = Sequence[Records]
AT = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
PATH = "users/a1B2/tokens/12abc34501de35"
EVERYTHING: dict[str, Any] = {
    "text": "Sítio 😀",
    "empty": "",
    "nothing": None,
    "yes": True,
    "whole": -(2**53) + 1,
    "part": 0.1,
    "small": 1e-9,
    "big": 1.5e25,
    "third": 1 / 3,
    "at": AT,
    "list": [1, "two", {"three": [None, AT]}],
    "none of it": [],
    "dict": {},
    "a.b": {"c.d": 1, "é": 2},
    "collection": "a reserved word",
}


def test_what_is_kept_comes_back(store: Store) -> None:
    """Each kind of value, also for another who looks: texts in any script, instants to the microsecond."""
    one, other = store
    one.create(PATH, EVERYTHING)
    for records in (one, other):
        record = records.get(PATH)
        assert record == EVERYTHING
        assert kinds(record) == kinds(EVERYTHING)


def kinds(value: Any) -> Any:
    """Types all the way down: 1 is equal to True, and is not the same."""
    if isinstance(value, dict):
        return {name: kinds(one) for name, one in value.items()}
    return [kinds(one) for one in value] if isinstance(value, list) else type(value)


def test_a_record_is_created_once(store: Store) -> None:
    """Who comes second is refused, and changes nothing; after a deletion it may be created again."""
    one, other = store
    one.create(PATH, {"by": "one"})
    with pytest.raises(TakenError, match=rf"^record {PATH}: is there already; "):
        other.create(PATH, {"by": "other"})
    assert other.get(PATH) == {"by": "one"}
    one.delete(PATH)
    assert other.get(PATH) is None
    one.delete(PATH)
    other.create(PATH, {"by": "other"})
    assert one.get(PATH) == {"by": "other"}


def test_of_two_workers_one_wins(store: Store) -> None:
    """Both create the same record at once, again and again: one is let, the one whose record is there."""
    for number in range(10):
        winners = race(store, f"farms/sitio1/claims/{number}.1")
        assert len(winners) == 1
        assert store[0].get(f"farms/sitio1/claims/{number}.1") == {"worker": winners[0]}


def race(store: Store, path: str) -> list[int]:
    winners: list[int] = []
    start = threading.Barrier(2 * len(store))

    def create(worker: int) -> None:
        start.wait()
        try:
            store[worker % len(store)].create(path, {"worker": worker})
        except TakenError:
            return
        winners.append(worker)

    threads = [threading.Thread(target=create, args=(worker,)) for worker in range(2 * len(store))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners


def test_put_replaces_the_whole(store: Store) -> None:
    """A field that the new record lacks is gone, also deep in it: a token that was blanked stays nowhere."""
    one, other = store
    one.put(PATH, {"status": "pending", "detail": {"a": 1, "b": 2}, "error": "x"})
    other.put(PATH, {"status": "active", "detail": {"b": 3}})
    assert one.get(PATH) == {"status": "active", "detail": {"b": 3}}


def test_a_collection_is_listed_in_order(store: Store) -> None:
    """Its own records by id, whoever made them; none of another collection, and none of those below."""
    one, other = store
    assert one.list("farms") == {}
    for number in (10, 2, 1):
        one.put(f"farms/sitio{number}", {"number": number})
    other.put("farms/sitio1/claims/1.1", {"worker": "w"})
    other.put("farm/sitio3", {})
    assert list(other.list("farms").items()) == [(f"sitio{n}", {"number": n}) for n in (1, 10, 2)]
    assert one.list("farms/sitio1/claims") == {"1.1": {"worker": "w"}}
    one.delete("farms/sitio1")
    assert other.list("farms/sitio1/claims") == {"1.1": {"worker": "w"}}


def test_a_long_list_is_whole(store: Store) -> None:
    """More than one answer of the store holds: 1.2 MB of records are all there."""
    for number in range(5):
        store[0].put(f"big/{number}", {"text": "x" * 250_000})
    assert {name: len(record["text"]) for name, record in store[1].list("big").items()} == {
        str(number): 250_000 for number in range(5)
    }


def test_what_is_just_taken_is_kept(store: Store) -> None:
    """At all limits at once (bytes, depth, names, numbers) no store refuses, or changes anything."""
    deep: Any = {"n": [MOST_WHOLE, -MOST_WHOLE, 1.0000000000000002e30, -1e-100]}
    for _ in range(MOST_DEPTH - 3):
        deep = {"é" * 200: deep}
    record = {"deep": deep, "text": ""}
    record["text"] = "x" * (MOST_BYTES - len(json.dumps(record, ensure_ascii=False).encode()))
    path = "/".join(["a" * 128] * 4)
    store[0].create(path, record)
    assert store[1].get(path) == record
    with pytest.raises(RecordError, match=f"has {MOST_BYTES + 1} bytes"):
        store[0].put(path, record | {"text": record["text"] + "x"})
    with pytest.raises(RecordError, match=f"more than {MOST_DEPTH} deep"):
        store[0].put(path, {"deep": {"n": deep}})


BAD_RECORDS: dict[str, tuple[dict[Any, Any], str]] = {
    "bytes": ({"a": b"x"}, "record farms/f, a: bytes is kept by no store"),
    "a list in a list": ({"a": {"b": [[1]]}}, r"record farms/f, a\.b: a list in a list"),
    "an instant without zone": ({"a": datetime(2026, 1, 1)}, "an instant without a zone"),
    "a whole number that JSON loses": ({"a": 2**53}, "not every store holds this number"),
    "a number that one store writes out": ({"a": 1e100}, "not every store holds this number"),
    "no number": ({"a": float("nan")}, "not every store holds this number"),
    "infinity": ({"a": float("inf")}, "not every store holds this number"),
    "half a character": ({"a": "\ud800"}, "half a character"),
    "too much": ({"a": "x" * 300_001}, "has 3000[0-9][0-9] bytes, want 300000 at most"),
    "too deep": ({"a": {"b": EVERYTHING}}, "more than 16 deep"),
    "a name that marks": ({"$time": "2026"}, "is no field's name"),
    "a name of Firestore's own": ({"a": {"__x__": 1}}, "is no field's name"),
    "no name": ({"": 1}, "is no field's name"),
    "a number for a name": ({1: 1}, "is no field's name"),
}
deep: Any = 1
for _ in range(20):
    deep = {"a": deep}
BAD_RECORDS["too deep"] = (deep, "more than 16 deep")


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_what_some_store_would_refuse_or_change_all_refuse(case: str) -> None:
    """A farm may move to another store: nothing is kept in one that another has not."""
    record, why = BAD_RECORDS[case]
    with pytest.raises(RecordError, match=why):
        checked("farms/f", record)


@pytest.mark.parametrize(
    "path", ["farms", "farms/", "/farms", "a/b/c", "farms/..", "farms/a b", "__x__/a", "farms/é", "a/" + "b" * 129, ""]
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    """One line says what a path is made of."""
    with pytest.raises(RecordError, match=r"^record '.*': want collection/id, of letters, digits"):
        place(path)


VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.text(string.printable + "éç😀", max_size=20)
    | some.integers(-(2**53) + 1, 2**53 - 1)
    | some.floats(1e-90, 1e30)
    | some.datetimes(timezones=some.sampled_from([UTC, timezone(timedelta(hours=-3))])),
    lambda below: (
        some.lists(below.filter(lambda one: not isinstance(one, list)), max_size=3)
        | some.dictionaries(some.text(string.ascii_letters, min_size=1, max_size=5), below, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=40)
@given(some.dictionaries(some.text(string.ascii_letters, min_size=1, max_size=5), VALUES, max_size=4))
def test_a_record_that_was_packed_is_the_same_again(record: dict[str, Any]) -> None:
    """Whatever is taken is what comes back, and is taken again as it is."""
    plain = checked("farms/f", record)
    assert plain == record
    assert unpacked(packed(plain)) == plain
    assert checked("farms/f", plain) == plain


def test_an_event_of_a_stream_is_read(running: dict[str, str]) -> None:
    """What DynamoDB shows of an item, in a table or in a stream, says which record it is."""
    item = {"collection": {"S": "farms"}, "id": {"S": "sitio1"}, "record": {"M": {"n": {"N": "2"}}}}
    assert record_of(item) == ("farms/sitio1", {"n": 2})


def test_a_store_that_does_not_answer_is_one_error(tmp_path: Any) -> None:
    """Whoever uses records catches one kind, whichever the store; its text says what to look at."""
    client = cloud.client("dynamodb", "http://127.0.0.1:9")
    with pytest.raises(
        RecordStoreError, match=r"^records in DynamoDB's farms: .*; check credentials, region, network$"
    ):
        DynamoDbRecords(client, "farms").get("farms/a")
    (tmp_path / "none.sqlite").write_text("no database at all, and longer than its header has to be " * 3)
    with pytest.raises(RecordStoreError, match=r"^records in .*none\.sqlite: "):
        SqliteRecords(tmp_path / "none.sqlite")


def test_a_table_that_is_not_there_is_told(running: dict[str, str]) -> None:
    """Nobody made it: the error names it."""
    with pytest.raises(
        RecordStoreError, match=r"^records in DynamoDB's nothing: ResourceNotFoundException; look at the"
    ):
        DynamoDbRecords(cloud.client("dynamodb", running["dynalite"]), "nothing").list("farms")


def test_firestore_that_refuses_is_one_error(running: dict[str, str]) -> None:
    """What its client raises does not reach whoever asked."""
    with firestore_at(running["firestore"], "refused") as client:
        records = FirestoreRecords(client)
        refuse(client)
        with pytest.raises(
            RecordStoreError, match=r"^record farms/a in Firestore: PermissionDenied; look at the project"
        ):
            records.get("farms/a")


def refuse(client: Any) -> None:
    from google.api_core.exceptions import PermissionDenied  # noqa: PLC0415  # gRPC takes a second to load

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionDenied("no")  # type: ignore[no-untyped-call]  # Google's, and without types

    client._firestore_api_internal = type("Api", (), {"batch_get_documents": denied})()
