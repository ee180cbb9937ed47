"""Simulated for the bench, never upload it to a board: gives this VM the ESP32's modules, and runs its files."""

import asyncio
import gc
import sys

import _chip
import _gc
import _streams

# What the ESP32 port has, loaded while the folders of this VM's own modules can still be searched.
import errno, esp32, machine, network, ntptime, onewire, ds18x20, os, socket, ssl, time  # noqa
import binascii, collections, hashlib, io, json, math, random, re, struct  # noqa

BOARD_PATH = ["", "/rom", "/rom/lib", "/lib"]
PARTS = "Event", "Lock", "gather", "wait_for", "wait_for_ms", "ThreadSafeFlag"


class _Parked(BaseException):
    """Leaves the file that called `asyncio.run`, which does not return while the loop runs."""


class _Counted:
    """A task's coroutine; the host learns of each time that it goes on after an await."""

    def __init__(self, coroutine):
        self._coroutine = coroutine

    def send(self, value):
        _chip.awaited()
        return self._coroutine.send(value)

    def throw(self, *error):
        return self._coroutine.throw(*error)

    def close(self):
        self._coroutine.close()


def install(count_awaits, seed, collect_after, tell_sleeps):
    """Give asyncio what the board's has, and take away what only this VM can import."""
    asyncio.core._schedule_run_iter = _chip.wake  # the loop's own way to ask for a timer takes three times as long
    _chip.when_awake(asyncio.core._run_iter)
    asyncio.core.new_event_loop()
    asyncio.ThreadSafeFlag = _streams.ThreadSafeFlag
    for name in PARTS:
        getattr(asyncio, name)  # loads the part
    asyncio.open_connection = _streams.open_connection
    asyncio.StreamReader = asyncio.StreamWriter = _streams.Stream
    asyncio.run = _park
    if count_awaits:
        plain = asyncio.create_task

        def create_task(coroutine):
            return plain(_Counted(coroutine))

        asyncio.create_task = asyncio.core.create_task = create_task
    if tell_sleeps:
        asyncio.sleep = _told(asyncio.sleep)
    _chip.when_turned(_turn)
    asyncio.sleep = _turning(asyncio.sleep)
    os.statvfs = _statvfs
    sys.modules["gc"] = _gc  # this VM's own counts on all the memory of this machine
    random.seed(seed)
    os.chdir("/")
    sys.path[:] = BOARD_PATH
    gc.threshold(collect_after)  # bytes; it happens when the VM next pauses: it cannot while it runs


_turned = []  # an event of each task that gave the others a turn


def _turning(plain):
    """A sleep of no time ends what this VM takes for one event, so that it can collect garbage there."""

    def sleep(seconds):
        return plain(seconds) if seconds else _give_turn()

    return sleep


async def _give_turn():
    event = asyncio.Event()
    _turned.append(event)
    _chip.turn()
    await event.wait()


def _turn():
    while _turned:
        _turned.pop(0).set()


def _told(plain):
    def sleep(seconds):
        _chip.sleeps(int(seconds * 1000))
        return plain(seconds)

    return sleep


def _statvfs(_path):
    free = _chip.flash_free() // 4096
    return (4096, 4096, _chip.flash_size() // 4096, free, free, 0, 0, 0, 0, 255)


_names = {"__name__": "__main__"}  # one name space for both files, as on the chip


def run_file(path):
    """Run boot.py or main.py as the board does; what it raises is told, and the board goes on."""
    try:
        with open(path) as file:
            source = file.read()
        exec(source, _names)  # noqa: S102
    except _Parked:
        _then(path)
    except SystemExit:
        _chip.log("SystemExit")
    except OSError as error:
        sys.print_exception(error)
    except Exception as error:  # noqa: BLE001
        sys.print_exception(error)


_main = None


def _park(coroutine):
    global _main
    _main = coroutine
    raise _Parked


def _then(path):
    """Let the parked coroutine run. When it ends, the file runs again up to its `asyncio.run`, which now returns."""
    coroutine = _main

    async def run():
        try:
            result, error = await coroutine, None
        except Exception as raised:  # noqa: BLE001
            result, error = None, raised
        asyncio.run = _returns(result, error)
        run_file(path)

    asyncio.create_task(run())


def _returns(result, error):
    def run(coroutine):
        coroutine.close()
        asyncio.run = _park
        if error:
            raise error
        return result

    return run


def collect():
    gc.collect()
