"""A gateway that loses its network and its power on a schedule: the faults of a device, applied.

The network goes through a relay of its own, which forwards TLS untouched or hangs up. A power cut takes what the
gateway had in memory: what it does while it dies reaches neither the network nor the flash; its valves, being
normally closed, fall shut.
"""

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.gateway import Gateway
from gateway_sim.faults import Faults

if TYPE_CHECKING:  # the interfaces are types only, and no module
    from gateway.interfaces import Board, Clock, Store

BLOCK = 65536
PER_BOOT = ("messages_published", "messages_acked", "refusals", "reconnects")  # the other counters are kept on flash


class Radio:
    """A relay between a port of its own and a broker; while it is not `up` it hangs up on everyone."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.up = True
        self._address = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def turn(self, up: bool) -> None:
        """On or off; off ends every connection at once, with what was under way."""
        self.up = up
        if not up:
            for writer in self._writers:
                writer.transport.abort()

    async def stop(self) -> None:
        """Hang up and listen no more."""
        self.turn(False)
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        while self._writers:  # until each relay has seen it
            await asyncio.sleep(0)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._address)
        except OSError:  # the broker is away: so is the network's far end
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))
        self._writers -= pair


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass  # either end hung up
    writer.close()


class Flash:
    """A store that keeps nothing more once the power is gone; what was there stays."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self.powered = True

    def load(self, name: str) -> bytes | None:
        return self._store.load(name)

    def save(self, name: str, data: bytes) -> None:
        if self.powered:
            self._store.save(name, data)

    def append(self, name: str, data: bytes) -> None:
        if self.powered:
            self._store.append(name, data)

    def remove(self, name: str) -> None:
        if self.powered:
            self._store.remove(name)


class Relays:
    """The board as one boot sees it: without power no relay moves, and valves, being normally closed, are shut."""

    def __init__(self, board: "Board", flash: Flash) -> None:
        self._board = board
        self._flash = flash
        self.read, self.health = board.read, board.health
        self.metered_l, self.pulse_l = board.metered_l, board.pulse_l

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        self._board.set_valve(zone_id, is_open and self._flash.powered)


Boot = Callable[[Flash, dict[str, Any]], Gateway]
"""Makes the gateway of one boot from (flash, the host and port of its configuration)."""


class Device:
    """One gateway with its device faults. `boot` makes the gateway, at the start and after each power cut.

    Tell `valve_edge` of every change of a valve, for a brown-out waits for one that opens.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # a device has this many ends
        self, gateway_id: str, boot: Boot, store: "Store", clock: "Clock", faults: Faults, radio: Radio
    ) -> None:
        self.gateway_id = gateway_id
        self.boots = 0
        self.gateway: Gateway | None = None
        self._boot = boot
        self._store = store
        self._clock = clock
        self._faults = faults
        self._radio = radio
        self._reboots = [cut for cut in faults.reboots(gateway_id) if cut[0] > clock.now()]
        self._off_s = faults.powerless_s(gateway_id, clock.now())
        self._cut = asyncio.Event()
        self._stopping = asyncio.Event()
        self._mended = asyncio.Event()
        self._dark = False
        self._past: dict[str, int] = {}

    @property
    def counters(self) -> dict[str, int]:
        """The gateway's, over all its boots."""
        now = self.gateway.counters if self.gateway else {}
        return {name: self._past.get(name, 0) + count for name, count in now.items()}

    @property
    def link_error(self) -> BaseException | None:
        """Why there is no connection, if that is no fault of the schedule's."""
        return self.gateway.link_error if self.gateway and self._radio.up else None

    def idle(self) -> bool:
        """True if the gateway is, or cannot be heard for now."""
        if self._cut.is_set():
            return self._dark
        return self.gateway is not None and (not self._radio.up or self.gateway.idle())

    @property
    def powered(self) -> bool:
        """True from a boot to the next power cut."""
        return self.gateway is not None and not self._cut.is_set()

    def mend(self) -> None:
        """Give power and network back, and let nothing fail any more."""
        self._mended.set()
        self._radio.turn(not self._cut.is_set())

    def valve_edge(self, is_open: bool) -> None:
        """A valve was moved: in a brown-out, an opening one takes the power down."""
        off_s = self._faults.brown_out_s(self.gateway_id, self._clock.now())
        if is_open and off_s is not None and not self._mended.is_set():
            self._off_s = off_s
            self._cut.set()

    async def run(self) -> None:
        """Work until the gateway is stopped. Raises what it died of."""
        await self._radio.start()
        mains = asyncio.create_task(self._keep_schedule())
        try:
            if self._off_s:
                self._cut.set()
            while await self._dark_time() and await self._one_boot():
                pass
        finally:
            mains.cancel()
            await asyncio.gather(mains, return_exceptions=True)
            await self._radio.stop()

    async def stop(self, patience_s: int = 10) -> None:
        """End as `Gateway.stop` does; a device without power just stays so."""
        self._stopping.set()
        if self.gateway and not self._cut.is_set():
            await self.gateway.stop(patience_s)

    async def _dark_time(self) -> bool:
        """While the power is off: until it is back (True), or never again."""
        if not self._cut.is_set():
            return True
        self._dark = True
        waits = (self._powerless(), self._mended.wait(), self._stopping.wait())
        ends = {asyncio.create_task(wait) for wait in waits}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        return not self._stopping.is_set()

    async def _powerless(self) -> None:
        await self._clock.sleep_ms(round(self._off_s * 1000))
        self._dark = False  # in the very turn of the clock, which must not go on before the boot: idle() is False

    async def _one_boot(self) -> bool:
        """From power on to the next cut (True), or to the end."""
        flash = Flash(self._store)
        self._cut.clear()
        self._dark = False
        self.boots += 1
        self._past = {name: count for name, count in self.counters.items() if name in PER_BOOT}
        self._radio.turn(self._network())
        self.gateway = self._boot(flash, {"host": "127.0.0.1", "port": self._radio.port})
        running = asyncio.create_task(self.gateway.run())
        cut = asyncio.create_task(self._cut.wait())
        try:
            await asyncio.wait({running, cut}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                return False
            flash.powered = False
            self._radio.turn(False)
            return True
        finally:
            cut.cancel()
            running.cancel()
            await asyncio.gather(cut, running, return_exceptions=True)

    async def _keep_schedule(self) -> None:
        """Turn the network and the power off and on at their times."""
        while True:
            now = self._clock.now()
            due = min(self._faults.next_change(now), *(at for at, _ in self._reboots), math.inf)
            if due == math.inf:
                return
            await self._clock.sleep_ms(max(0, math.ceil((due - now) * 1000)))
            if self._mended.is_set():
                return
            if self._reboots and self._reboots[0][0] <= self._clock.now():
                _, self._off_s = self._reboots.pop(0)
                self._cut.set()
            elif not self._cut.is_set():
                self._radio.turn(self._network())

    def _network(self) -> bool:
        return self._mended.is_set() or not self._faults.offline(self.gateway_id, self._clock.now())
