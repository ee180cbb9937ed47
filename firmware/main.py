"""The second file that the board runs: it puts the gateway together, and shuts every valve whatever ends it."""

import asyncio
import gc
import sys
import time

import boot

RESTART_AFTER_S = 30


async def main(watchdogs):
    """Work for ever. Raises what stopped it: a wrong configuration, an unreadable certificate, a defect.

    What feeds the watchdog is appended to the list `watchdogs` once there is one.
    """
    await asyncio.gather(*await _jobs(watchdogs))


async def _jobs(watchdogs):
    import board

    entries, pins = await _files()
    gc.collect()  # before what lives long takes its place
    await asyncio.sleep(0)
    return board.gateway_jobs(entries, pins, watchdogs)


async def _files():
    """config.json and pins.json, checked; the 8 KB of tables that check them are then nobody's."""
    import config

    entries = config.check_config(await _read(config.load, "/config.json"))
    pins = config.check_pins(await _read(config.load, "/pins.json"), [zone["zone_id"] for zone in entries["zones"]])
    del sys.modules["config"]
    return entries, pins


async def _read(load, path):
    document = load(path)
    gc.collect()  # to read as strictly as messages are read leaves much behind
    await asyncio.sleep(0)
    return document


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
