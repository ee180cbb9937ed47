"""The topic rule with its Firehose: what sensors publish becomes gzip JSON lines in S3.

    SELECT *, clientid() AS client_id, timestamp AS received_at FROM '<the farm's root>/sensors/+/data'

A record is in a spool file before `publish` returns, and its spool goes only when S3 has the object. The object's key
follows from the spool's name, so that a put repeated after a crash overwrites itself. A payload that is no JSON object
goes to `errors/`, in base64 and with the reason.
"""

import asyncio
import base64
import gzip
import json
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from field_time.record import cut_torn_line
from local_cloud.errors import DeliveryError, SpoolError
from local_cloud.packets import matches
from protocol import farms

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)

TELL_AGAIN_S = 3600  # so often the log names a client; errors/ has every message that was refused

TOPIC_FILTER = "sensors/+/data"  # below the farm's root
OWN_FIELDS = ("client_id", "received_at")  # by the rule; a message that brings its own might pass for another's
BUFFER_S = 900
BUFFER_BYTES = 5 * 1024 * 1024
_NAME = re.compile(r"(?P<stream>.+)-(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)-(?P<sequence>\d{6,})\.jsonl")
_TIME = "%Y-%m-%d-%H-%M-%S"
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


@dataclass
class _Spool:
    """A file that is being filled."""

    file: BinaryIO
    path: Path
    due_at: int
    size: int = 0


class _Stream:
    """A buffer on disk: one open spool at most, and those that wait for their put."""

    def __init__(self, folder: Path, name: str, prefix: str) -> None:
        self._folder, self._name, self._prefix = folder, name, prefix
        self._open: _Spool | None = None
        self.waiting = sorted(folder.glob(f"{name}-*.jsonl"))
        for path in self.waiting:
            cut_torn_line(path)  # its publisher never saw a PUBACK
        self._counter = folder / f"{name}.sequence"

    def append(self, record: bytes, now: int) -> None:
        """Write a JSON object of one line."""
        line = record + b"\n"
        spool = self._open or self._begin(now)
        spool.file.write(line)
        spool.size += len(line)
        if spool.size >= BUFFER_BYTES:
            self._roll()

    def due_at(self) -> int | None:
        """Unix seconds; 0 if a spool waits already."""
        if self.waiting:
            return 0
        return self._open.due_at if self._open else None

    def roll(self, now: int, everything: bool) -> None:
        if self._open and (everything or now >= self._open.due_at):
            self._roll()

    def close(self) -> None:
        if self._open:
            self._roll()

    def key(self, path: Path) -> str:
        """`<prefix>YYYY/MM/DD/HH/<spool's name>.gz`, by the arrival of its first record, UTC."""
        name = _NAME.fullmatch(path.name)
        assert name is not None, path
        year, month, day, hour, *_ = name["time"].split("-")
        return f"{self._prefix}{year}/{month}/{day}/{hour}/{path.stem}.gz"

    def _begin(self, now: int) -> _Spool:
        sequence = self._next_sequence()
        stamp = datetime.fromtimestamp(now, UTC).strftime(_TIME)
        path = self._folder / f"{self._name}-{stamp}-{sequence:06d}.jsonl"
        # Unbuffered: a record has left this process when `write` returns.
        self._open = _Spool(path.open("xb", buffering=0), path, now + BUFFER_S)
        return self._open

    def _next_sequence(self) -> int:
        """Counts on disk: a name is never used again, so that no object overwrites another one's data."""
        sequence = int(self._counter.read_text()) + 1 if self._counter.exists() else 0
        temporary = self._counter.with_suffix(".tmp")
        temporary.write_text(str(sequence))
        temporary.replace(self._counter)
        return sequence

    def _roll(self) -> None:
        assert self._open is not None
        self._open.file.close()
        self.waiting.append(self._open.path)
        self._open = None


