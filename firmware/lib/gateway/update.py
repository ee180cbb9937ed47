"""An update over the air, as a job of AWS IoT whose files come block by block over the same connection.

In memory only as long as there is something to do: see `gateway.Gateway`. Nothing that arrives is trusted before the
manifest's signature is: it lies in a folder from which nothing runs. Which one runs is a mark, see firmware/slots.py.
"""

import asyncio
import binascii
import hashlib
import json
import os
import sys

from gateway.clock import within
from gateway.errors import GatewayError, StorageError
from gateway.store import FileStore, TwoSlots

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from gateway.image import Image
    from gateway.interfaces import Clock
    from gateway.mqtt import Client
    from gateway.valves import Valves

    Document = dict[str, Any]
    Check = Callable[[str], Coroutine[Any, Any, bool]]

BLOCK_BYTES = 1024  # of a file; in memory four times as much, until it is written
ANSWER_S = 30
ATTEMPTS = 10  # for a block
MANIFEST_BYTES = 8192
MOST_FILES = 49  # AWS has 50 in a stream, and the manifest is one of them
MOST_WAITING = 8
WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
MANIFEST = "manifest.json"
ENTRANCE = "board.mpy"  # of a manifest for a board whose modules are files
IMAGE = "firmware.bin"  # all of one for a board whose modules are frozen
MOST_FILE_BYTES = 1 << 24
NEXT = ("", "jobs/notify-next", "jobs/start-next/accepted")  # what leads to the next job, or is it
SUBSCRIPTIONS = (
    "jobs/notify-next",
    "jobs/start-next/+",
    "streams/+/data/json",
    "streams/+/rejected/json",
)


class RefusalError(GatewayError):
    """The job ends here: `reason` is one word for its status."""

    def __init__(self, reason: str, status: str = "FAILED") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class OtherJobError(GatewayError):
    """Another job came first, or none: `execution` is what AWS IoT says of it."""

    def __init__(self, execution: "Document") -> None:
        super().__init__("another job")
        self.execution = execution


