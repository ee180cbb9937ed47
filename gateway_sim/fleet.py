"""Many gateways in one process, each with its own certificate, outbox and field."""

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.gateway import Gateway
from gateway.store import FileStore, MemoryStore
from gateway_sim.board import Event, SimBoard
from gateway_sim.device import Device, Flash, Radio, Relays
from gateway_sim.errors import IdentityMissingError, StateError
from gateway_sim.farm import HARD_CAP_S, Farm, FarmGateway
from gateway_sim.faults import Faults, SkewedClock
from gateway_sim.weather import Weather

if TYPE_CHECKING:  # the interfaces are types only, and no module
    from gateway.interfaces import Board, Clock, Random, Store

COUNTERS = ("samples_taken", "messages_published", "messages_acked", "samples_dropped", "refusals", "reconnects")


class Fleet:
    """Runs every gateway of a farm against a broker over mutual TLS.

    `certs_folder` holds a folder for each gateway id with certificate.pem, private_key.pem and root_ca.pem. `settings`
    are entries of the gateway's `config` (sample_interval_s, keepalive_s, server_hostname, ...) for all of them.

    With a folder `state`, a fleet that was killed goes on: started again with the same farm, weather and folder, it has
    its samples, acks, soil and meters, and a valve that stood open closes then. `recorded(event)` tells whether an
    event of before is on record; see `SimBoard`. `faults` befall its sensors, lines and devices.
    Raises IdentityMissingError and StateError.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # all that a fleet meets in the world
        self,
        farm: Farm,
        weather: Weather,
        certs_folder: Path,
        host: str,
        port: int,
        clock: "Clock",
        record: Callable[[Event], None],
        settings: Mapping[str, Any] | None = None,
        state: Path | None = None,
        recorded: Callable[[Event], bool] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._clock = clock
        self._record = record
        self._faults = faults or Faults()
        self._boards: dict[str, SimBoard] = {}
        self.gateways: dict[str, Gateway | Device] = {}
        contexts = {row.gateway_id: tls_context(Path(certs_folder) / row.gateway_id) for row in farm.gateways}
        for row in farm.gateways:
            store = _store(state, row.gateway_id)
            board = SimBoard(row, weather, clock, self._tell, farm.seed, store, recorded, self._faults)
            config = _config(row, host, port, settings or {})
            self._boards[row.gateway_id] = board
            self.gateways[row.gateway_id] = self._member(config, board, store, contexts[row.gateway_id])
        self._tasks: list[asyncio.Task[None]] = []

    def _tell(self, event: Event) -> None:
        self._record(event)
        device = self.gateways.get(event["gateway_id"])
        if event["kind"] == "valve_edge" and isinstance(device, Device):
            device.valve_edge(event["open"])

    def _member(self, config: Event, whole: SimBoard, store: "Store", context: ssl.SSLContext) -> Gateway | Device:
        """A gateway; as a device that can lose its network and power, if a fault will need that."""
        gateway_id = config["gateway_id"]

        def gateway(config: Event, board: "Board", store: "Store", draw: "Random") -> Gateway:
            clock = SkewedClock(self._clock, self._faults, gateway_id)
            gateway = Gateway(config, board, clock, store, context, self._record, draw)
            whole.rain_counted(gateway.last_sample_at)
            return gateway

        if not self._faults.of(gateway_id):
            return gateway(config, whole, store, random)

        def boot(flash: Flash, address: Event) -> Gateway:
            return gateway(config | address, Relays(whole, flash), flash, _NoJitter())

        radio = Radio(config["host"], config["port"])
        return Device(gateway_id, boot, store, self._clock, self._faults, radio)

    async def start(self) -> None:
        """Set every gateway to work; `idle` turns True once all are connected and subscribed."""
        self._tasks = [asyncio.create_task(gateway.run()) for gateway in self.gateways.values()]

    def idle(self) -> bool:
        """True if every gateway is (see `Gateway.idle`). Raises what a gateway died of."""
        self.check()
        return bool(self._tasks) and all(gateway.idle() for gateway in self.gateways.values())

    def check(self) -> None:
        """Raise what a gateway died of, if one did."""
        for task in self._tasks:
            if task.done():
                task.result()

    def offline(self) -> dict[str, str]:
        """The gateways whose last attempt to connect failed, each with the reason."""
        errors = {name: gateway.link_error for name, gateway in self.gateways.items()}
        return {name: str(error) or type(error).__name__ for name, error in errors.items() if error}

    async def mend(self) -> None:
        """Power and network come back to every gateway, for good: what it keeps can then be brought home."""
        devices = [gateway for gateway in self.gateways.values() if isinstance(gateway, Device)]
        for device in devices:
            device.mend()
        while not all(device.powered for device in devices):
            self.check()
            await asyncio.sleep(0.01)

    async def stop(self, patience_s: int = 10) -> None:
        """Close every valve, hand over what was measured, disconnect. Raises what a gateway died of."""
        await asyncio.gather(*(gateway.stop(patience_s) for gateway in self.gateways.values()))
        await asyncio.gather(*self._tasks)
        self._tasks = []

    def last_words(self) -> dict[str, Any]:
        """What is to be known of it at the end, as docs/field.md asks of every process that is a gateway."""
        counters = self.summary()
        zones = counters.pop("zones")
        return {**counters, "balance": {zone_id: truth["water_balance"] for zone_id, truth in zones.items()}}

    def summary(self) -> dict[str, Any]:
        """What happened: the gateways' counters in sum, and the truth of the fields.

        Samples, litres and fields are of all the time, the other counters since this process began. `zones` maps
        zone_id to {litres, water_balance (mm), moisture [[unix_s, m3/m3] an hour]}.
        """
        now_s = self._clock.now()
        zones = {}
        for board in self._boards.values():
            board.advance(now_s)
            zones.update(board.truth())
        totals: dict[str, Any] = {
            name: sum(gateway.counters.get(name, 0) for gateway in self.gateways.values()) for name in COUNTERS
        }
        totals["litres"] = {zone_id: truth["litres"] for zone_id, truth in zones.items()}
        totals["zones_below_wilting_point"] = [zone_id for zone_id in zones if zones[zone_id]["below_wilting_point"]]
        totals["zones"] = zones
        return totals


class _NoJitter:
    """For a gateway behind a relay on this machine: field time waits while it waits to connect again."""

    def random(self) -> float:
        return 0.0


def tls_context(folder: Path) -> ssl.SSLContext:
    """A context with one thing's certificate, which trusts that thing's CA alone. Raises IdentityMissingError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=folder / "root_ca.pem")
        context.load_cert_chain(folder / "certificate.pem", folder / "private_key.pem")
    except OSError as error:
        raise IdentityMissingError(
            f"{folder}: no usable identity ({error}); issue one: python -m certs issue --things {folder.name}"
        ) from error
    return context


def _store(state: Path | None, gateway_id: str) -> "Store":
    if state is None:
        return MemoryStore()
    folder = Path(state) / gateway_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"{folder}: no folder to keep state in: {error}") from error
    return FileStore(str(folder), sync=False)  # what is killed is the process: what it wrote, the system has


def _config(row: FarmGateway, host: str, port: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    zones = [
        {"zone_id": zone.zone_id, "hard_cap_s": HARD_CAP_S, "litres_per_minute": zone.litres_per_minute}
        for zone in row.zones
    ]
    config = {"gateway_id": row.gateway_id, "host": host, "port": port, "server_hostname": "localhost", "zones": zones}
    return config | dict(settings)
