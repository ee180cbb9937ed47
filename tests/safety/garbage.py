"""Every kind of garbage for every kind of message, made from one good document of that kind by small changes."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from protocol import messages, topics

GATEWAY = "irrigation-gateway-1"
OTHER = "irrigation-gateway-10"  # of the same farm, with plot-10a; its name begins with the first's
STRANGER = "irrigation-gateway-99"  # of no farm
YEAR_2000 = 946684800
YEAR_2100 = 4102444800

Document = dict[str, Any]
TOPICS = {
    "reading": topics.data(f"{GATEWAY}.soil-b"),
    "command": topics.command(GATEWAY),
    "ack": topics.ack(GATEWAY),
    "status": topics.status(GATEWAY),
    "update": topics.updates(),
    "error": topics.errors(GATEWAY),
    "diagnostics": topics.diagnostics(GATEWAY),
}


class Row(NamedTuple):
    """One piece of garbage: what kind of message it seems to be, what is wrong with it, and what arrives."""

    kind: str
    garbage: str
    detail: str
    topic: str
    payload: bytes


def documents(now: int, command_id: str = "c1") -> dict[str, Document]:
    """A good document of each kind, of gateway 1; the ack is of `command_id`, for plot-1a."""
    head = {"gateway_id": GATEWAY, "boot_id": "boot-1"}
    sample = {"seq": 1, "measured_at": now, "clock": "synced", "vwc": 0.18, "soil_temperature_c": 16.5}
    reading = {**head, "sensor_id": f"{GATEWAY}.soil-b", "zone_id": "plot-1b", "samples": [sample]}
    command = {"command_id": "c7", "device_id": GATEWAY, "zone_id": "plot-1a", "action": "open", "duration_s": 600}
    command |= {"max_volume_l": 900.0, "issued_at": now, "expires_at": now + 300, "epoch": 7}
    ack = {**head, "command_id": command_id, "zone_id": "plot-1a", "epoch": 1, "state": "done", "code": "ok"}
    ack |= {"duration_s": 600.0, "volume_l": 300.0, "volume_source": "measured", "seq": 1, "at": now}
    status = {**head, "state": "online", "at": now, "uptime_s": 60, "epochs": {"plot-1a": 9}, "open_valves": []}
    update = {"update_id": "u1", "device_id": GATEWAY, "issued_at": now, "settings": {"sample_interval_s": 600}}
    error = {**head, "at": now, "code": "bad_value", "text": "vwc of 18.58"}
    diagnostics = {**head, "at": now, "counters": {"samples_taken": 1}}
    found: dict[str, Document] = {"reading": reading, "command": command, "ack": ack, "status": status}
    found |= {"update": update, "error": error, "diagnostics": diagnostics}
    return {kind: {"v": 1, **document} for kind, document in found.items()}


def payload(document: Any) -> bytes:
    return json.dumps(document).encode()


def rows(good: dict[str, Document]) -> list[Row]:
    """The whole table, made from good documents by kind."""
    found = []
    for kind, document in good.items():
        for garbage, make in GARBAGE.items():
            for detail, what in make(kind, document):
                topic, bad = what if isinstance(what, tuple) else (TOPICS[kind], what)
                found.append(Row(kind, garbage, detail, topic, bad if isinstance(bad, bytes) else payload(bad)))
    return found


# How to spoil: each takes a kind and its good document, and gives (detail, what arrives) or (detail, (topic, what)).
Spoiler = Callable[[str, Document], Iterator[tuple[str, Any]]]


def _places(document: Document) -> Iterator[tuple[str, Any, Callable[[Any], Document]]]:
    """Every plain value of a document, at any depth: its path, itself, and a copy of the document with another one."""

    def walk(path: list[Any], value: Any) -> Iterator[tuple[list[Any], Any]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, entry in inner:
            yield [*path, name], entry
            yield from walk([*path, name], entry)

    for path, value in walk([], document):
        if path != ["v"]:
            yield ".".join(map(str, path)), value, lambda new, path=path: _changed(document, path, new)  # type: ignore[misc]


def _changed(document: Document, path: list[Any], new: Any) -> Document:
    copy: Document = json.loads(json.dumps(document))
    place: Any = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = new
    return copy


def _wrong_identity(kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    addressed = {"command": topics.command, "ack": topics.ack, "status": topics.status, "error": topics.errors}
    addressed["diagnostics"] = topics.diagnostics
    if kind in addressed:
        yield "on the topic of another gateway", (addressed[kind](OTHER), document)
    if kind == "reading":
        yield "on the topic of another gateway", (topics.data(f"{OTHER}.soil-b"), document)
        yield "on the topic of another sensor", (topics.data(f"{GATEWAY}.soil-a"), document)
        yield "of another gateway's sensor", {**document, "gateway_id": OTHER}
        foreign = {**document, "sensor_id": f"{OTHER}.soil-b"}
        yield "of this gateway for another's sensor", (topics.data(f"{OTHER}.soil-b"), foreign)
    if kind == "command":
        yield "a command for another gateway", (topics.command(OTHER), {**document, "device_id": OTHER})
    if "gateway_id" in document and kind != "reading":
        topic = addressed[kind](STRANGER)
        yield "of a gateway of no farm", (topic, {**document, "gateway_id": STRANGER})
        yield "of such a gateway, with nothing to claim", (topic, {**document, "gateway_id": STRANGER, "epochs": {}})
    if kind == "ack":
        yield "of a gateway that was not commanded", (topics.ack(OTHER), {**document, "gateway_id": OTHER})
    if kind == "reading":
        stranger = {"gateway_id": STRANGER, "sensor_id": f"{STRANGER}.soil-b"}
        yield "of a gateway of no farm", (topics.data(f"{STRANGER}.soil-b"), {**document, **stranger})


def _not_a_number(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for name, value, spoil in _places(document):
        if isinstance(value, (int, float)):
            for number in (float("nan"), float("inf"), float("-inf")):
                yield f"{name} of {number}", spoil(number)
            yield f"{name} of 1e999", json.dumps(spoil("XX")).replace('"XX"', "1e999").encode()


def _percent(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for name, value, spoil in _places(document):
        if name.endswith("vwc"):
            yield f"{name} in percent", spoil(value * 100)


def _wrong_year(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for name, value, spoil in _places(document):
        if isinstance(value, int) and value >= messages.EARLIEST:
            for year in (YEAR_2000, YEAR_2100, -1, 0, value * 1000):
                yield f"{name} of {year}", spoil(year)


def _too_big(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for size in (messages.MAX_BYTES, 2**20):
        yield f"{size} bytes and more", {**document, "padding": "x" * size}


def _too_deep(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    deep = b"[" * 60000 + b"]" * 60000
    text = payload(document)
    yield "nothing but brackets", b"[" * 120000
    yield "a list in a list, and so on", deep
    yield "in a field that nobody knows", b'{"novelty": ' + deep + b", " + text[1:]
    for name in document:
        yield f"in {name}", json.dumps({**document, name: "XX"}).encode().replace(b'"XX"', deep)
        yield f"30 deep in {name}", json.dumps({**document, name: "XX"}).encode().replace(b'"XX"', deep[59970:60030])


def _unknown_zone(kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    if kind in ("reading", "ack"):
        yield "of no farm", {**document, "zone_id": "plot-9z"}
        yield "no word", {**document, "zone_id": "plot/1a"}
        yield "of another probe, or command", {**document, "zone_id": {"reading": "plot-1a", "ack": "plot-1b"}[kind]}
    if kind == "status":
        yield "no word", {**document, "epochs": {"plot-1a": 9, "plot 1b": 5}}
        yield "with an epoch that is no count", {**document, "epochs": {"plot-1a": 9, "plot-1b": 2**53 + 1}}


def _unknown_version(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for version in (0, 2, -1, "1", 1.0, None, True, [1]):
        yield repr(version), {**document, "v": version}


def _missing(kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    fields = vars(messages)["_FIELDS"][kind]
    required = [name for name in fields if fields[name][1]]
    required += {"command": ["zone_id", "duration_s"]}.get(kind, [])
    for name in ["v", *required]:
        yield name, {key: value for key, value in document.items() if key != name}
        if name != "v":
            yield f"{name} of null", {**document, name: None}


def _bool(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for name, value, spoil in _places(document):
        if isinstance(value, (int, float)):
            yield f"{name} of true", spoil(True)
            yield f"{name} of false", spoil(False)


def _wrong_type(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    for name, value, spoil in _places(document):
        new: Any
        for new in ("", 7, [], {}, [[]], {"x": {}}):
            if not isinstance(new, (int, float) if isinstance(value, float) else type(value)):
                yield f"{name} of {new!r}", spoil(new)


def _twice(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    text = payload(document)
    for name in document:
        yield name, b"{" + payload({name: document[name]})[1:-1] + b", " + text[1:]
        yield f"{name}, first as null", b"{" + payload({name: None})[1:-1] + b", " + text[1:]


def _not_utf_8(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    text = payload(document)
    yield "a byte 0xff before it", b"\xff" + text
    yield "cut within a character", text[:-1] + b', "x": "\xe2\x82"}'
    yield "UTF-16", text.decode().encode("utf-16")
    yield "with a byte order mark", b"\xef\xbb\xbf" + text


def _not_an_object(_kind: str, document: Document) -> Iterator[tuple[str, Any]]:
    text = payload(document)
    found = {"empty": b"", "blank": b" \n", "null": b"null", "a number": b"1", "a text": b'"open"', "NaN": b"NaN"}
    found |= {"a list of it": b"[" + text + b"]", "half of it": text[: len(text) // 2], "it twice": text * 2}
    yield from found.items()


GARBAGE: dict[str, Spoiler] = {
    "wrong identity": _wrong_identity,
    "not a number": _not_a_number,
    "percent for a fraction": _percent,
    "wrong year": _wrong_year,
    "too big": _too_big,
    "too deep": _too_deep,
    "unknown zone": _unknown_zone,
    "unknown version": _unknown_version,
    "missing field": _missing,
    "bool for a number": _bool,
    "wrong type": _wrong_type,
    "a name twice": _twice,
    "not UTF-8": _not_utf_8,
    "not an object": _not_an_object,
}
