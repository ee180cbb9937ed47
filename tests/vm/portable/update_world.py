"""A board with two folders, a cloud that has one job for it, and whoever signs: on both runtimes, without a network."""

import asyncio
import binascii
import hashlib
import json
import os
import sys

from gateway import signature, store, update
from tests.vm.portable.bench import NAME
from tests.vm.portable.fake_flash import Flash, PowerCut

SECRET, NONCE = 0x1234567890ABCDEF << 128 | 77, 0xFEDCBA0987654321 << 100 | 5
TOPIC = f"$aws/things/{NAME}/"
OLD = {"board.mpy": b"the old board", "lib/gateway/gateway.mpy": b"old", "drivers/gone.mpy": b"nobody needs it"}
NEW = {
    "board.mpy": b"the new board" * 100,
    "lib/gateway/gateway.mpy": bytes(range(256)) * 8,  # just two blocks
    "lib/gateway/store.mpy": b"short",
    "drivers/valve.mpy": b"of a valve" * 250,
}
LEFT = {"lib/gateway/gateway.mpy": b"of an update before", "net.mpy": b"stale", "net.mpy.new": b"half"}


class Machine:
    """Takes the place of `machine`."""

    WDT = dict  # it is asked for with its time-out alone


sys.modules.setdefault("machine", Machine)
from firmware import slots  # noqa: E402  # it needs `machine`

FORGET = update._forget


def times(count, point):
    """The multiple of a point."""
    total = signature.INFINITY
    for bit in f"{count:b}":
        total = signature._double(total)
        if bit == "1":
            total = signature._sum(total, point)
    return total


def affine(point):
    x, y, z = point
    inverse = pow(z, signature.P - 2, signature.P)
    return x * inverse**2 % signature.P, y * inverse**3 % signature.P


BASE = (signature.GX, signature.GY, 1)
PUBLIC = b"\x04" + b"".join([number.to_bytes(32, "big") for number in affine(times(SECRET, BASE))])


def sign(message, secret=SECRET):
    """A DER signature; what is signed here is no secret."""
    r = affine(times(NONCE, BASE))[0] % signature.N
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    return der(r, pow(NONCE, signature.N - 2, signature.N) * (digest + r * secret) % signature.N)


def der(*numbers):
    body = b""
    for number in numbers:
        data = number.to_bytes(33, "big")
        while len(data) > 1 and data[0] == 0 and data[1] < 128:
            data = data[1:]
        body += bytes([2, len(data)]) + data
    return bytes([0x30, len(body)]) + body


class Bundle:
    """A signed version."""

    def __init__(self, version, files, secret=SECRET, manifest=None):
        rows = [
            {
                "path": path,
                "bytes": len(files[path]),
                "sha256": binascii.hexlify(hashlib.sha256(files[path]).digest()).decode(),
            }
            for path in sorted(files)
        ]
        self.version = version
        self.content = files
        self.manifest = json.dumps({"version": version, "name": "pythoflow test", "files": rows}).encode()
        self.manifest = manifest or self.manifest
        self.files = [self.manifest] + [files[path] for path in sorted(files)]
        self.signature = binascii.b2a_base64(sign(self.manifest, secret)).decode().strip()

    def document(self, **changes):
        document = {"operation": "update", "version": self.version, "stream": f"stream-{self.version}"}
        document.update({"manifest_bytes": len(self.manifest), "signature": self.signature})
        document.update(changes)
        return document


