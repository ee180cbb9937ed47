"""Sets a board up by its page where so much heap is free: `run_setup.py ROOT CHIP FREE REQUEST...`.

ROOT is its flash, CHIP has the chip's modules, each REQUEST is the file of one that comes over the network, with TOKEN
in place of the page's own. It says the status of each answer, its bytes, and those of its largest piece.
"""

import asyncio
import gc
import os
import sys

import vfs

root, chip, free, *requests = sys.argv[1:]
FROZEN = ("config", "gateway.der", "gateway.renewal", "protocol.json_text", "protocol.messages", "network")
sys.path.insert(0, chip)
for name in FROZEN:  # what is in the image of a board without PSRAM is not in its heap
    __import__(name)
import machine

TOKEN = b"TOKEN" + b"-" * 27  # as long as one
VALUE = b'name="token" value="'


class Reader:
    """A request, as it comes."""

    def __init__(self, file, token):
        self._file, self._token = file, token

    async def read(self, size):
        return self._file.read(size).replace(TOKEN, self._token)


class Writer:
    """An answer, as it goes."""

    def __init__(self):
        self.token, self.status = TOKEN, 0
        self.size = self.largest = 0

    def write(self, data):
        self.status = self.status or int(data[9:12])
        self.size += len(data)
        self.largest = max(self.largest, len(data))
        at = data.find(VALUE) + len(VALUE)
        if at >= len(VALUE):
            self.token = data[at : at + len(TOKEN)]

    async def drain(self):
        pass

    def close(self):
        pass

    async def wait_closed(self):
        pass


class Files:
    """The unix port's `os`, whose `rename` finds nothing by absolute paths below a root of one's own."""


class RestartError(Exception):
    """The board's."""


def restart():
    raise RestartError


async def visits(visit, *_):
    token = TOKEN
    for file in files:
        writer = Writer()
        await visit(Reader(file, token), writer)
        token = writer.token
        print(writer.status, writer.size, writer.largest)  # its answer


async def no_time(_seconds):
    pass


def life(name):
    """One life of a board, to its restart."""
    try:
        asyncio.run(getattr(__import__("setup_page"), name)()[0])
    except RestartError:
        del sys.modules["setup_page"]
        print(name)


files = [open(path, "rb") for path in requests]  # noqa: SIM115  # not below the board's root
own = Files()
for name in dir(os):
    setattr(own, name, getattr(os, name))
own.rename = lambda old, new: os.rename(old.lstrip("/"), new.lstrip("/"))
sys.modules["os"] = own
machine.reset, asyncio.start_server, asyncio.sleep = restart, visits, no_time
vfs.umount("/")
vfs.mount(vfs.VfsPosix(root), "/")
os.chdir("/")
sys.path[:] = ["", ".frozen"]
gc.collect()
held = bytearray(gc.mem_free() - int(free))
life("on_demand")
if "setup.todo" in os.listdir("/"):
    life("finishing")
