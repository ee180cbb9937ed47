"""From an accepted reading to an object in S3: nothing is lost, whatever breaks in between."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.errors import DeliveryError, SpoolError
from local_cloud.topic_rule import BUFFER_BYTES, TopicRule

TOPIC = "irrigation/sensors/irrigation-gateway-1.soil/data"
START = 1_780_000_000  # 2026-05-28 20:26:40 UTC


class Farm:
    """A rule on a clock that the test sets."""

    def __init__(self, folder: Path, s3: Any) -> None:
        self.now = START
        self.s3 = s3
        self.folder = folder
        self.rule = self.restart()

    def restart(self) -> TopicRule:
        """A new rule on the same folder, as after a crash: the old one is never closed."""
        self.rule = TopicRule(self.folder, self.s3, "farm", "raw/", lambda: self.now)
        return self.rule

    def objects(self, prefix: str = "") -> dict[str, list[dict[str, Any]]]:
        listed = self.s3.list_objects_v2(Bucket="farm", Prefix=prefix).get("Contents", [])
        bodies = {entry["Key"]: self.s3.get_object(Bucket="farm", Key=entry["Key"])["Body"].read() for entry in listed}
        return {key: [json.loads(line) for line in gzip.decompress(body).splitlines()] for key, body in bodies.items()}


@pytest.fixture
def farm(aws: Callable[[str], Any], tmp_path: Path) -> Any:
    s3 = aws("s3")
    s3.create_bucket(Bucket="farm")
    farm = Farm(tmp_path / "spool", s3)
    yield farm
    farm.rule.close()


async def test_a_reading_becomes_a_line_of_the_arrival_hour(farm: Farm) -> None:
    """The object holds the reading's own fields, the publisher, and the time of receipt."""
    farm.rule.publish("irrigation-gateway-1", TOPIC, b'{"v":1,"x":null}')
    farm.now += 60
    farm.rule.publish("irrigation-gateway-1", TOPIC, b'{"v":1}')
    await farm.rule.flush(everything=True)
    assert farm.objects() == {
        "raw/2026/05/28/20/readings-2026-05-28-20-26-40-000000.gz": [
            {"v": 1, "x": None, "client_id": "irrigation-gateway-1", "received_at": START},
            {"v": 1, "client_id": "irrigation-gateway-1", "received_at": START + 60},
        ]
    }
    assert (farm.rule.received, farm.rule.delivered, farm.rule.objects) == (2, 2, 1)
    assert list(farm.folder.glob("*.jsonl")) == []


async def test_other_topics_are_not_the_rules(farm: Farm) -> None:
    """Acks, and topics that only look alike, pass by."""
    for topic in ("irrigation/control/irrigation-gateway-1/ack", "irrigation/sensors/a/b/data", "irrigation/sensors/a"):
        farm.rule.publish("irrigation-gateway-1", topic, b"{}")
    assert farm.rule.received == 0
    assert farm.rule.next_due() is None


async def test_the_buffer_goes_after_its_interval(farm: Farm) -> None:
    """A flush before the interval is over puts nothing; at its end, everything."""
    farm.rule.publish("g", TOPIC, b"{}")
    assert farm.rule.next_due() == START + 900
    farm.now += 899
    await farm.rule.flush()
    assert farm.objects() == {}
    farm.now += 1
    await farm.rule.flush()
    assert len(farm.objects()) == 1
    assert farm.rule.next_due() is None


