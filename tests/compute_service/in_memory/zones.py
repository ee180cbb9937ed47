"""What is believed of the zones, and what waits to be taken into account, in memory."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from compute_service.domain.decide import Run, ZoneState
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.ports import HOURS_KEPT_S, WEATHER_KEPT_S, News, WaterRow
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import Sample, Water, ZoneModel
from tests.compute_service.in_memory.tables import CommandEntry, SampleKey, Tables, WaterEntry, WeatherKey, real


class ZonesInMemory:
    """A `domain.ports.ZoneMemory`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def save_sample(self, zone_id: str, sample: Sample, key: tuple[int, str], due_at: int | None) -> bool:
        """Keep a sample, and when its zone is due unless that is settled; False if it is known."""
        with self._tables.transactions.transaction():
            is_new = self._tables.samples.add_once(
                SampleKey(sample.sensor_id, sample.at, *key), (zone_id, real(sample.vwc))
            )
            row = self._tables.zone(zone_id)
            if is_new and due_at is not None:
                self._tables.zones.put(zone_id, replace(row, due_at=due_at if row.due_at is None else row.due_at))
            return is_new

    def due(self) -> dict[str, int]:
        """When each zone that waits for a decision is to be decided about (Unix s), by name."""
        return {zone_id: row.due_at for zone_id, row in sorted(self._tables.zones.items()) if row.due_at is not None}

    def forget(self, zone_id: str) -> None:
        """The zone's samples wait for nothing."""
        with self._tables.transactions.transaction():
            if row := self._tables.zones.get(zone_id):
                self._tables.zones.put(zone_id, replace(row, due_at=None))
            for key, (owner, _) in self._tables.samples.items():
                if owner == zone_id:
                    self._tables.samples.remove(key)

    def add_water(self, water: WaterRow) -> bool:
        """Book water of a zone; False if that id is booked already."""
        litres, duration_s, back_s = real(water.litres), float(water.duration_s), float(water.back_s)
        row = replace(water, litres=litres, duration_s=duration_s, back_s=back_s)
        return self._tables.water.add_once(water.water_id, WaterEntry(row))

    def news(self, zone: Zone) -> News:
        """What is new about a zone: water, and of a sensor and time the newest of the samples that have a value."""
        rows = [entry.row for _, entry in self._water_of(zone) if not entry.is_known]
        samples = [(key, vwc) for key, (owner, vwc) in self._tables.samples.items() if owner == zone.zone_id]
        newest = {
            (key.sensor_id, key.measured_at): Sample(key.sensor_id, key.measured_at, vwc)
            for key, vwc in sorted(samples, key=_sample_order)
        }
        rows.sort(key=lambda row: (row.at, row.water_id))
        return News(tuple(Water(row.at, _litres(row, zone)) for row in rows), tuple(newest.values()))

    def zone_state(self, zone: Zone, runs_since: int, today: int, season: int) -> ZoneState:
        """What `decide` wants to know of valves: a command under way, late runs, and litres since both times."""
        commands = [
            (command_id, entry)
            for command_id, entry in self._tables.commands.items()
            if entry.zone_id == zone.zone_id and entry.give_up_at is not None and _action(entry) != "fallback"
            if _action(entry) == "open" or entry.gateway_id == zone.gateway_id
        ]
        litres = [(entry.row.at, _litres(entry.row, zone)) for _, entry in self._water_of(zone)]
        return ZoneState(
            under_way=min((command_id for command_id, _ in commands), default=None),
            runs=(
                *self._settled_runs(zone.zone_id, runs_since),
                *self._unknown_runs(zone.zone_id, runs_since),
                *self._unbooked_runs(zone.zone_id, runs_since),
            ),
            used_today_l=float(sum(amount for at, amount in litres if at >= today)),
            used_season_l=float(sum(amount for at, amount in litres if at >= season)),
        )

    def _settled_runs(self, zone_id: str, since: int) -> list[Run]:
        rows = [row for _, row in self._tables.deliveries.items() if row.zone_id == zone_id and row.ended_at >= since]
        rows.sort(key=lambda row: (row.ended_at, row.command_id))
        return [Run(row.ended_at, row.duration_s) for row in rows if row.duration_s > 0]

    def _unknown_runs(self, zone_id: str, since: int) -> list[Run]:
        rows = sorted(
            (entry.closed_at, command_id, json.loads(entry.text).get("duration_s"))
            for command_id, entry in self._tables.commands.items()
            if entry.zone_id == zone_id and entry.state == "expired" and entry.closed_at is not None
            if _action(entry) == "open"
        )
        return [Run(closed_at, duration_s) for closed_at, _, duration_s in rows if closed_at >= since and duration_s]

    def save_unbooked_run(self, zone_id: str, run: Run) -> None:
        """What the zone's gateway gave without this store knowing."""
        self._tables.unbooked_runs.put(zone_id, Run(run.ended_at, float(run.duration_s)))

    def _unbooked_runs(self, zone_id: str, since: int) -> list[Run]:
        run = self._tables.unbooked_runs.get(zone_id)
        return [run] if run and run.ended_at >= since else []

    def _water_of(self, zone: Zone) -> list[tuple[str, WaterEntry]]:
        return [(key, entry) for key, entry in self._tables.water.items() if entry.row.zone_id == zone.zone_id]

    def model(self, zone: Zone) -> ZoneModel | None:
        """What is believed of a zone, or None."""
        text = self._tables.models.get(zone.zone_id)
        return ZoneModel.from_json(zone.place, json.loads(text)) if text else None

    def save_model(self, zone: Zone, model: ZoneModel, hours: Iterable[HourRecord]) -> None:
        """Keep what is believed of a zone now that it is decided about: all its news is known, and nothing is due."""
        with self._tables.transactions.transaction():
            for record in hours:
                self._save_hour(zone.gateway_id, record)
            self._tables.models.put(zone.zone_id, json.dumps(model.to_json()))
            for water_id, entry in self._tables.water.items():
                if entry.row.zone_id == zone.zone_id and not entry.is_known:
                    self._tables.water.put(water_id, replace(entry, is_known=True))
            self.forget(zone.zone_id)

    def _save_hour(self, gateway_id: str, record: HourRecord) -> None:
        at = record.hour.at
        self._tables.hours.add_once((gateway_id, at), record)
        for hour_key in [key for key, _ in self._tables.hours.items()]:
            if hour_key[0] == gateway_id and hour_key[1] < at - HOURS_KEPT_S:
                self._tables.hours.remove(hour_key)
        for weather_key in [key for key, _ in self._tables.weather.items()]:
            if weather_key.gateway_id == gateway_id and weather_key.measured_at < at - WEATHER_KEPT_S:
                self._tables.weather.remove(weather_key)

    def save_weather(self, gateway_id: str, measured_at: int, key: tuple[int, str], quantities: dict[str, Any]) -> None:
        """Keep a sample of a weather station, once; `key` is seq and boot_id."""
        self._tables.weather.add_once(WeatherKey(gateway_id, measured_at, *key), json.dumps(quantities))

    def weather(self, gateway_id: str, begin: int, end: int) -> list[dict[str, Any]]:
        """A station's samples of a time (`end` is not in it), the oldest first, each with its `measured_at`."""
        return [
            {"measured_at": key.measured_at, **json.loads(text)}
            for key, text in sorted(self._tables.weather.items())
            if key.gateway_id == gateway_id and begin <= key.measured_at < end
        ]

    def hour(self, gateway_id: str, at: int) -> HourRecord | None:
        """An hour of weather that was reckoned before, or None."""
        return self._tables.hours.get((gateway_id, at))


def _action(entry: CommandEntry) -> str:
    return str(json.loads(entry.text)["action"])


def _litres(water: WaterRow, zone: Zone) -> float:
    rate = zone.flow_l_min / 60
    litres = water.duration_s * rate if water.litres is None else water.litres
    return litres - water.back_s * rate


def _sample_order(item: tuple[SampleKey, float | None]) -> tuple[int, str, bool, int, str]:
    key, vwc = item
    return key.measured_at, key.sensor_id, vwc is not None, key.seq, key.boot_id
