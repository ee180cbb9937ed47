"""A node without valves that sleeps between its samples; only such a node imports this.

It wakes for each sample, and connects at each publish interval: a sample takes a second, a connection several of radio.
What the next waking needs is in the memory of the chip's clock, which only a power cut empties.
"""

import asyncio
import gc
import json
import os
import sys

import board
import machine

from gateway.clock import SystemClock, wire_time, within
from gateway.gateway import Gateway

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Row = dict[str, Any]

REACH_S = 60  # for Wi-Fi, time and broker together; what was measured waits in the outbox else
TRIAL_S = 600  # of an update, which has three wakings to come online
UPDATE_S = 1200  # while one arrives
ASK_S = 30  # until a broker that has no update says so
QUIET_S = 2  # without anything under way: what waited for this node has come by then
EARLY_S = 60  # as much sooner than planned does a drifting clock wake it
TIME_EVERY_S = 3000  # the clock of a sleeping chip is the worst it has
TIME_HOLDS_S = 6 * 3600
MOST_S = 86_400  # of a sleep, whatever the clock says
LATEST_S = 2 * 86400  # what is planned for later was planned by another clock


class Node(Gateway):
    """The gateway in one waking: it works when told to, without a schedule. `past` is what the one before has left."""

    ends_ms = 0  # no waking is longer
    past: "Row"
    _clock: board.BoardClock

    def due(self) -> "tuple[int, int]":
        """When the next sample is due, and the first one after the next publish interval has begun; Unix s."""
        every, publish = [self._settings[name + "_interval_s"] for name in ("sample", "publish")]
        now = self._clock.now() + self._early_s()
        sample, contact = now // every * every + every, now // publish * publish + publish
        return sample, max(sample, -(-contact // every) * every)

    def _early_s(self) -> int:
        return min(EARLY_S, self._settings["sample_interval_s"] // 4)

    async def wake(self, this: board.Board, reach_s: int) -> None:
        """Measure, and hand over what is due."""
        self._start("watchdog", self._feed_watchdog)
        for sensor in this._sensors:
            await sensor.measure(self._clock)
        ends_ms = self._clock.ticks_ms() + reach_s * 1000
        connects = reach_s == TRIAL_S or not self._early_s() < self.past.get("heard", 0) - self._clock.now() <= LATEST_S
        if connects:
            self._start("wifi", this.wifi.keep)
        if connects and not self._clock.trusted():  # a sample with the time is worth a few seconds
            await self._join(this, ends_ms)
        self._sample()
        if connects:
            await self._join(this, ends_ms)
            await self._hand_over(ends_ms)
            self.past["heard"] = self.due()[1]
        await self._cancel_all()
        self._outbox.flush()

    async def _join(self, this: board.Board, ends_ms: int) -> None:
        try:
            await within(max(0, ends_ms - self._clock.ticks_ms()) / 1000, self._joined(this))
        except asyncio.TimeoutError:
            pass

    async def _joined(self, this: board.Board) -> None:
        """Wait for Wi-Fi, and have the time if what is known of it is old."""
        await this.wifi.joined.wait()
        while self._clock.now() - self.past.get("told", 0) >= TIME_EVERY_S:
            if await this._ask_time(False):
                self.past["told"] = self._clock.now()
            elif self._clock.trusted():
                return
            await asyncio.sleep(1)

    async def _hand_over(self, ends_ms: int) -> None:
        """Connect, and stay as long as there is anything to say or to hear."""
        self._valves.boot(self._clock.now(), self._clock.trusted())
        self._publish()
        self._start("link", self._client.run)
        quiet = 0
        while quiet < QUIET_S * 5 and not self._failure and self._clock.ticks_ms() < self._until(ends_ms):
            await asyncio.sleep(0.2)
            quiet = quiet + 1 if self.idle() and not self._updater else 0
        floor, now = self._clock.floor, self._clock.now()
        if now - floor.least >= board.FLOOR_EVERY_S and floor.rise(now, self.online() and self._clock.trusted()):
            floor.save()
        try:
            await within(QUIET_S, self._client.disconnect())
        except asyncio.TimeoutError:
            pass

    def _until(self, ends_ms: int) -> int:
        if self._updater:
            ends_ms += (UPDATE_S if self._updater.has_job() else ASK_S) * 1000
        return min(self.ends_ms, ends_ms)

    async def _keep_schedule(self) -> None:
        self._send_status("online")  # other intervals have come: another time to wake

    def _healthy(self) -> bool:
        return self._clock.ticks_ms() < self.ends_ms

    def _status(self, state: str) -> "Row":
        status = super()._status(state)
        if self._clock.trusted():
            status["wakes_at"] = wire_time(self.due()[1])
        return status


async def live(config: "Row", pins: "Row", watchdogs: "list[Callable[[], None]]") -> None:
    """One waking; whatever happens in it, the chip sleeps then, and begins again at boot.py."""
    cause, memory = machine.reset_cause(), machine.RTC().memory
    every, clock = config.get("sample_interval_s", 900), SystemClock()
    due = clock.now() // every * every + every
    try:
        past = json.loads(memory()) if cause == machine.DEEPSLEEP_RESET else {}
        memory(b"{}")  # of a life that does not end asleep nothing is taken over
        if cause != machine.WDT_RESET:  # else it has hung: begun again at once, it would never sleep
            due = await _wake(config, pins, watchdogs, past)
            memory(json.dumps(past).encode())
    except Exception as error:  # a restart every half minute empties a battery
        sys.print_exception(error)
    print("sleep until", due)
    machine.deepsleep(min(max(1, due - clock.now()), MOST_S) * 1000)


async def _wake(config: "Row", pins: "Row", watchdogs: "list[Callable[[], None]]", past: "Row") -> int:
    """Gives when to wake next (Unix s), and changes `past` for then."""
    config.setdefault("port", 8883)
    config.setdefault("outbox_bytes", board.OUTBOX_BYTES[gc.mem_free() > board.PSRAM_BYTES])
    if board.STORE[1:] not in os.listdir("/"):
        os.mkdir(board.STORE)
    store = board.FileStore(board.STORE)
    clock = board.BoardClock(store)
    clock._heard = 0 <= clock.now() - past.get("told", 0) < TIME_HOLDS_S
    clock.floor._doubt = past.get("doubt")
    this = board.Board(config, pins, clock)
    watchdogs.append(this.feed)
    config["zones"], config["boot_id"] = [], past.get("boot")
    node = Node(config, this, clock, store, board.tls_context(config["certs"]))
    node.past = past
    for sensor in this._sensors:  # one number for all: there is no room for each that a node can have
        node._seqs[node.gateway_id + "." + sensor.name] = past.get("seq", 0)
    on_trial = "slots" in sys.modules or config["certs"] != "/certs"  # boot.py has left it for one
    reach_s = TRIAL_S if on_trial else REACH_S
    node.ends_ms = clock.ticks_ms() + (len(this._sensors) * board.MEASURE_WITHIN_S + reach_s + UPDATE_S) * 1000
    await node.wake(this, reach_s)
    due, doubt = node.due()[0], clock.floor._doubt
    past["boot"], past["seq"] = node.boot_id, max(node._seqs.values(), default=0)
    if doubt:  # counted from the next life's start
        doubt = [doubt[0] - clock.ticks_ms() - (due - clock.now()) * 1000, doubt[1]]
    past["doubt"] = doubt
    return due