async def test_the_buffer_goes_when_it_is_full(farm: Farm) -> None:
    """5 MB are enough for an object, and for no more than one."""
    payload = json.dumps({"x": "y" * 100_000}).encode()
    for _ in range(BUFFER_BYTES // 100_000 + 2):
        farm.rule.publish("g", TOPIC, payload)
    assert farm.rule.next_due() == 0
    await farm.rule.flush()
    assert len(farm.objects()) == 1
    assert farm.rule.next_due() == START + 900


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"\xff\xfe", b"[1]", b"3", b"{", b'{"x":NaN}', b'{"x":1e999}', b"[" * 100_000, b"1" * 5000),
        *(b'{"client_id":"somebody else"}', b'{"received_at":null}'),
    ],
)
async def test_what_is_no_json_object_or_forged_is_kept_with_the_reason(farm: Farm, payload: bytes) -> None:
    """The error action holds the very bytes; the readings around it are not touched."""
    farm.rule.publish("g", TOPIC, b'{"n":1}')
    farm.rule.publish("g", TOPIC, payload)
    farm.rule.publish("g", TOPIC, b'{"n":2}')
    await farm.rule.flush(everything=True)
    ((error,),) = farm.objects("errors/").values()
    assert base64.b64decode(error["payload_base64"]) == payload
    assert error["reason"]
    assert (error["client_id"], error["topic"], error["received_at"]) == ("g", TOPIC, START)
    assert [[line["n"] for line in lines] for lines in farm.objects("raw/").values()] == [[1, 2]]
    assert farm.rule.rejected == 1


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"x":1,"x":2}', b'{"x":1,"x":2,'),
        (b' {\r\n\t"x" : 0.10000000000000000000001\n}\n', b'{  \t"x" : 0.10000000000000000000001 ,'),
        ('{"x":"é \\n"}'.encode(), '{"x":"é \\n",'.encode()),
        (b"{}", b"{"),
    ],
)
async def test_a_record_is_what_was_said_to_the_letter(farm: Farm, payload: bytes, said: bytes) -> None:
    """A name twice, digits, letters: the lake judges the publisher's own text, in a line with the rule's facts."""
    farm.rule.publish("g", TOPIC, payload)
    (spool,) = farm.folder.glob("readings-*.jsonl")
    assert spool.read_bytes() == said + b'"client_id":"g","received_at":%d}\n' % START


async def test_a_flood_of_refusals_is_named_once_an_hour(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    """The log has a line for each client, not for each message; all of them are kept and counted."""
    for after_s in (0, 1, 3599, 3600):
        farm.now = START + after_s
        for client_id in ("g", "h"):
            farm.rule.publish(client_id, TOPIC, b"no JSON")
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["g", "h", "g", "h"]
    assert farm.rule.rejected == 8


async def test_a_crash_loses_nothing_that_was_acknowledged(farm: Farm) -> None:
    """What a killed rule left in its spool is delivered by the next, without the line that it was writing."""
    farm.rule.publish("g", TOPIC, b'{"n":1}')
    (spool,) = farm.folder.glob("*.jsonl")
    spool.write_bytes(spool.read_bytes() + b'{"n":2,"cli')
    farm.rule.close()
    rule = farm.restart()
    assert rule.next_due() == 0
    rule.publish("g", TOPIC, b'{"n":3}')
    await rule.flush(everything=True)
    assert sorted(line["n"] for lines in farm.objects().values() for line in lines) == [1, 3]


async def test_a_put_repeated_after_a_crash_overwrites_itself(farm: Farm) -> None:
    """A crash between the put and the deletion of the spool leaves one object, not two."""
    farm.rule.publish("g", TOPIC, b'{"n":1}')
    (spool,) = farm.folder.glob("*.jsonl")
    kept = spool.read_bytes()
    await farm.rule.flush(everything=True)
    spool.write_bytes(kept)
    await farm.restart().flush()
    assert [line["n"] for lines in farm.objects().values() for line in lines] == [1]


async def test_a_clock_that_starts_again_overwrites_nothing(farm: Farm) -> None:
    """Two runs of the same field time on one bucket keep both runs' records."""
    for number in (1, 2):
        farm.restart().publish("g", TOPIC, b'{"n":%d}' % number)
        await farm.rule.flush(everything=True)
    assert sorted(line["n"] for lines in farm.objects().values() for line in lines) == [1, 2]


async def test_a_failed_put_is_repeated(farm: Farm) -> None:
    """While S3 refuses, the spool stays and the error names both; later the record arrives."""
    farm.rule.publish("g", TOPIC, b'{"n":1}')
    farm.rule._bucket = "nowhere"
    with pytest.raises(DeliveryError, match="nowhere"):
        await farm.rule.flush(everything=True)
    assert farm.objects() == {}
    farm.rule._bucket = "farm"
    await farm.rule.flush()
    assert len(farm.objects()) == 1


async def test_a_folder_that_cannot_be_used_is_one_line(farm: Farm, tmp_path: Path) -> None:
    """A file in the folder's place is named, with the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="choose another folder"):
        TopicRule(tmp_path / "file", farm.s3, "farm", "raw/", lambda: START)
