"""The second file that the board runs: it starts the gateway, and shuts every valve whatever ends it.

As boot.py it is never updated over the air: it has to stand whatever an update brings. How the gateway is put together
is in start.py, which is.
"""

import asyncio
import sys
import time

if "shut_all" in globals():  # boot.py has left it here: the chip has one name space for both files
    shut_all, restart = globals()["shut_all"], globals()["restart"]
else:
    from boot import restart, shut_all

RESTART_AFTER_S = 30


async def main(watchdogs):
    """Work for ever. Raises what stopped it: a wrong configuration, an unreadable certificate, a defect.

    What feeds the watchdog is appended to the list `watchdogs` once there is one.
    """
    await asyncio.gather(*await _jobs(watchdogs))


async def _jobs(watchdogs):
    import start

    jobs = await start.gateway_jobs(watchdogs)
    del sys.modules["start"]
    slots = sys.modules.get("slots")  # boot.py has left it there if what runs is on trial
    if slots:
        jobs.append(slots.trial())
    return jobs


def guarded():
    """Run, and begin again after whatever happens; without a running gateway every valve is shut."""
    watchdogs = []
    try:
        asyncio.run(main(watchdogs))
    except KeyboardInterrupt:  # Ctrl-C: no task ends in order then
        shut_all()
        raise
    except Exception as error:  # it is told on the serial line, and the board begins again
        sys.print_exception(error)
    shut_all()
    print("main: restart in", RESTART_AFTER_S, "s; Ctrl-C to stop")
    for _ in range(RESTART_AFTER_S):
        for feed in watchdogs:
            feed()
        time.sleep(1)
    restart()


if __name__ == "__main__":
    guarded()
