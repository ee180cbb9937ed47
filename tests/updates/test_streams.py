"""MQTT-based file delivery, held against what AWS IoT's developer guide says of it."""

import base64
from typing import Any

import pytest

from tests.updates.bundles import FILES, write_bundle
from tests.updates.conftest import Farm
from updates.service import BURST_BYTES, BYTES_A_SECOND

A, B = "irrigation-gateway-1", "irrigation-gateway-2"
GATEWAY = FILES["lib/gateway/gateway.mpy"]


@pytest.fixture(autouse=True)
def _begun(farm: Farm) -> None:
    write_bundle(farm.bundle, files={**FILES, "image.bin": bytes(range(256)) * 1200})  # 300 KB
    farm.publish(A, sizes=())
    farm.tick()


def blocks(farm: Farm, **request: Any) -> list[tuple[int, bytes]]:
    """Numbers and bytes of the blocks that come."""
    answers = farm.ask(A, "streams/update-7/get/json", request)
    assert {topic for topic, _ in answers} == {"streams/update-7/data/json"}, answers
    assert all(len(base64.b64decode(one["p"])) == one["l"] for _, one in answers)
    return [(one["i"], base64.b64decode(one["p"])) for _, one in answers]


def test_a_file_comes_block_by_block(farm: Farm) -> None:
    """Each block as a message with file, number, size and bytes; the last one is as short as the file's end."""
    answers = farm.ask(A, "streams/update-7/get/json", {"c": "t", "s": 1, "f": 1, "l": 2048, "o": 2, "n": 9})
    assert answers == [
        (
            "streams/update-7/data/json",
            {"c": "t", "f": 1, "l": len(part), "i": number, "p": base64.b64encode(part).decode()},
        )
        for number, part in ((2, GATEWAY[4096:6144]), (3, GATEWAY[6144:]))
    ]
    manifest = (farm.bundle / "manifest.json").read_bytes()
    assert b"".join(part for _, part in blocks(farm, f=0, l=256, n=100)) == manifest


def test_a_bitmap_names_the_blocks_that_are_missing(farm: Farm) -> None:
    """The guide's own example: blocks 20, 21, 24 and 43 are asked for as offset 20 and 0x130080; n bounds them."""
    asked = {"f": 4, "l": 256, "o": 20, "b": "0x130080"}
    assert [number for number, _ in blocks(farm, **asked, n=32)] == [20, 21, 24, 43]
    assert [number for number, _ in blocks(farm, **asked, n=3)] == [20, 21, 24]
    assert [number for number, _ in blocks(farm, **{**asked, "b": "130080"})] == [20, 21, 24, 43]


def test_one_request_brings_128_kb(farm: Farm) -> None:
    """What goes beyond comes when the board asks again; without `n` as many blocks come as fit."""
    assert [number for number, _ in blocks(farm, f=4, l=65_536, n=5)] == [0, 1]
    assert [number for number, _ in blocks(farm, f=4, l=65_536, o=2)] == [2, 3]
    assert [len(part) for _, part in blocks(farm, f=4, l=131_072, o=2, n=1)] == [307_200 - 262_144]


def test_a_stream_describes_itself(farm: Farm) -> None:
    """Its version, and each file's number and size; file 0 is the manifest."""
    [(topic, message)] = farm.ask(A, "streams/update-7/describe/json", {"c": "t"})
    sizes = [(farm.bundle / "manifest.json").stat().st_size, *map(len, FILES.values()), 307_200]
    rows = [{"f": number, "z": size} for number, size in enumerate(sizes)]
    assert (topic, message) == (
        "streams/update-7/description/json",
        {"c": "t", "s": 1, "d": "update-7", "r": rows},
    )


