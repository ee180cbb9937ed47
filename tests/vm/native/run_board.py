"""Runs a flash in a native MicroPython as a board does: `micropython run_board.py FOLDER CHIP TIME_PORT PAGE_PORT`.

FOLDER becomes the root of all files, CHIP has the chip's modules, every time server is at TIME_PORT of this machine,
and what the board serves is at PAGE_PORT.
"""

import asyncio
import os
import socket as sockets
import sys
import vfs

folder, chip, time_port, page_port = sys.argv[1:5]
sys.path[:] = [chip]
for name in ("esp32", "machine", "network"):
    __import__(name)  # before their folder is out of sight

NTP_PORT = 123
start_server = asyncio.start_server
asyncio.start_server = lambda visit, _host, _port, backlog: start_server(visit, "127.0.0.1", int(page_port), backlog)


class Sockets:
    """The unix port's sockets, taking addresses as the ESP32's do, with the time servers elsewhere."""

    AF_INET, SOCK_DGRAM = sockets.AF_INET, sockets.SOCK_DGRAM

    def socket(self, family, kind):
        return Channel(sockets.socket(family, kind))


class Channel:
    """A datagram socket."""

    def __init__(self, channel):
        self._channel = channel
        self.setblocking, self.recv, self.close = channel.setblocking, channel.recv, channel.close

    def sendto(self, data, address):
        host, port = address
        port = int(time_port) if port == NTP_PORT else port
        self._channel.sendto(data, sockets.getaddrinfo(host, port)[0][-1])


class Files:
    """The unix port's `os`, whose `rename` finds nothing by absolute paths below a root of one's own."""


files = Files()
for name in dir(os):
    setattr(files, name, getattr(os, name))
files.rename = lambda old, new: os.rename(old.lstrip("/"), new.lstrip("/"))
sys.modules["os"] = files

vfs.umount("/")
vfs.mount(vfs.VfsPosix(folder), "/")
os.chdir("/")
sys.path[:] = ["", "/lib", ".frozen"]


names = {"__name__": "__main__"}  # one name space for both files, as on the chip


def run(path):
    with open(path) as file:
        exec(file.read(), names)


run("/boot.py")
import net  # from where boot.py says

net.socket = Sockets()
run("/main.py")
