"""The ESP32: its pins, probes, radio, clock and watchdog. Alone with boot.py in importing `machine`."""

import asyncio
import gc
import json
import os
import ssl
import time

import esp32
import machine
import net
import network
from drivers.valve import Latching, Relay, ValveBank
from machine import Pin

from gateway.clock import DRIFT_S, SystemClock, TimeFloor
from gateway.errors import ValveError
from gateway.gateway import Gateway
from gateway.store import FileStore

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from gateway.interfaces import Store, Values

    Row = dict[str, Any]

FIRMWARE = "pythoflow 0.1.0"
STORE = "/store"
# What waits for the broker is in memory too; without PSRAM, more of it would take what TLS needs to come back.
PSRAM_BYTES = 500_000
OUTBOX_BYTES = (8_000, 250_000)  # without and with PSRAM; the journal takes up to thrice as much of the flash
WATCHDOG_MS = 8000
START_WATCHDOG_MS = 60_000  # until the gateway feeds it: a long outbox is read first, with every valve shut
# One piece of the system's heap: a P-256 handshake takes 30 KB at its peak, a chain of AWS some more.
TLS_BYTES = 36 * 1024
MEASURE_EVERY_S = 30
MEASURE_WITHIN_S = 15
GLITCH_NS = 12_000  # shorter pulses are noise; the chip's filter reaches as far
BOUNCE_MS = 100
OLDEST_S = 120  # what was measured longer ago is no reading
OFFLINE_S = 4 * 3600  # with Wi-Fi and the time: then something here is stuck, and a fresh start is worth a try
TIME_EVERY_S = 6 * 3600
TIME_RETRY_S = 20
LOOK_S = 60
FLOOR_EVERY_S = 12 * 3600  # wears the flash twice a day
RESET_CAUSES = {
    machine.PWRON_RESET: "power_on",  # a brown-out says this too
    machine.HARD_RESET: "hard",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep_sleep",
    machine.SOFT_RESET: "soft",
}


def gateway_jobs(
    config: "Row", pins: "Row", watchdogs: "list[Callable[[], None]]"
) -> "Sequence[Coroutine[Any, Any, None]]":
    """The jobs of a gateway, none of which ends. What feeds the watchdog is appended to `watchdogs` once there is one.

    Of the two files, checked, it keeps what it needs. Raises OSError, ValueError.
    """
    config.setdefault("port", 8883)
    config.setdefault("outbox_bytes", OUTBOX_BYTES[gc.mem_free() > PSRAM_BYTES])
    if STORE[1:] not in os.listdir("/"):
        os.mkdir(STORE)
    store = FileStore(STORE)
    clock = BoardClock(store)
    this = Board(config, pins, clock)
    watchdogs.append(this.feed)
    gateway = Gateway(config, this, clock, store, tls_context(config["certs"]), _print_event)
    jobs = [this.wifi.keep(), this.keep_time(gateway.online), this.keep_measuring(), gateway.run()]
    jobs.append(this.keep_reachable(gateway.online))
    if config["certs"] != "/certs":  # another identity is on trial
        from gateway.renewal import watch

        jobs.append(watch(this, gateway, clock))
    if pins.get("light") is not None:
        jobs.append(this.keep_light(Pin(pins["light"], Pin.OUT, value=0), gateway.online))
    return jobs


def _print_event(event: "Row") -> None:
    """Events are for whoever follows the serial line."""
    print("event:", event)


class BoardClock(SystemClock):
    """The chip's clock: trusted once a time server was heard since the start; never before what the flash remembers."""

    def __init__(self, store: "Store") -> None:
        super().__init__()
        self.floor = TimeFloor(store)
        self._heard = False
        if self.now() < self.floor.least:
            self._set(self.floor.least)

    def trusted(self) -> bool:
        """True once a time server was heard since the start."""
        return self._heard and super().trusted()

    def heard(self, told: int, online: bool) -> None:
        """Take the time (Unix s) of a server. Raises NetError for one that cannot be."""
        if not self.floor.believes(told, self.ticks_ms()):
            raise net.NetError(f"the time {told} is not believed: it was {self.floor.least} already")
        step_s = abs(told - self.now())
        if step_s > DRIFT_S:
            self.floor.moved(online)
        if step_s > 1:
            self._set(told)
        self._heard = True

    def _set(self, now: int) -> None:
        moment = time.gmtime(now - self.now() + int(time.time()))
        machine.RTC().datetime(moment[0:3] + (moment[6],) + moment[3:6] + (0,))  # noqa: RUF005  # no `*` in a tuple here


