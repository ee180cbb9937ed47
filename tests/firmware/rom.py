"""A simulated ESP32 in download mode: the ROM's serial protocol, and that of esptool's own helper once it is uploaded.

The helper ("stub") is taken and checked as any upload to RAM; instead of running it, its answers are given from here.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable

MAGIC = {"ESP32": 0x00F01D83, "ESP32-S2": 0x000007C6}
MAGIC_AT, CLOCK_DIVIDER_AT, SPI_ANSWER_AT = 0x40001000, 0x3FF40014, 0x3FF42080
FLASH_ID = 0x1640C8  # 4 MB
FLASH_BYTES = 4 * 1024 * 1024
END, ESCAPE = 0xC0, 0xDB
OK, BAD_MESSAGE, BAD_CHECKSUM = (0, 0), (1, 5), (1, 7)

Answer = tuple[int, bytes, tuple[int, int]]  # value, data, status


class Rom:
    """`flash` is what was written, None where it is erased; `done` are the commands that changed something."""

    def __init__(self, chip: str = "ESP32", forget: bool = False) -> None:
        self.flash = bytearray(b"\x00" * FLASH_BYTES)
        self.done: list[str] = []
        self.uploaded: dict[int, bytes] = {}
        self._forget = forget  # a worn out flash: what is written does not stay
        self._registers = {MAGIC_AT: MAGIC[chip], CLOCK_DIVIDER_AT: 347, SPI_ANSWER_AT: FLASH_ID}
        self._stub = False
        self._frame: bytearray | None = None
        self._at = self._block = self._left = 0
        self._unpacked = zlib.decompressobj()

    def hears(self, data: bytes) -> bytes:
        """The answers to what came over the line; bytes outside of frames are ignored."""
        answers = b""
        for byte in data:
            if byte != END:
                if self._frame is not None:
                    self._frame.append(byte)
            elif self._frame:
                answers += self._obey(unescaped(bytes(self._frame)))
                self._frame = None
            else:
                self._frame = bytearray()
        return answers

    def _obey(self, packet: bytes) -> bytes:
        _, code, _, checksum = struct.unpack("<BBHI", packet[:8])
        body = packet[8:]
        value, data, status = self._answer(code, body, checksum)
        reply = data + bytes(status) + (b"" if self._stub else b"\0\0")
        frame = framed(struct.pack("<BBHI", 1, code, len(reply), value) + reply)
        if code == 0x08:
            return frame * 8
        if code == 0x06 and status == OK and struct.unpack("<II", body)[1]:
            self._stub = True
            return frame + framed(b"OHAI")
        return frame

    def _answer(self, code: int, body: bytes, checksum: int) -> Answer:
        if code in WITH_DATA:
            size = struct.unpack("<I", body[:4])[0]
            data = body[16 : 16 + size]
            if checksum_of(data) != checksum & 0xFF:
                return 0, b"", BAD_CHECKSUM
            return WITH_DATA[code](self, data)
        if code not in PLAIN:
            return 0, b"", BAD_MESSAGE
        return PLAIN[code](self, struct.unpack(f"<{len(body) // 4}I", body[: len(body) // 4 * 4]))

    def _sync(self, _words: tuple[int, ...]) -> Answer:
        return 0 if self._stub else 0x20120707, b"", OK

    def _nothing(self, _words: tuple[int, ...]) -> Answer:
        return 0, b"", OK

    def _read(self, words: tuple[int, ...]) -> Answer:
        return self._registers.get(words[0], 0), b"", OK

    def _begin(self, words: tuple[int, ...]) -> Answer:
        self._block, self._at = words[2], words[3]
        self._unpacked = zlib.decompressobj()
        return 0, b"", OK

    def _to_memory(self, data: bytes) -> Answer:
        self.uploaded[self._at] = data
        self._at += self._block
        return 0, b"", OK

    def _to_flash(self, data: bytes) -> Answer:
        if not self._forget:
            self.flash[self._at : self._at + len(data)] = data
        self._at += len(data)
        if self.done[-1:] != ["write"]:
            self.done.append("write")
        return 0, b"", OK

    def _unpack_to_flash(self, data: bytes) -> Answer:
        return self._to_flash(self._unpacked.decompress(data))

    def _digest(self, words: tuple[int, ...]) -> Answer:
        digest = hashlib.md5(self.flash[words[0] : words[0] + words[1]])
        return 0, digest.digest() if self._stub else digest.hexdigest().encode(), OK

    def _erase(self, _words: tuple[int, ...]) -> Answer:
        self.flash[:] = b"\xff" * FLASH_BYTES
        self.done.append("erase")
        return 0, b"", OK


PLAIN: dict[int, Callable[[Rom, tuple[int, ...]], Answer]] = {
    0x02: Rom._begin,
    0x04: Rom._nothing,
    0x05: Rom._begin,
    0x06: Rom._nothing,
    0x08: Rom._sync,
    0x09: Rom._nothing,
    0x0A: Rom._read,
    0x0B: Rom._nothing,
    0x0D: Rom._nothing,
    0x0F: Rom._nothing,
    0x10: Rom._begin,
    0x12: Rom._nothing,
    0x13: Rom._digest,
    0xD0: Rom._erase,
}
WITH_DATA: dict[int, Callable[[Rom, bytes], Answer]] = {
    0x03: Rom._to_flash,
    0x07: Rom._to_memory,
    0x11: Rom._unpack_to_flash,
}


def checksum_of(data: bytes) -> int:
    """As the ROM defines it."""
    state = 0xEF
    for byte in data:
        state ^= byte
    return state


def framed(packet: bytes) -> bytes:
    """A SLIP frame."""
    return b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def unescaped(frame: bytes) -> bytes:
    """What is in a SLIP frame."""
    return frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