class TopicRule:
    """Raises SpoolError if the spool folder cannot be used. `now` gives Unix seconds of field time.

    Counters: `received` messages, `rejected` ones among them (no JSON object, or one that forges what the rule adds),
    `delivered` records, `objects` put.
    """

    def __init__(  # noqa: PLR0913 - whose rule, and all that it meets in the world
        self,
        spool_folder: Path,
        s3: "S3Client",
        bucket: str,
        prefix: str,
        now: Callable[[], int],
        *,
        farm: str = farms.DEFAULT,
    ) -> None:
        self.received = self.rejected = self.delivered = self.objects = 0
        self._s3, self._bucket, self._now = s3, bucket, now
        self._filter = f"{farms.root(farm)}/{TOPIC_FILTER}"
        self._delivering = asyncio.Lock()
        self._told_at: dict[str, int] = {}  # when the log last named each client that is at fault
        try:
            spool_folder.mkdir(parents=True, exist_ok=True)
            self._records = _Stream(spool_folder, "readings", prefix)
            self._errors = _Stream(spool_folder, "errors", "errors/")
        except OSError as error:
            raise SpoolError(f"spool {spool_folder}: {error.strerror or error}; choose another folder") from error

    def publish(self, client_id: str, topic: str, payload: bytes) -> None:
        """Take a message if its topic is the rule's; when this returns, it is on disk. Raises SpoolError."""
        if not matches(self._filter, topic):
            return
        now = self._now()
        try:
            self._keep(client_id, topic, payload, now)
        except OSError as error:
            raise SpoolError(f"topic rule's spool: {error.strerror}; make room, or choose another folder") from error
        self.received += 1

    def next_due(self) -> int | None:
        """When `flush` has something to do, in Unix seconds: 0 (at once) for a spool that waits, else None if empty."""
        return min((due for due in (self._records.due_at(), self._errors.due_at()) if due is not None), default=None)

    async def flush(self, everything: bool = False) -> None:
        """Put every spool that is due, or every one; the puts run in a thread.

        Raises DeliveryError; what is not delivered stays for the next time.
        """
        async with self._delivering:
            for stream in (self._records, self._errors):
                stream.roll(self._now(), everything)
                while stream.waiting:
                    self.delivered += await asyncio.to_thread(self._put, stream.waiting[0], stream)
                    self.objects += 1
                    stream.waiting.pop(0).unlink()

    def close(self) -> None:
        """Close the files; what they hold is delivered after the next start."""
        self._records.close()
        self._errors.close()

    def _keep(self, client_id: str, topic: str, payload: bytes, now: int) -> None:
        facts = dict(zip(OWN_FIELDS, (client_id, now), strict=True))
        try:
            self._records.append(_with_facts(payload, facts), now)
        except (ValueError, RecursionError) as error:
            self.rejected += 1
            if not 0 <= now - self._told_at.get(client_id, -TELL_AGAIN_S) < TELL_AGAIN_S:
                self._told_at[client_id] = now
                log.warning("topic rule: %s on %s: %s; see errors/", client_id, topic, error)
            whole = base64.b64encode(payload).decode()
            self._errors.append(_json({**facts, "topic": topic, "reason": str(error), "payload_base64": whole}), now)

    def _put(self, path: Path, stream: _Stream) -> int:
        lines = path.read_bytes()
        body = gzip.compress(lines, mtime=0)
        try:
            self._s3.put_object(Bucket=self._bucket, Key=stream.key(path), Body=body)
        except (BotoCoreError, ClientError) as error:
            raise DeliveryError(f"s3://{self._bucket}/{stream.key(path)}: {error}; {path} waits") from error
        return lines.count(b"\n")


def _with_facts(payload: bytes, facts: dict[str, Any]) -> bytes:
    """The publisher's own text in one line, with the rule's facts at its end: the lake judges what was really said.

    Raises ValueError for what is no JSON object, or says itself what the rule is to say.
    """
    message = json.loads(payload.decode(), parse_float=_finite, parse_constant=_finite)
    if not isinstance(message, dict):
        raise ValueError(f"want a JSON object, got {type(message).__name__}")
    forged = [name for name in OWN_FIELDS if name in message]
    if forged:
        raise ValueError(f"{forged[0]} is for the rule to say, not for who publishes")
    said = payload.strip().translate(_ONE_LINE)[:-1]  # within a text a line's end cannot be
    return said + (b"," if message else b"") + _json(facts)[1:]


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that can be written")
    return number


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()
