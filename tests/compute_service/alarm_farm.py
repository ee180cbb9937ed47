"""A farm whose alarms are tested, and what goes wrong on it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agronomy.units import HOUR_S
from compute_service.domain.alarms import (
    Alarm,
)
from compute_service.domain.constraints import Limits
from compute_service.domain.forecast import Forecast, ForecastHour
from compute_service.settings import Change, Document
from protocol import topics
from tests.compute_service.bench import GATEWAY, NOON, Bench, zone

CLOUDLESS = tuple(ForecastHour(NOON + hour * HOUR_S, 0.0, 20.0, 1.0, 0.2) for hour in range(48))


class Farm(Bench):
    """A bench whose alarms are looked at, and whose disk is the test's."""

    free: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.service._alarms._free_bytes = lambda: self.free

    def hear_status(self, state: str = "online", **fields: Any) -> None:
        message = {"gateway_id": GATEWAY, "boot_id": "boot-1", "state": state, "at": self.now, **fields}
        self.hear(topics.status(GATEWAY), message)

    def hear_error(self, code: str, text: str, **about: Any) -> None:
        report = {"gateway_id": GATEWAY, "boot_id": "boot-1", "at": self.now, "code": code, "text": text, **about}
        self.hear(topics.errors(GATEWAY), report)

    def pass_time(self, seconds: int, every_s: int = 900) -> None:
        """As when all is well: readings of both zones, and a status, every quarter of an hour."""
        for _ in range(seconds // every_s):
            self.tick(every_s)
            for letter in "ab":
                self.hear_reading(letter, vwc=0.27 + self.now % 7 / 1000)
            self.hear_status()
            self.tick(10)

    def kinds(self) -> list[str]:
        return sorted(row.alarm.kind for row in self.store.alarms.open())

    def of_kind(self, kind: str) -> Alarm:
        [alarm] = [row.alarm for row in self.store.alarms.open() if row.alarm.kind == kind]
        return alarm


def begun(store: Any, now: int = NOON, **options: Any) -> Farm:
    farm = Farm(store, options.pop("zones", (zone("a"), zone("b"))), now=now, **options)
    farm.service.start()
    return farm


def reborn(farm: Farm) -> Farm:
    """The service killed and started again, on the same store."""
    return begun(farm.store, farm.now, zones=farm.zones, forecast=farm.forecast)


# each kind: what raises it, and what ends it


def silence(farm: Farm) -> None:
    farm.pass_time(1800)
    farm.tick(4 * HOUR_S)


def no_reading(farm: Farm) -> None:
    farm.pass_time(1800)
    for _ in range(6):
        farm.hear_status()
        farm.hear_reading("b", vwc=0.27)
        farm.tick(900)


def stuck(farm: Farm) -> None:
    """The one probe tells the same for days while the other's soil dries, and rain falls on both."""
    farm.hear_reading("a", vwc=0.25)
    farm.tick(10)
    model = farm.service._zone_models._models["plot-1a"]
    assert model is not None
    probe = replace(model.probes[f"{GATEWAY}.soil-a"], same_since=farm.now - 3 * 86400, repeats=40, low=0.0, high=0.1)
    farm.service._zone_models._models["plot-1a"] = replace(model, probes={f"{GATEWAY}.soil-a": probe})
    farm.hear_reading("a", at=farm.now + 1, vwc=0.25)
    farm.tick(20)


def moves_again(farm: Farm) -> None:
    farm.pass_time(4 * HOUR_S)


def believable_again(farm: Farm) -> None:
    """A probe that fails on and off is one alarm, and not one at each failure."""
    farm.pass_time(12 * HOUR_S)
    assert "probe_dead" in farm.kinds()
    farm.pass_time(13 * HOUR_S)


def dead(farm: Farm) -> None:
    farm.hear_reading("a", vwc=0.25)
    for _ in range(4):
        farm.tick(900)
        farm.hear_reading("a", vwc=0.01)
        farm.tick(10)


def percent(farm: Farm) -> None:
    farm.hear(topics.data(f"{GATEWAY}.soil-a"), _percent_reading(farm.now))
    farm.tick(10)


def _percent_reading(at: int) -> dict[str, Any]:
    sample = {"seq": 1, "measured_at": at, "clock": "synced", "vwc": 27.0}
    fields = {"gateway_id": GATEWAY, "sensor_id": f"{GATEWAY}.soil-a", "zone_id": "plot-1a", "boot_id": "boot-1"}
    return {**fields, "samples": [sample]}


def no_answer(farm: Farm) -> None:
    farm.water()
    farm.tick(500)


def answer(farm: Farm) -> None:
    farm.hear_ack(farm.commands()[0], "done", volume_l=2000.0)
    farm.tick(10)


def open_valve(farm: Farm) -> None:
    farm.hear_ack(farm.water(), "done", volume_l=2000.0)
    farm.tick(300)
    farm.hear_status(open_valves=["plot-1a"])
    farm.tick(1)


def shut_valve(farm: Farm) -> None:
    farm.hear_status(open_valves=[])
    farm.tick(1)


def stop_in_vain(farm: Farm) -> None:
    command: Any = {
        "device_id": GATEWAY,
        "action": "stop_all",
        "issued_at": farm.now,
        "expires_at": farm.now + 300,
        "command_id": "stop-1",
        "zone_id": None,
        "epoch": 1,
    }
    farm.store.commands.add(GATEWAY, command, 2**40)
    farm.tick(400)


def stopped(farm: Farm) -> None:
    farm.store.commands.move("stop-1", "done", "ok", closed_at=farm.now)
    farm.tick(60)


def unseen(farm: Farm) -> None:
    """A run that the ack tells of, and no probe."""
    _run(farm, vwc_after=0.18)


def seen(farm: Farm) -> None:
    farm.tick(6 * HOUR_S)
    _run(farm, vwc_after=0.27)


def _run(farm: Farm, vwc_after: float) -> None:
    farm.hear_ack(farm.water(), "done", volume_l=2000.0, duration_s=600)
    for _ in range(16):
        farm.tick(900)
        farm.hear_reading("a", vwc=vwc_after)
        farm.tick(10)


def leak(farm: Farm) -> None:
    farm.hear_error("flow_while_shut", "plot-1a: 30 l in 900 s", zone_id="plot-1a", volume_l=30.0, duration_s=900)
    farm.tick(1)


def no_leak(farm: Farm) -> None:
    farm.pass_time(8 * HOUR_S)


def latch(farm: Farm) -> None:
    farm.hear_status(latched=["plot-1a"])
    farm.tick(1)


def unlatch(farm: Farm) -> None:
    farm.hear_status(state="offline")  # a last will says nothing of it
    farm.tick(1)
    assert "leak" in farm.kinds()
    farm.hear_status(latched=[])
    farm.tick(1)


def expires_in(days: int) -> Callable[[Farm], None]:
    def tell(farm: Farm) -> None:
        farm.hear_status(certificate_expires_at=farm.now + days * 86400)
        farm.tick(60)

    return tell


def renewed(farm: Farm) -> None:
    expires_in(365)(farm)


def burst(farm: Farm) -> None:
    farm.hear_ack(farm.water(), "done", duration_s=300, volume_l=2000.0)
    farm.tick(1)


def trickle(farm: Farm) -> None:
    farm.hear_ack(farm.water(), "done", duration_s=600, volume_l=300.0)
    farm.tick(1)


def usual_run(farm: Farm) -> None:
    farm.tick(6 * HOUR_S)
    farm.hear_ack(farm.water(), "done", duration_s=600, volume_l=2000.0)
    farm.tick(1)


def used_up(farm: Farm) -> None:
    farm.hear_ack(farm.water("b"), "done", duration_s=600, volume_l=2000.0)
    farm.tick(2 * HOUR_S)
    farm.hear_reading("b", vwc=0.17)
    farm.tick(10)


def more_litres(farm: Farm) -> Farm:
    """The zones file allows more, and the service is started with it."""
    again = begun(farm.store, farm.now)
    for _ in range(6):
        again.tick(900)
        again.hear_reading("b", vwc=0.17)
        again.tick(10)
    return again


def dropped(farm: Farm) -> None:
    farm.hear_status(outbox_dropped=3)
    farm.tick(60)
    farm.hear_status(outbox_dropped=8)
    farm.tick(1)


def unsure(farm: Farm) -> None:
    for _ in range(4):
        farm.hear_reading("a", sample={"clock": "estimated"})
        farm.tick(900)


def sure(farm: Farm) -> None:
    farm.pass_time(3 * HOUR_S)


def of_old_firmware(farm: Farm) -> None:
    for _ in range(7):
        farm.tick(900)
        for letter in "ab":
            farm.hear_reading(letter, vwc=0.27)
        farm.hear(topics.OLD_STATUS, {"gateway_id": GATEWAY, "boot_id": "b", "state": "online", "at": farm.now})
    farm.tick(60)


def of_new_firmware(farm: Farm) -> None:
    farm.hear_status()
    farm.tick(1)


def old_forecast(farm: Farm) -> None:
    farm.forecast = Forecast(NOON, CLOUDLESS)
    farm.pass_time(8 * HOUR_S)


def new_forecast(farm: Farm) -> None:
    farm.forecast = Forecast(farm.now, tuple(hour._replace(at=hour.at + 8 * HOUR_S) for hour in CLOUDLESS))
    farm.tick(60)


def short_forecast(farm: Farm) -> None:
    farm.forecast = Forecast(NOON, CLOUDLESS[:10])
    farm.pass_time(2 * HOUR_S)


def longer_forecast(farm: Farm) -> None:
    new_forecast(farm)
    farm.pass_time(2 * HOUR_S)


def full_disk(farm: Farm) -> None:
    farm.free = 400_000_000
    farm.tick(60)


def roomy_disk(farm: Farm) -> None:
    farm.free = 600_000_000  # not so full any more, and not yet well
    farm.tick(60)
    assert farm.kinds() == ["disk_low"]
    farm.free = 800_000_000
    farm.tick(60)


def mistaken(farm: Farm) -> None:
    farm.service.take_settings(Change(Document(Path("zones.yaml"), "zones: ["), None, ("zones.yaml:1: no YAML",)))
    farm.tick(1)


def mended(farm: Farm) -> None:
    farm.service.take_settings(Change(Document(Path("zones.yaml"), "farm: one"), farm.config))
    farm.tick(1)


def heard_again(farm: Farm) -> None:
    farm.pass_time(1800)


STORIES: dict[str, tuple[Callable[[Farm], None], Callable[[Farm], Farm | None], str]] = {
    "gateway_silent": (silence, heard_again, GATEWAY),
    "reading_stale": (no_reading, heard_again, "plot-1a"),
    "probe_stuck": (stuck, moves_again, f"{GATEWAY}.soil-a"),
    "probe_dead": (dead, believable_again, f"{GATEWAY}.soil-a"),
    "probe_percent": (percent, moves_again, f"{GATEWAY}.soil-a"),
    "command_expired": (no_answer, answer, "plot-1a"),
    "valve_open": (open_valve, shut_valve, "plot-1a"),
    "stop_unanswered": (stop_in_vain, stopped, "stop-1"),
    "run_unseen": (unseen, seen, "plot-1a"),
    "water_while_shut": (leak, no_leak, "plot-1a"),
    "leak": (latch, unlatch, GATEWAY),
    "flow_high": (burst, usual_run, "plot-1a"),
    "flow_low": (trickle, usual_run, "plot-1a"),
    "budget_used_up": (used_up, more_litres, "plot-1b"),
    "outbox_drops": (dropped, no_leak, GATEWAY),
    "clock_unsure": (unsure, sure, GATEWAY),
    "firmware_too_old": (of_old_firmware, of_new_firmware, GATEWAY),
    "identity_expires": (expires_in(60), renewed, GATEWAY),
    "identity_ends": (expires_in(7), renewed, GATEWAY),
    "forecast_stale": (old_forecast, new_forecast, "farm"),
    "forecast_useless": (short_forecast, longer_forecast, "farm"),
    "settings_mistaken": (mistaken, mended, "zones-3aa217a2"),
    "disk_low": (full_disk, roomy_disk, "farm"),
}
# These rest on a verdict like the others of their probes; what makes it is tested with the probes.
BY_VERDICT = {"probe_drifting", "probe_silent"}
ZONES = (zone("a", cooldown_s=6 * HOUR_S), zone("b", limits=Limits(daily_l=2000.0)))
