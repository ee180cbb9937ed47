"""AWS IoT's MQTT-based file delivery in JSON, as its developer guide documents it, over the files of our jobs.

Served: GetStream (`streams/{streamId}/get/json`, answers on `data/json`, a message a block) and DescribeStream
(`describe/json`, answer on `description/json`); refusals on `rejected/json`. Not served: CBOR.

What is documented, and relied on here ("Using AWS IoT MQTT-based file delivery in devices"): `c` is the client's
token, at most 64 bytes; `s` the stream's version, VersionMismatch if it is another; `f` the file, 0 to 255; `l` the
size of a block, 256 to 131,072 bytes, else BlockSizeOutOfBounds; `o` the first block, 0 to 98,304, else
OffsetOutOfBounds; `n` the number of blocks, 0 to 98,304, else BlockCountLimitExceeded, and 131,072/l if it is not
given; `b` a bitmap in hexadecimal, bit 0 of its first byte for block `o`, less than 12,288 bytes, else
BlockBitmapLimitExceeded, of which `n` is then the most that is sent. One request brings 128 KB at most; for the rest
the device asks again. A block that a file does not have is ResourceNotFound. In the answer `i` is the block, `l` the
bytes in it, `p` the bytes in base64.

Ours: a stream has its job's name, version 1, and only a thing that has the job QUEUED or IN_PROGRESS gets any of it.
"""

import base64
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from updates.errors import RequestError
from updates.messages import ROOT, Reply, integer_of, read_request, reply, token_of
from updates.store import PENDING, Store

VERSION = 1
BLOCK_BYTES = (256, 131_072)
MOST_BYTES = 131_072  # of one request's answers
MOST_BLOCKS = 98_304
MOST_BITMAP = 12_288
_JSON = ["json"]

log = logging.getLogger(__name__)


class Streams:
    """Answers what things ask of the streams that are theirs; holds no more than one request's blocks."""

    def __init__(self, store: Store, bundles: Path) -> None:
        self._store, self._bundles = store, bundles

    def handle(self, thing: str, words: Sequence[str], payload: bytes) -> list[Reply]:
        """Answer a request on `streams/{words}`."""
        stream, *operation = words
        topic = f"{ROOT}/{thing}/streams/{stream}"
        token = None
        try:
            if operation[1:] != _JSON or operation[0] not in ("get", "describe"):
                raise RequestError("InvalidTopic", "want get/json or describe/json")
            request = read_request(payload)
            token = token_of(request, "c")
            files = self._files(thing, stream)
            if operation[0] == "get":
                return [reply(f"{topic}/data/json", {"c": token, **block}, 0) for block in _blocks(request, files)]
            rows = [{"f": number, "z": path.stat().st_size} for number, path in enumerate(files)]
            return [reply(f"{topic}/description/json", {"c": token, "s": VERSION, "d": stream, "r": rows}, 0)]
        except OSError as error:  # a person has taken the files away
            log.error("%s of %s: %s", stream, thing, error)
            return [reply(f"{topic}/rejected/json", {"o": "InternalError", "m": "no such file", "c": token}, 0)]
        except RequestError as error:
            return [reply(f"{topic}/rejected/json", {"o": error.code, "m": error.message, "c": token}, 0)]

    def _files(self, thing: str, stream: str) -> list[Path]:
        execution = self._store.find(thing, stream)
        if execution is None or execution.status not in PENDING or self._store.job(stream).is_renewal:
            raise RequestError("ResourceNotFound", "there is no such stream")
        folder = self._bundles / execution.job_id
        return sorted(folder.iterdir(), key=lambda path: int(path.name))


def _blocks(request: Mapping[str, Any], files: Sequence[Path]) -> list[dict[str, Any]]:
    """The blocks that a request is answered with, one or more."""
    if request.get("s") is not None and integer_of(request, "s") != VERSION:
        raise RequestError("VersionMismatch", f"the stream has version {VERSION}")
    number = integer_of(request, "f")
    if number is None:
        raise RequestError("InvalidRequest", "f: want the number of a file")
    if not 0 <= number < len(files):
        raise RequestError("ResourceNotFound", "there is no such file")
    size = integer_of(request, "l")
    if size is None or not BLOCK_BYTES[0] <= size <= BLOCK_BYTES[1]:
        raise RequestError("BlockSizeOutOfBounds", f"l: want {BLOCK_BYTES[0]} to {BLOCK_BYTES[1]} bytes")
    blocks = []
    with files[number].open("rb") as file:
        for block in _numbers(request, size, files[number].stat().st_size):
            file.seek(block * size)
            content = file.read(size)
            blocks.append({"f": number, "l": len(content), "i": block, "p": base64.b64encode(content).decode()})
    if not blocks:
        raise RequestError("ResourceNotFound", "the file has none of these blocks")
    return blocks


def _numbers(request: Mapping[str, Any], size: int, file_bytes: int) -> list[int]:
    """Which blocks of a file are meant, in rising order, as many as one request brings."""
    offset = integer_of(request, "o") or 0
    if not 0 <= offset <= MOST_BLOCKS:
        raise RequestError("OffsetOutOfBounds", f"o: want 0 to {MOST_BLOCKS}")
    most = MOST_BYTES // size
    count = integer_of(request, "n")
    if count is not None and not 0 <= count <= MOST_BLOCKS:
        raise RequestError("BlockCountLimitExceeded", f"n: want 0 to {MOST_BLOCKS}")
    end = -(-file_bytes // size)
    bits = _bitmap(request)
    if bits is None:
        numbers = list(range(offset, min(end, offset + min(most if count is None else count, most))))
    else:
        numbers = [offset + bit for bit in range(min(8 * len(bits), end - offset)) if bits[bit // 8] >> bit % 8 & 1]
    return numbers[: most if count is None else min(count, most)]


def _bitmap(request: Mapping[str, Any]) -> bytes | None:
    text = request.get("b")
    if text is None:
        return None
    if not isinstance(text, str):
        raise RequestError("InvalidRequest", "b: want a text of hexadecimal digits")
    digits = text.removeprefix("0x")
    if len(digits) >= 2 * MOST_BITMAP:
        raise RequestError("BlockBitmapLimitExceeded", f"b: want less than {MOST_BITMAP} bytes")
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise RequestError("InvalidRequest", "b: want a text of hexadecimal digits") from error