class Board:
    """What the gateway needs of its board (see gateway.interfaces), built from checked configuration and pins."""

    root = ""

    def __init__(self, config: "Row", pins: "Row", clock: BoardClock) -> None:
        self._clock = clock
        self._valves = ValveBank(
            {row["zone_id"]: _valve(row) for row in pins["valves"]},
            _valve(pins["master"]) if pins.get("master") else None,
        )
        self._sensors = [Sensor(row) for row in pins.get("sensors", [])]
        self._time_servers = config["time_servers"]
        self._addresses: dict[str, str] = {}
        self.wifi = net.Wifi(network.WLAN(network.STA_IF), config["wifi"])
        self._watchdog = machine.WDT(timeout=START_WATCHDOG_MS)
        self._watches = False

    # What the gateway calls.

    def read(self) -> "list[tuple[str, str | None, Values]]":
        """What each sensor measured last; those of one name are one sensor."""
        rows: dict[str, tuple[str, str | None, Values]] = {}
        now_ms = self._clock.ticks_ms()
        for sensor in self._sensors:
            row = rows.setdefault(sensor.name, (sensor.name, sensor.zone_id, {}))
            row[2].update(sensor.take(now_ms))
        return [rows[name] for name in sorted(rows)]

    def set_valve(self, zone_id: str, is_open: bool) -> None:
        """Move a valve. Raises ValveError."""
        try:
            self._valves.set(zone_id, is_open)
        except (OSError, ValueError) as error:
            raise ValveError(f"{zone_id}: {error}") from error

    def metered_l(self, zone_id: str) -> "float | None":
        """Litres of the zone's flow meter since the start, None without one."""
        meter = self._meter(zone_id)
        return meter and meter.litres()

    def pulse_l(self, zone_id: str) -> float:
        """Litres of one pulse of it."""
        meter = self._meter(zone_id)
        return 1 / meter.per_litre if meter else 0

    def _meter(self, zone_id: str) -> "Any":
        for sensor in self._sensors:
            if sensor.zone_id == zone_id and hasattr(sensor.driver, "litres"):
                return sensor.driver
        return None

    def health(self) -> "dict[str, Any]":
        """Firmware, reset cause, free heap, signal."""
        about: dict[str, Any] = {
            "firmware": FIRMWARE,
            "reset_cause": RESET_CAUSES.get(machine.reset_cause(), "unknown"),
        }
        about["heap_free_bytes"] = gc.mem_free()
        try:
            with open("/certs/identity.json", "rb") as file:  # start.py has it written
                about.update(json.loads(file.read()))
        except (OSError, ValueError):  # a full flash, say
            pass
        rssi = self.wifi.rssi_dbm()
        if rssi is not None:
            about["rssi_dbm"] = rssi
        return about

    def feed(self) -> None:
        """The supervisor is healthy: the watchdog may wait."""
        if not self._watches:
            self._watchdog = machine.WDT(timeout=WATCHDOG_MS)
            self._watches = True
        self._watchdog.feed()

    def restart(self) -> None:
        """Begin again from boot.py."""
        machine.reset()

    def partitions(self) -> "Any":
        """The chip's partitions: of a board with frozen modules an update replaces the whole image."""
        return esp32.Partition

    async def open_connection(
        self, host: str, port: int, ssl: "Any" = None, server_hostname: "str | None" = None
    ) -> "Any":
        """Connect when Wi-Fi, the address and the memory for TLS are there. Raises OSError."""
        self.wifi.check()
        gc.collect()
        largest = max((row[2] for row in esp32.idf_heap_info(esp32.HEAP_DATA)), default=0)
        if largest < TLS_BYTES:
            raise net.NetError(f"TLS needs {TLS_BYTES} bytes in one piece, {largest} are free")
        address = await self._address(host)
        return await asyncio.open_connection(address, port, ssl=ssl, server_hostname=server_hostname)

    # What runs beside the gateway.

    async def keep_measuring(self) -> None:
        """Measure every sensor again and again, one after the other, for ever."""
        while True:
            for sensor in self._sensors:
                await sensor.measure(self._clock)
            await asyncio.sleep(MEASURE_EVERY_S)

    async def keep_time(self, online: "Callable[[], bool]") -> None:
        """Ask for the time, for ever; what the broker's certificate agreed with is remembered across a power cut."""
        floor_ms = self._clock.ticks_ms()
        while True:
            await self.wifi.joined.wait()
            answer = await self._ask_time(online())
            begin = self._clock.ticks_ms()
            while self._clock.ticks_ms() - begin < (TIME_EVERY_S if answer else TIME_RETRY_S) * 1000:
                await asyncio.sleep(10)
                rises = self._clock.trusted() and self._clock.floor.rise(self._clock.now(), online())
                if rises and self._clock.ticks_ms() >= floor_ms:
                    self._clock.floor.save()
                    floor_ms = self._clock.ticks_ms() + FLOOR_EVERY_S * 1000

    async def keep_reachable(self, online: "Callable[[], bool]") -> None:
        """Begin again after hours without the broker although there is Wi-Fi and the time, and no valve is open.

        Only if a time server answers at that moment: else the clock would be lost with it, and no fallback plan run.
        """
        since_ms = self._clock.ticks_ms()
        while True:
            await asyncio.sleep(LOOK_S)
            now_ms = self._clock.ticks_ms()
            if online() or not (self.wifi.joined.is_set() and self._clock.trusted()):
                since_ms = now_ms
            elif now_ms - since_ms < OFFLINE_S * 1000:
                continue
            elif await self._ask_time(False) and not (online() or self._valves.any_open()):
                print("no broker for", OFFLINE_S // 3600, "h: restart")
                self.restart()

    async def keep_light(self, light: Pin, online: "Callable[[], bool]") -> None:
        """Show the state: steady is online, else so many flashes: 1 no Wi-Fi, 2 no time, 3 no broker."""
        while True:
            flashes = self._trouble(online())
            light.value(0 if flashes else 1)
            for _ in range(flashes):
                light.value(1)
                await asyncio.sleep(0.15)
                light.value(0)
                await asyncio.sleep(0.25)
            await asyncio.sleep(2)

    def _trouble(self, online: bool) -> int:
        if not self.wifi.joined.is_set():
            return 1
        if not self._clock.trusted():
            return 2
        return 0 if online else 3

    async def _ask_time(self, online: bool) -> bool:
        for server in self._time_servers:
            try:
                self._clock.heard(await net.network_time(server, self.wifi.dns_server()), online)
                return True
            except net.NetError as error:
                print("time:", error)
        return False

    async def _address(self, host: str) -> str:
        try:
            self._addresses[host] = await net.resolve(host, self.wifi.dns_server())
        except net.NetError:
            if host not in self._addresses:  # else the one of before may still do
                raise
        return self._addresses[host]


class Sensor:
    """One row of pins.json at work: its driver, and what that said last."""

    def __init__(self, row: "Row") -> None:
        self.name: str = row["sensor"]
        self.zone_id: str | None = row.get("zone_id")
        self.driver = _DRIVERS[row["kind"]](row)
        self._values: Values = {}
        self._measured_ms: int | None = None

    async def measure(self, clock: BoardClock) -> None:
        """Ask the driver; one that fails or takes too long has no value."""
        try:
            values = await asyncio.wait_for(self.driver.measure(), MEASURE_WITHIN_S)
        except (OSError, asyncio.TimeoutError):
            values = dict.fromkeys(self._values)
        self._values = values
        self._measured_ms = clock.ticks_ms()

    def take(self, now_ms: int) -> "Values":
        """The values for a sample: None once they are old, and rain as of this very moment."""
        if hasattr(self.driver, "taken"):
            values = self.driver.fresh()
            self.driver.taken()
            return values
        fresh = self._measured_ms is not None and now_ms - self._measured_ms <= OLDEST_S * 1000
        return {name: value if fresh else None for name, value in self._values.items()}


def tls_context(folder: str) -> ssl.SSLContext:
    """A context with this board's certificate, which trusts the one CA in `folder`. Raises OSError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED  # MicroPython's own default is none
    context.load_cert_chain(folder + "/certificate.der", folder + "/private_key.der")
    context.load_verify_locations(cafile=folder + "/root_ca.der")
    return context


def _valve(row: "Row") -> "Relay | Latching":
    """A valve with its pins at rest; boot.py has shut it already."""
    if row["kind"] == "relay":
        on = row.get("on", 1)
        return Relay(Pin(row["pin"], Pin.OUT, value=1 - on), on)
    pins = [Pin(row[name], Pin.OUT, value=0) for name in ("open_pin", "close_pin")]
    return Latching(pins[0], pins[1], row.get("pulse_ms", 60))


# Drivers are imported when a sensor asks for one: each costs memory.


def _soil_adc(row: "Row") -> "Any":
    from drivers.soil_adc import SoilProbe

    return SoilProbe(_adc(row), row["points"])


def _sdi12(row: "Row") -> "Any":
    from drivers.sdi12 import Sdi12

    def uart(baud: int) -> machine.UART:
        return machine.UART(row["uart"], baud, bits=7, parity=0, stop=1, tx=row["tx"], rx=row["rx"])

    return Sdi12(uart, Pin(row["enable"], Pin.OUT, value=0), row["address"], row["values"])


def _ds18b20(row: "Row") -> "Any":
    from drivers.ds18b20 import Ds18b20
    from ds18x20 import DS18X20
    from onewire import OneWire

    return Ds18b20(DS18X20(OneWire(Pin(row["pin"]))), row.get("rom"))


def _sht3x(row: "Row") -> "Any":
    from drivers.sht3x import Sht3x

    return Sht3x(machine.SoftI2C(scl=Pin(row["scl"]), sda=Pin(row["sda"]), freq=100_000), row.get("address", 0x44))


def _flow(row: "Row") -> "Any":
    from drivers.counter import Counter, FlowMeter

    quiet_ms = row.get("quiet_ms") or 0
    unit = None if quiet_ms else next(_UNITS, None)  # the chip's filter ends at 12 us, and a contact bounces for ms
    if unit is None:
        return FlowMeter(Counter(_input(row), Pin.IRQ_FALLING, quiet_ms), row["pulses_per_litre"])
    chip = machine.Counter(unit, _input(row), edge=machine.Counter.FALLING, filter_ns=GLITCH_NS)
    return FlowMeter(chip, row["pulses_per_litre"])


def _rain(row: "Row") -> "Any":
    from drivers.counter import Counter, RainGauge

    return RainGauge(Counter(_input(row), Pin.IRQ_FALLING, BOUNCE_MS), row["mm_per_tip"])


def _input(row: "Row") -> Pin:
    """A contact's pin, pulled up where the chip can; from 34 on it cannot."""
    return Pin(row["pin"], Pin.IN, Pin.PULL_UP) if row["pin"] < 34 else Pin(row["pin"], Pin.IN)


def _battery(row: "Row") -> "Any":
    from drivers.battery import Battery

    return Battery(_adc(row), row["ratio"])


def _adc(row: "Row") -> machine.ADC:
    return machine.ADC(Pin(row["pin"]), atten=machine.ADC.ATTN_11DB)


# The chip's own pulse counters, which no busy moment of ours makes miss a pulse; older images cannot use them.
_UNITS = iter(range(8 if hasattr(machine, "Counter") else 0))
_DRIVERS = {
    "soil_adc": _soil_adc,
    "sdi12": _sdi12,
    "ds18b20": _ds18b20,
    "sht3x": _sht3x,
    "flow": _flow,
    "rain": _rain,
    "battery": _battery,
}
