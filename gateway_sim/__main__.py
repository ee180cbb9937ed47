"""`python -m gateway_sim`: a farm of simulated gateways against any broker, in real time or faster."""

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from gateway_sim import farm as farms
from gateway_sim import weather as weathers
from gateway_sim.errors import SimError
from gateway_sim.fleet import Fleet

CONNECT_PATIENCE_S = 30
DAY_S = 86400


class ScaledClock:
    """The system clock, running `speed` times as fast from now on."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start_s = int(time.time())
        self._origin = time.monotonic()

    def now(self) -> int:
        return self._start_s + self.ticks_ms() // 1000

    def ticks_ms(self) -> int:
        return int((time.monotonic() - self._origin) * 1000 * self._speed)

    def trusted(self) -> bool:
        return True

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000 / self._speed)


def main(arguments: list[str] | None = None) -> int:
    """Run until the days are over or Ctrl-C; 0, or 2 after one line about what to mend."""
    options = _options(arguments)
    try:
        return asyncio.run(_run(options))
    except (SimError, OSError) as error:
        print(f"gateway_sim: {error}", file=sys.stderr)
        return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway_sim", description=__doc__)
    parser.add_argument("--host", default="localhost", help="the broker, by the name in its certificate (%(default)s)")
    parser.add_argument("--port", type=int, default=8883, help="its TLS port (%(default)s)")
    parser.add_argument("--certs", type=Path, default=Path("certs/issued"), help="a folder a thing (%(default)s)")
    parser.add_argument("--gateways", type=_positive(int), default=8, help="how many (%(default)s)")
    parser.add_argument("--days", type=_positive(int), default=5, help="field days to run (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws the farm and the probes' noise (%(default)s)")
    parser.add_argument("--weather", type=Path, default=weathers.EXCERPT, help="hourly CSV, replayed from now on")
    parser.add_argument("--speed", type=_positive(float), default=1.0, help="field seconds a second (%(default)s)")
    parser.add_argument("--write-zones", type=Path, metavar="FILE", help="only write compute's zones file, and end")
    return parser.parse_args(arguments)


def _positive(kind: type[int] | type[float]) -> Any:
    def positive(text: str) -> int | float:
        value = kind(text)
        if not value > 0:
            raise ValueError(text)
        return value

    return positive


async def _run(options: argparse.Namespace) -> int:
    farm = farms.build(options.gateways, options.seed)
    if options.write_zones:
        options.write_zones.write_text(json.dumps(farms.zones_document(farm), indent=2) + "\n")  # JSON is YAML
        return 0
    clock = ScaledClock(options.speed)
    weather = weathers.load(options.weather, options.days)
    weather = dataclasses.replace(weather, start=clock.now() - clock.now() % weathers.HOUR_S)
    settings = {"server_hostname": options.host}
    fleet = Fleet(farm, weather, options.certs, options.host, options.port, clock, _tell, settings)
    await _work(fleet, clock, weather.end - weathers.HOUR_S)  # the last samples still find weather
    return 0


async def _work(fleet: Fleet, clock: ScaledClock, end: int) -> None:
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    await fleet.start()
    try:
        await _connected(fleet, interrupted)
        while not interrupted.is_set() and clock.now() < end:
            fleet.check()
            await asyncio.sleep(0.2)
    finally:
        await fleet.stop(patience_s=5)
    summary = fleet.summary()
    del summary["zones"]
    print(json.dumps(summary, indent=2))


async def _connected(fleet: Fleet, interrupted: asyncio.Event) -> None:
    deadline = time.monotonic() + CONNECT_PATIENCE_S
    while not fleet.idle() and not interrupted.is_set():
        offline = fleet.offline()
        if offline and time.monotonic() > deadline:
            name, why = next(iter(offline.items()))
            raise SimError(f"{name} cannot connect: {why}; is the broker up, and does it know our CA?")
        await asyncio.sleep(0.1)


def _tell(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main())
