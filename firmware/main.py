"""The second file that the board runs: it puts the gateway together, and shuts every valve whatever ends it."""

import asyncio
import gc
import os
import sys
import time

import boot

STORE = "/store"
RESTART_AFTER_S = 30
# What waits for the broker is in memory too; without PSRAM, more of it would take what TLS needs to come back.
PSRAM_BYTES = 500_000
OUTBOX_BYTES = (8_000, 250_000)  # without and with PSRAM; the journal takes up to thrice as much of the flash


async def main(watchdogs=()):
    """Work for ever. Raises what stopped it: a wrong configuration, an unreadable certificate, a defect.

    What feeds the watchdog is appended to the list `watchdogs` once there is one.
    """
    import board
    import config

    from gateway.gateway import Gateway
    from gateway.store import FileStore

    entries = config.check_config(config.load("/config.json"))
    zone_ids = [zone["zone_id"] for zone in entries["zones"]]
    pins = config.check_pins(config.load("/pins.json"), zone_ids)
    del config, sys.modules["config"]  # 8 KB of tables that nobody needs any more
    entries.update(entries["broker"])
    entries.setdefault("port", 8883)
    entries.setdefault("outbox_bytes", OUTBOX_BYTES[gc.mem_free() > PSRAM_BYTES])
    if STORE[1:] not in os.listdir("/"):
        os.mkdir(STORE)
    store = FileStore(STORE)
    clock = board.BoardClock(store)
    this = board.Board(entries, pins, clock)
    watchdogs += (this.feed,)
    gateway = Gateway(entries, this, clock, store, board.tls_context("/certs"), print_event)
    jobs = [
        this.wifi.keep(),
        this.keep_time(gateway.online),
        this.keep_measuring(),
        this.keep_light(gateway.online),
        gateway.run(),
    ]
    await first_to_end([asyncio.create_task(job) for job in jobs])


async def first_to_end(tasks):
    """Wait until one task ends; raises what it raised. None of them is meant to end."""
    while not any(task.done() for task in tasks):
        await asyncio.sleep(1)
    for task in tasks:
        if task.done():
            await task


def print_event(event):
    """Events are for whoever follows the serial line."""
    print("event:", event)


def guarded():
    """Run, and begin again after whatever happens; without a running gateway every valve is shut."""
    watchdogs = []
    try:
        asyncio.run(main(watchdogs))
    except KeyboardInterrupt:  # Ctrl-C: no task ends in order then
        boot.shut_all()
        raise
    except Exception as error:  # it is told on the serial line, and the board begins again
        sys.print_exception(error)
    boot.shut_all()
    print("main: restart in", RESTART_AFTER_S, "s; Ctrl-C to stop")
    for _ in range(RESTART_AFTER_S):
        for feed in watchdogs:
            feed()
        time.sleep(1)
    boot.restart()


if __name__ == "__main__":
    guarded()
