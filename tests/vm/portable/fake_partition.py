"""A chip's two OTA partitions and its boot loader, in memory, as unkind as the chip: `esp32.Partition` stands for it.

What is written where nothing was erased is the AND of both; an image starts once, and then the one before again, unless
it has called itself valid. It loses its power with the flash of fake_flash.py, before an operation or within it.
"""

SECTOR_BYTES = 4096
NEW, PENDING, VALID, INVALID = "new", "pending", "valid", "invalid"  # as ESP-IDF's image states


class Chip:
    """Both partitions, as labels -> content, and which runs; `flash` counts the operations."""

    def __init__(self, flash, size, image):
        self.flash = flash
        self.content = {"ota_0": bytearray(b"\xff" * size), "ota_1": bytearray(b"\xff" * size)}
        self.content["ota_0"][: len(image)] = image
        self.states = {"ota_0": VALID, "ota_1": INVALID}
        self.next, self.running = "ota_0", "ota_0"

    def boot(self):
        """What the boot loader does at each start."""
        if self.states[self.next] == PENDING:  # it has had its start
            self.states[self.next] = INVALID
        if self.states[self.next] == INVALID:
            self.next = other(self.next)
        if self.states[self.next] == NEW:
            self.states[self.next] = PENDING
        self.running = self.next

    def image(self, size):
        """What runs, so many bytes of it."""
        return bytes(self.content[self.running][:size])

    def partitions(self):
        """What stands for the class `esp32.Partition`, of this chip."""
        chip = self

        class Partition(Slot):
            RUNNING = 1

            def __init__(self, label):
                super().__init__(chip, chip.running if label == 1 else label)

            @staticmethod
            def mark_app_valid_cancel_rollback():
                chip.change("valid", chip.running, lambda: chip.states.update({chip.running: VALID}))

        return Partition

    def change(self, what, label, apply, torn=None):
        self.flash._change(what, label, apply, torn)


class Slot:
    """One partition."""

    def __init__(self, chip, label):
        self._chip, self._label = chip, label

    def info(self):
        return (0, 16, 0x10000, len(self._chip.content[self._label]), self._label, False)

    def get_next_update(self):
        return Slot(self._chip, other(self._chip.running))

    def ioctl(self, what, sector):
        assert what == 6, what
        self._write("erase", sector * SECTOR_BYTES, b"\xff" * SECTOR_BYTES, erased=True)
        return 0

    def writeblocks(self, sector, data, offset=None):
        if offset is None:
            self.ioctl(6, sector)
        self._write("write", sector * SECTOR_BYTES + (offset or 0), data)

    def readblocks(self, sector, buffer, offset=0):
        begin = sector * SECTOR_BYTES + offset
        buffer[:] = self._chip.content[self._label][begin : begin + len(buffer)]

    def set_boot(self):
        """Take it for the next start. Raises OSError for what is no image, as ESP-IDF does that looks at it first."""
        if self._chip.content[self._label][0] != 0xE9:
            raise OSError(-5379)

        def choose():
            self._chip.next = self._label
            self._chip.states[self._label] = NEW

        self._chip.change("boot", self._label, choose)

    def _write(self, what, begin, data, erased=False):
        if self._label == self._chip.running:
            raise AssertionError("what runs is overwritten")
        content = self._chip.content[self._label]
        if begin + len(data) > len(content):
            raise OSError(-258)

        def apply(count):
            for at in range(count):
                content[begin + at] = data[at] if erased else data[at] & content[begin + at]

        self._chip.change(what, self._label, lambda: apply(len(data)), lambda: apply(len(data) // 2))


def other(label):
    return "ota_1" if label == "ota_0" else "ota_0"
