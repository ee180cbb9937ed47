"""`python -m gateway_sim`: a farm of simulated gateways against any broker, in real time or faster."""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway_sim import farm as farms
from gateway_sim import member, replay
from gateway_sim import scenario as scenarios
from gateway_sim import weather as weathers
from gateway_sim.errors import ScenarioError, SimError, StateError
from gateway_sim.fleet import Fleet
from protocol import farms as farm_ids

CONNECT_PATIENCE_S = 30
COMMANDS: dict[str, Callable[[list[str]], int]] = {"replay": replay.main, "member": member.main}


class ScaledClock:
    """The system clock, running `speed` times as fast since `started` (Unix s, default: now)."""

    def __init__(self, speed: float, started: float | None = None) -> None:
        self._speed = speed
        self._origin = time.monotonic()
        self.started = int(started or time.time())
        self._before_ms = int((time.time() - (started or time.time())) * 1000 * speed)

    def now(self) -> int:
        return self.now_ms() // 1000

    def now_ms(self) -> int:
        return self.started * 1000 + self._before_ms + self.ticks_ms()

    def ticks_ms(self) -> int:
        return int((time.monotonic() - self._origin) * 1000 * self._speed)

    def trusted(self) -> bool:
        return True

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000 / self._speed)


def main(arguments: list[str] | None = None) -> int:
    """Run until the days are over or Ctrl-C; 0, or 2 after one line about what to mend."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    options = _options(words)
    try:
        return asyncio.run(_run(options))
    except (SimError, OSError) as error:
        for line in str(error).splitlines():
            print(f"gateway_sim: {line}", file=sys.stderr)
        return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gateway_sim",
        description=__doc__,
        epilog="python -m gateway_sim replay --help: the file of a real logger instead;"
        " python -m gateway_sim member --help: one gateway of a demonstration",
    )
    scenario_names = ", ".join(scenarios.names())
    parser.add_argument("--host", default="localhost", help="the broker, by the name in its certificate (%(default)s)")
    parser.add_argument("--port", type=int, default=8883, help="its TLS port (%(default)s)")
    farm_ids.add_option(parser)
    parser.add_argument("--certs", type=Path, default=Path("certs/issued"), help="a folder a thing (%(default)s)")
    parser.add_argument("--scenario", default=scenarios.DEFAULT, help=f"{scenario_names}, or a file (%(default)s)")
    parser.add_argument("--gateways", type=_positive(int), help="how many, where the scenario draws them (8)")
    parser.add_argument("--days", type=_positive(int), help="field days to run (the scenario's; 5)")
    parser.add_argument("--seed", type=int, help="draws the farm and the probes' noise (the scenario's; 1)")
    parser.add_argument("--weather", type=Path, help="hourly CSV, replayed from now on (the scenario's)")
    parser.add_argument("--speed", type=_positive(float), default=1.0, help="field seconds a second (%(default)s)")
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="keep everything here, and go on from it")
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
    overrides = {name: getattr(options, name) for name in ("gateways", "days", "seed", "weather", "farm")}
    scenario = scenarios.load(options.scenario, **overrides)
    if options.write_zones:
        zones = farms.zones_document(scenario.farm, scenario.moved_to(round(time.time())).first_day)
        options.write_zones.write_text(json.dumps(zones, indent=2) + "\n")  # JSON is YAML
        return 0
    farm = scenario.farm.simulated
    if not farm.gateways:
        raise ScenarioError(f"{scenario.path}: all its gateways are processes of their own; start those")
    clock = _clock(options.speed, options.state)
    now = scenario.moved_to(clock.started - clock.started % weathers.HOUR_S)
    settings = {"server_hostname": options.host, "root": farm_ids.root(options.farm)}
    address = (options.host, options.port)
    fleet = Fleet(farm, now.weather, options.certs, *address, clock, _tell, settings, options.state, faults=now.faults)
    await _work(fleet, clock, now.weather.end - weathers.HOUR_S)  # the last samples still find weather
    return 0


def _clock(speed: float, state: Path | None) -> ScaledClock:
    """Field time; with a folder of state it goes on while nobody runs, as time does."""
    if state is None:
        return ScaledClock(speed)
    path = state / "clock.json"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".new").write_text(json.dumps({"started": time.time(), "speed": speed}))
        path.with_suffix(".new").rename(path)
    try:
        document = json.loads(path.read_text())
        started = float(document["started"])
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: not written by this program ({error}); give another folder") from error
    if document["speed"] != speed:
        raise StateError(f"{path}: this fleet runs at --speed {document['speed']}; give that, or another folder")
    return ScaledClock(speed, started)


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