class Cloud:
    """The client of one life, and behind it AWS IoT: its job is there until the board says how it ended."""

    def __init__(self, bundle, document=None):
        self.bundle = bundle
        self.jobs = [("job-1", document or bundle.document())]
        self.online = True
        self.update = None
        self.said = []
        self.blocks = []
        self.filters = []
        self.before_block = None  # is called with the request; True: it gets no answer

    def subscribe(self, filters):
        self.filters = filters

    def send(self, topic, payload, on_acked):
        assert topic.startswith(TOPIC), topic
        tail, message = topic[len(TOPIC) :], json.loads(payload)
        on_acked()
        if tail == "jobs/start-next":
            self.answer("jobs/start-next/accepted", self._next())
        elif tail.endswith("/update"):
            self._take_status(tail.split("/")[1], message)
        else:
            self._send_block(tail, message)

    def answer(self, tail, message):
        self.update.hear(TOPIC + tail, json.dumps(message).encode())

    def _next(self):
        execution = [{"jobId": job_id, "jobDocument": document} for job_id, document in self.jobs[:1]]
        return {"timestamp": 1, "execution": execution[0]} if execution else {"timestamp": 1}

    def _take_status(self, job_id, message):
        details = message["statusDetails"]
        assert not [value for value in details.values() if not isinstance(value, str) or not value], details
        self.said.append((job_id, message["status"], details))
        if message["status"] != "IN_PROGRESS":
            self.jobs = [job for job in self.jobs if job[0] != job_id]

    def _send_block(self, tail, message):
        stream = tail.split("/")[1]
        number, index, size = message["f"], message["o"], message["l"]
        assert tail == f"streams/{stream}/get/json" and message["n"] == 1 and 256 <= size <= 2048, (tail, message)
        self.blocks.append((number, index))
        if self.before_block and self.before_block(message):
            return
        data = self.bundle.files[number][index * size : (index + 1) * size]
        text = binascii.b2a_base64(data).decode().strip()
        self.answer(f"streams/{stream}/data/json", {"f": number, "i": index, "l": len(data), "p": text})

    def ends(self):
        """How each job ended: (job, status, reason)."""
        return [(job, status, details.get("reason")) for job, status, details in self.said if status != "IN_PROGRESS"]


class Restart(BaseException):
    """The board begins again."""


class World:
    """A board over its lives, and its cloud."""

    root = ""

    def __init__(self, cloud, files=OLD, left=LEFT, version=1):
        flash = {"/update_keys.json": json.dumps([binascii.hexlify(PUBLIC).decode()]).encode()}
        flash.update({"/a/" + path: files[path] for path in files})
        flash.update({"/b/" + path: left[path] for path in left})
        self.flash = Flash(flash)
        self.cloud = cloud
        self.watering = []  # the zones that are open, each time that it is asked
        self.path = list(sys.path)
        self.running = None
        self.cuts = 0
        update._forget = lambda: None
        self.flash.place_in(update, store, slots)
        store.TwoSlots(store.FileStore(""), "mark").save({"good": {"folder": "/a", "version": version}})
        self.flash.done = []

    def leave(self):
        """Give the modules their own back."""
        sys.path[:] = self.path
        update._forget = FORGET
        for module in (update, store, slots):
            module.os = os
            del module.open

    def restart(self):
        raise Restart

    async def sleep_ms(self, _ms):
        await asyncio.sleep(0)

    def boot(self):
        """What boot.py does; what then runs is in `running`, and whether it is on trial is the answer."""
        sys.path[:] = self.path
        try:
            on_trial = slots.choose()
        except PowerCut:
            self.cuts += 1
            return self.boot()
        self.running = sys.path[0] if sys.path != self.path else ""
        return on_trial

    def image(self):
        """What runs."""
        return {path: data for path, data in self.flash.below(self.running).items() if path != "manifest.json"}

    async def live(self):
        """One life: online, until there is nothing to do. False if it ended in a restart or without power."""
        self.cloud.update = update.Update(NAME, self.cloud, self, self, self)
        try:
            await self.cloud.update.run()
        except Restart:
            return False
        except PowerCut:
            self.cuts += 1
            return False
        return True

    @property
    def open_valves(self):
        return self.watering.pop(0) if self.watering else []

    def mark(self):
        return store.TwoSlots(store.FileStore(""), "mark").load()