class Update:
    """All updates that wait, one after the other. An open valve puts the restart off; `board` is an UpdatableBoard."""

    def __init__(self, thing: str, client: "Client", board: "Any", clock: "Clock", valves: "Valves") -> None:
        self._prefix, self._thing = f"$aws/things/{thing}/", thing
        self._client = client
        self._board = board
        self._clock = clock
        self._valves = valves
        self._root = board.root
        self._slots = TwoSlots(FileStore(board.root), "mark")
        self._mark: Document = {"good": {"folder": "", "version": 0}}
        self._inbox: list[tuple[str, Document]] = []
        self._wake = asyncio.Event()
        self._job_id = ""

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message; no topic: the board came online."""
        if topic and not topic.startswith(self._prefix):
            return
        try:
            document = json.loads(payload) if topic else {}
        except Exception:  # whatever it is, it is no message
            return
        if isinstance(document, dict) and len(self._inbox) < MOST_WAITING:
            self._inbox.append((topic[len(self._prefix) :], document))
            self._wake.set()

    def has_job(self) -> bool:
        """True while one is under way."""
        return bool(self._job_id)

    async def run(self) -> None:
        """Work until there is no job left, or restart."""
        try:
            self._mark = self._slots.load() or self._mark
            self._confirm()
            execution = await self._start_next()
            while execution:
                try:
                    await self._do(execution)
                    execution = await self._start_next()
                except OtherJobError as other:
                    execution = other.execution
        except StorageError:
            pass  # a version whose trial cannot be confirmed ends with its time
        _forget()

    def _confirm(self) -> None:
        """The broker has granted what this version asked for: from now on it is the good one."""
        trial = self._mark.get("trial")
        if not trial:
            return
        if "image" in trial:
            image = self._image()
            if not image or image.running != trial["image"]:
                return
            image.keep()
        elif sys.path[0] != self._root + trial["folder"]:
            return
        self._save({"good": trial, "trial": None})

    def _image(self) -> "Image | None":
        """The other image, on a chip whose own has the modules frozen in. Raises OSError without a place for one."""
        partitions = getattr(self._board, "partitions", None)
        if not partitions or [folder for folder in ("", "/a", "/b") if _size(f"{self._root}{folder}/{ENTRANCE}")]:
            return None
        from gateway.image import Image  # noqa: PLC0415  # in memory for this moment only

        return Image(partitions(), FileStore(self._root))

    def _save(self, entries: "Document") -> None:
        mark = dict(self._mark)
        mark.update(entries)
        self._slots.save(mark)
        self._mark = mark

    # What is said, and what is heard.

    def _send(self, tail: str, document: "Document") -> None:
        self._client.send(self._prefix + tail, json.dumps(document).encode(), _nothing)

    def _tell(self, status: str, **details: str) -> None:
        texts = {name: details[name] for name in details if details[name]}  # AWS IoT takes no empty text
        self._send(f"jobs/{self._job_id}/update", {"status": status, "statusDetails": texts})

    async def _start_next(self) -> "Document":
        """The next job's execution, empty if there is none; a later notification begins anew then."""
        before, self._job_id = self._job_id, ""
        if not [tail for tail, _ in self._inbox if tail in NEXT]:
            self._ask()
        for _ in range(ATTEMPTS):
            try:
                if (await self._next())[0] == "jobs/start-next/rejected":
                    break
            except OtherJobError as other:
                if not before or other.execution.get("jobId") != before:  # an answer to an earlier question
                    return other.execution
        return {}

    def _ask(self) -> None:
        self._client.subscribe([self._prefix + tail for tail in SUBSCRIPTIONS])
        self._send("jobs/start-next", {})

    async def _next(self) -> "tuple[str, Document]":
        """The next message, ("time-out", {}) if none comes; raises OtherJobError if another job is the next one."""
        if not self._inbox:
            self._wake.clear()
            try:
                await within(ANSWER_S, self._wake.wait())
            except asyncio.TimeoutError:
                return "time-out", {}
        tail, document = self._inbox.pop(0)
        if tail in NEXT[:2]:
            self._ask()
        elif tail == NEXT[2]:
            execution = document.get("execution") or {}
            if execution.get("jobId", "") != self._job_id or not self._job_id:
                raise OtherJobError(execution)
        return tail, document

    # One job.

    async def _do(self, execution: "Document") -> None:
        self._job_id, version = str(execution.get("jobId")), ""
        try:
            job = execution.get("jobDocument")
            if isinstance(job, dict) and job.get("operation") == "renew":
                await self._renew(job)
                return
            document = _document(execution)
            version = str(document["version"])
            if not self._is_there(document):
                self._tell("IN_PROGRESS", step="download", version=version)
                await self._fetch_all(document)
            trial = self._mark.get("trial")
            if trial:
                self._tell("IN_PROGRESS", step="restart", version=str(trial["version"]))
                await self._restart(trial)
            self._tell("SUCCEEDED", version=version)
        except RefusalError as refusal:
            self._tell(refusal.status, reason=refusal.reason, version=version)
        except (OSError, StorageError, MemoryError):
            self._tell("FAILED", reason="storage", version=version)
        except OtherJobError:
            raise
        except Exception:  # a defect in here must not end what waters, nor come again at each start
            self._tell("FAILED", reason="error", version=version)

    async def _renew(self, document: "Document") -> None:
        """A certificate for a spare key of this board: tried after a restart."""
        from gateway.renewal import Renewal  # noqa: PLC0415  # in memory for this moment only

        spare: Any = document.get("spare")
        why: str | None = "document"
        if _is_whole(spare, 5):
            why = Renewal(self._root).prepare(self._thing, spare, _decoded(document.get("certificate")))
        if why:
            raise RefusalError(why)
        if why is not None:
            self._tell("IN_PROGRESS", step="restart")
            await self._restart({})
        self._tell("SUCCEEDED")

    def _is_there(self, document: "Document") -> bool:
        """True if this very version runs, or will after a restart. Raises RefusalError for one that never will."""
        good, failed, trial = [self._mark.get(name) or {} for name in ("good", "failed", "trial")]
        if trial or document["signature"] == good.get("signature"):
            return True
        if document["signature"] == failed.get("signature"):
            raise RefusalError("health")
        if document["version"] <= max(good["version"], failed.get("version", 0)):
            raise RefusalError("older")
        return False

    async def _fetch_all(self, document: "Document") -> None:
        """Bring the new version into the folder that does not run, whole, and mark it for a trial."""
        image = self._image()
        if image:
            await self._fetch_image(document, image)
            return
        folder = "/a" if self._mark["good"]["folder"] == "/b" else "/b"
        place = self._root + folder
        files = (await self._fetch_manifest(document, place, ENTRANCE))["files"]
        for number, row in enumerate(files):
            path = f"{place}/{row['path']}"

            async def is_right(path: str, digest: str = row["sha256"]) -> bool:
                return _sha256(path) == digest

            if not (_size(path) == row["bytes"] and await is_right(path)):
                self._tell("IN_PROGRESS", step="download", files=f"{number}/{len(files)}")
                if not await self._fetch(document["stream"], number + 1, path, row["bytes"], is_right):
                    raise RefusalError("hash")
        _prune(place, [f"{place}/{row['path']}" for row in files] + [f"{place}/{MANIFEST}"])
        self._begin_trial(document, {"folder": folder})

    async def _fetch_image(self, document: "Document", image: "Image") -> None:
        """Bring the new image into the partition that does not run, and mark it for a trial."""
        [row] = (await self._fetch_manifest(document, self._root + "/image", IMAGE))["files"]

        async def block(index: int, size: int) -> bytes:
            return await self._block(document["stream"], 1, index, size)

        if not await image.fetch(block, BLOCK_BYTES, row["bytes"], row["sha256"]):
            raise RefusalError("hash")
        self._begin_trial(document, {"folder": "", "image": image.label})

    def _begin_trial(self, document: "Document", place: "Document") -> None:
        trial = {"starts": 0, "version": document["version"], "signature": document["signature"]}
        trial.update(place)
        self._save({"trial": trial, "failed": None})

    async def _fetch_manifest(self, document: "Document", place: str, entrance: str) -> "Document":
        path, size = f"{place}/{MANIFEST}", document["manifest_bytes"]

        async def is_signed(path: str) -> bool:
            return await self._is_signed(path, document["signature"])

        if not (_size(path) == size and await is_signed(path)):
            if not await self._fetch(document["stream"], 0, path, size, is_signed):
                raise RefusalError("signature")
        try:
            with open(path, "rb") as file:
                manifest: Document = json.loads(file.read())
        except ValueError as error:
            raise RefusalError("document") from error
        _check_manifest(manifest, document["version"], entrance)
        return manifest

    async def _is_signed(self, path: str, signature: str) -> bool:
        """Whether one of this board's keys has signed what is in the file."""
        from gateway.signature import verification  # noqa: PLC0415  # in memory for this moment only

        try:
            with open(self._root + "/update_keys.json", "rb") as file:
                keys = [binascii.unhexlify(key.encode()) for key in json.loads(file.read())]
        except (OSError, ValueError):
            return False
        digest, der = binascii.unhexlify(_sha256(path).encode()), _decoded(signature)
        for key in keys:
            verdict = False
            for step in verification(key, digest, der):
                verdict = step
                await asyncio.sleep(0)  # it takes seconds, and the watchdog bites after eight
            if verdict:
                return True
        return False

    # One file.

    async def _fetch(self, stream: str, number: int, path: str, size: int, is_right: "Check") -> bool:
        """Have a file that `is_right`. What an earlier life fetched of it is taken, unless it proves to be wrong."""
        new = path + ".new"
        _make_folders(path, len(self._root) + 1)
        at = size if _size(new) >= size else _size(new) // BLOCK_BYTES * BLOCK_BYTES
        while True:
            resumed = at > 0
            while at < size:
                block = await self._block(stream, number, at // BLOCK_BYTES, min(BLOCK_BYTES, size - at))
                with open(new, "r+b" if at else "wb") as file:
                    file.seek(at)
                    file.write(block)
                at += len(block)
            if await is_right(new):
                os.rename(new, path)
                return True
            os.remove(new)
            if not resumed:
                return False
            at = 0

    async def _block(self, stream: str, number: int, index: int, size: int) -> bytes:
        """One block of a file, asked for until it comes. Raises RefusalError."""
        attempts = 0
        while attempts < ATTEMPTS:
            if not self._client.online:  # what is sent now would only pile up
                await self._next()
                continue
            attempts += 1
            self._send(f"streams/{stream}/get/json", {"f": number, "l": BLOCK_BYTES, "o": index, "n": 1})
            while True:
                tail, answer = await self._next()
                if tail in ("", "time-out"):
                    break
                if tail == f"streams/{stream}/data/json" and (answer.get("f"), answer.get("i")) == (number, index):
                    block = _decoded(answer.get("p"))
                    if len(block) == size:
                        return block
        raise RefusalError("stream")

    async def _restart(self, trial: "Document") -> None:
        while self._valves.open_valves:
            await self._clock.sleep_ms(1000)
        image = self._image() if "image" in trial else None
        if image:
            try:
                image.choose()
            except OSError as error:
                self._save({"failed": trial, "trial": None})
                raise RefusalError("image") from error
        self._board.restart()
        await asyncio.sleep(ANSWER_S)  # a board is gone by now; a simulated one is ended


def _document(execution: "Document") -> "Document":
    """The document of a job of ours. Raises RefusalError for any other."""
    document = execution.get("jobDocument")
    if not isinstance(document, dict) or document.get("operation") != "update":
        raise RefusalError("document", "REJECTED")
    stream, signature = document.get("stream"), document.get("signature")
    if (
        _is_whole(document.get("version"), 1 << 30)
        and _is_whole(document.get("manifest_bytes"), MANIFEST_BYTES)
        and isinstance(stream, str)
        and 0 < len(stream) <= 128
        and not stream.strip(WORD)
        and isinstance(signature, str)
        and 0 < len(signature) < 128
    ):
        return document
    raise RefusalError("document")


def _check_manifest(manifest: "Document", version: int, entrance: str) -> None:
    """Raise RefusalError unless it is one for this board and of this version; its signature is known to be right."""
    try:
        files = manifest["files"]
        paths = [row["path"] for row in files]
        if (
            manifest["version"] != version
            or len(files) > MOST_FILES
            or not all(_is_whole(row["bytes"], MOST_FILE_BYTES) and len(row["sha256"]) == 64 for row in files)
        ):
            raise RefusalError("document")
        if entrance not in paths or (entrance == IMAGE and len(paths) > 1):
            raise RefusalError("layout")  # it is for boards of the other kind
        if entrance != IMAGE and not all(_is_path(path) for path in paths):
            raise RefusalError("document")
    except (KeyError, TypeError) as error:
        raise RefusalError("document") from error


def _is_path(path: str) -> bool:
    """One below its folder, of plain words, with one suffix."""
    parts = path.split("/")
    stem, _, suffix = parts[-1].rpartition(".")
    parts[-1] = stem
    return suffix == "mpy" and len(parts) < 5 and all(0 < len(part) <= 64 and not part.strip(WORD) for part in parts)


def _is_whole(value: "Any", most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def _decoded(text: "Any") -> bytes:
    try:
        return binascii.a2b_base64(text.encode()) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _size(path: str) -> int:
    """Bytes of a file, 0 if there is none."""
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(512)
            if not block:
                return binascii.hexlify(digest.digest()).decode()
            digest.update(block)


def _make_folders(path: str, begin: int) -> None:
    """Every folder on the way to a file."""
    at = path.find("/", begin)
    while at > 0:
        try:
            os.stat(path[:at])
        except OSError:
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def _prune(folder: str, keep: "list[str]") -> None:
    """Remove what is no file of this version: it would be found when a module is looked for."""
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if os.stat(path)[0] & 0x4000:
            _prune(path, keep)
        elif path not in keep:
            os.remove(path)


def _nothing() -> None:
    pass


def _forget() -> None:
    """Nothing of this stays in memory."""
    package = sys.modules["gateway"]
    for name in ("signature", "image", "der", "renewal", "update"):
        if sys.modules.pop("gateway." + name, None):
            delattr(package, name)