GOOD = {"f": 1, "l": 1024, "n": 1}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"{", "InvalidJson"),
        (b"[1]", "InvalidRequest"),
        ({**GOOD, "c": "x" * 65}, "InvalidRequest"),
        ({**GOOD, "s": 2}, "VersionMismatch"),
        ({"l": 1024, "n": 1}, "InvalidRequest"),
        ({**GOOD, "f": 1.5}, "InvalidRequest"),
        ({**GOOD, "f": 5}, "ResourceNotFound"),
        ({**GOOD, "f": -1}, "ResourceNotFound"),
        ({"f": 1, "n": 1}, "BlockSizeOutOfBounds"),
        ({**GOOD, "l": 255}, "BlockSizeOutOfBounds"),
        ({**GOOD, "l": 131_073}, "BlockSizeOutOfBounds"),
        ({**GOOD, "o": 98_305}, "OffsetOutOfBounds"),
        ({**GOOD, "o": -1}, "OffsetOutOfBounds"),
        ({**GOOD, "o": 7}, "ResourceNotFound"),
        ({**GOOD, "n": 98_305}, "BlockCountLimitExceeded"),
        ({**GOOD, "n": 0}, "ResourceNotFound"),
        ({**GOOD, "b": "00" * 12_288}, "BlockBitmapLimitExceeded"),
        ({**GOOD, "b": "0xgg"}, "InvalidRequest"),
        ({**GOOD, "b": 3}, "InvalidRequest"),
    ],
)
def test_what_is_wrong_has_its_documented_code(farm: Farm, request_: Any, expected: str) -> None:
    """Each mistake is answered on `rejected/json` with AWS's word for it."""
    [(topic, message)] = farm.ask(A, "streams/update-7/get/json", request_)
    assert (topic, message["o"]) == ("streams/update-7/rejected/json", expected)


@pytest.mark.parametrize("operation", ["get/cbor", "describe/cbor"])
def test_only_json_is_spoken(farm: Farm, operation: str) -> None:
    """CBOR, which AWS also has, is an invalid topic here."""
    [(topic, message)] = farm.ask(A, f"streams/update-7/{operation}", GOOD)
    assert (topic, message["o"]) == ("streams/update-7/rejected/json", "InvalidTopic")


def test_a_stream_is_there_for_who_has_the_job(farm: Farm) -> None:
    """Not for a board that is not in it, not by a path, not for the board itself once its job has ended."""
    for thing, stream in ((B, "update-7"), (A, ".."), (A, "../bundles/update-7"), (A, ".update-7"), (A, "")):
        for _, message in farm.ask(thing, f"streams/{stream}/get/json", GOOD):
            assert message["o"] in ("ResourceNotFound", "InvalidTopic")
    assert blocks(farm, **GOOD)
    farm.abort(force=True)
    assert farm.ask(A, "streams/update-7/get/json", GOOD)[0][1]["o"] == "ResourceNotFound"


def test_files_that_somebody_took_away_end_nothing(farm: Farm) -> None:
    """A board is told InternalError, and the service goes on."""
    (farm.folder / "bundles" / "update-7").rename(farm.folder / "elsewhere")
    assert farm.ask(A, "streams/update-7/get/json", GOOD)[0][1]["o"] == "InternalError"
    (farm.folder / "elsewhere").rename(farm.folder / "bundles" / "update-7")
    assert blocks(farm, **GOOD)


def test_a_flood_costs_only_who_floods(farm: Farm) -> None:
    """Beyond its measure a board gets nothing, is told so once for jobs, and later is served again; others always."""
    service, topic = farm.service, f"$aws/things/{A}/streams/update-7/get/json"
    farm.seconds += 60
    large = b'{"f": 4, "l": 131072, "n": 1}'
    sent = sum(len(one.payload) for _ in range(1000) for one in service.hear(topic, large))
    assert BURST_BYTES <= sent < BURST_BYTES + 180_000
    told = [one for _ in range(1000) for one in service.hear(f"$aws/things/{A}/jobs/start-next", b"{}")]
    assert [b"RequestThrottled" in one.payload for one in told] == [True]
    assert service.hear(f"$aws/things/{B}/jobs/start-next", b"{}")
    farm.seconds += 180_000 / BYTES_A_SECOND
    assert service.hear(topic, large)
    for number in range(30_000):  # names without end, where a broker does not tie them to anybody
        service.meter.use(f"thing-{number}", 1)
        farm.seconds += 0.001
    assert len(service.meter._levels) <= 10_000


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/things/x",
        "$aws/things/x/jobs",
        "$aws/things/x/shadow/get",
        "$aws/things/x/jobs/start-next/accepted",
        "$aws/things/x/jobs/notify-next",
        "irrigation/control/x/command",
        "",
    ],
)
def test_what_is_no_request_has_no_answer(farm: Farm, topic: str) -> None:
    """Its own answers, and other topics, are not answered: no two services talk to each other for ever."""
    assert farm.service.hear(topic, b"{}") == []
