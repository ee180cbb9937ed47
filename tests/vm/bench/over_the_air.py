"""What an update over the air takes: a board as `flash` leaves it, bundles, and a cloud that offers them as jobs."""

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion

from firmware import build, signing
from tests.vm.bench.board import BenchError, compile_firmware
from tests.waiting import LAST_RESORT_S


def updatable(files: Mapping[str, bytes], public: Path, version: int) -> dict[str, bytes]:
    """A flash with its modules in /a, a mark, and the public key of whoever signs."""
    moved = {f"/a{path}" if path.endswith(".mpy") else path: data for path, data in files.items()}
    return {**moved, "/mark.0": signing.mark(version), "/update_keys.json": signing.public_keys([public])}


def bundle(out: Path, key: Path, version: int, changes: Mapping[str, tuple[str, str]]) -> Path:
    """A release of which some sources, by their path on the board, have one text in place of another."""
    signing.sign(out, key, version)
    for path, (old, new) in changes.items():
        [source] = [source for source, target in build.sources() if target == path]
        text = source.read_text(encoding="utf-8")
        assert text.count(old) == 1
        with tempfile.TemporaryDirectory() as folder:
            changed = Path(folder) / source.name
            changed.write_text(text.replace(old, new), encoding="utf-8")
            (out / signing.FILES / path).write_bytes(compile_firmware(changed))
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    signing.seal(out, loaded, version)
    return out


MARKER = "jobs/marker/update"  # what the cloud says to itself


class JobsCloud:
    """AWS IoT's jobs and streams for one thing, as documented, at any broker: offers a job until the board is done."""

    def __init__(self, port: int, identity: Path, thing: str) -> None:
        self._prefix = f"$aws/things/{thing}/"
        self._jobs: dict[str, dict[str, Any]] = {}
        self._files: dict[str, list[bytes]] = {}
        self.said: list[tuple[str, str, dict[str, str]]] = []
        self.blocks: list[tuple[str, int, int]] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(identity / "root_ca.pem")
        context.load_cert_chain(identity / "certificate.pem", identity / "private_key.pem")
        self._subscribed, self._caught_up = threading.Event(), threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.tls_set_context(context)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(self._prefix + tail, 1) for tail in ("jobs/start-next", "jobs/+/update", "streams/+/get/json")]
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self._take(message.topic, json.loads(message.payload))
        self._client.connect("localhost", port)
        self._client.loop_start()
        if not self._subscribed.wait(LAST_RESORT_S):
            raise BenchError("the cloud cannot subscribe")

    def offer(self, job_id: str, folder: Path) -> None:
        """A job for this bundle."""
        manifest = (folder / signing.MANIFEST).read_bytes()
        rows = json.loads(manifest)
        paths = [folder / signing.FILES / row["path"] for row in rows["files"]]
        self._files[f"stream-{job_id}"] = [manifest, *(path.read_bytes() for path in paths)]
        document = {"operation": "update", "version": rows["version"], "stream": f"stream-{job_id}"}
        signature = base64.b64encode((folder / signing.SIGNATURE).read_bytes()).decode()
        self.offer_document(job_id, document | {"manifest_bytes": len(manifest), "signature": signature})

    def offer_document(self, job_id: str, document: dict[str, Any]) -> None:
        """A job with this document."""
        self._jobs[job_id] = document
        self._say("jobs/notify-next", self._next())

    def ends(self) -> list[tuple[str, str, str | None]]:
        """How each job ended: job, status, reason."""
        return [(job, status, details.get("reason")) for job, status, details in self.said if status != "IN_PROGRESS"]

    def catch_up(self) -> None:
        """Return when all that the broker had of the board is answered, and the answers are on their way to it."""
        for _ in range(2):  # behind what the board asked, then behind what it is answered
            self._caught_up.clear()
            self._client.publish(self._prefix + MARKER, b"{}", 1)
            if not self._caught_up.wait(LAST_RESORT_S):
                raise BenchError("the cloud does not hear itself")

    def close(self) -> None:
        """Say farewell."""
        self._client.disconnect()
        self._client.loop_stop()

    def _next(self) -> dict[str, Any]:
        first = [{"jobId": job_id, "jobDocument": document} for job_id, document in self._jobs.items()][:1]
        return {"timestamp": 1, **({"execution": first[0]} if first else {})}

    def _take(self, topic: str, message: dict[str, Any]) -> None:
        parts = topic.removeprefix(self._prefix).split("/")
        if topic.endswith(MARKER):
            self._caught_up.set()
        elif parts == ["jobs", "start-next"]:
            self._say("jobs/start-next/accepted", self._next())
        elif parts[0] == "jobs":
            self.said.append((parts[1], message["status"], message["statusDetails"]))
            if message["status"] != "IN_PROGRESS":
                self._jobs.pop(parts[1], None)
            self._say(f"jobs/{parts[1]}/update/accepted", {"timestamp": 1})
        else:
            number, index, size = message["f"], message["o"], message["l"]
            self.blocks.append((parts[1], number, index))
            data = self._files[parts[1]][number][index * size : (index + 1) * size]
            answer = {"f": number, "i": index, "l": len(data), "p": base64.b64encode(data).decode()}
            self._say(f"streams/{parts[1]}/data/json", answer)

    def _say(self, tail: str, message: Mapping[str, Any]) -> None:
        self._client.publish(self._prefix + tail, json.dumps(message).encode(), 1)


@contextmanager
def offering(port: int, identity: Path, thing: str) -> Iterator[JobsCloud]:
    """A cloud for the time of the block."""
    cloud = JobsCloud(port, identity, thing)
    try:
        yield cloud
    finally:
        cloud.close()
