"""What is believed of the zones, and what waits to be taken into account."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from compute_service.adapters.sqlite.database import Database
from compute_service.domain.decide import Run, ZoneState
from compute_service.domain.hourly_weather import HourRecord
from compute_service.domain.ports import HOURS_KEPT_S, WEATHER_KEPT_S, News, WaterRow
from compute_service.domain.zone import Zone
from compute_service.domain.zone_model import Sample, Water, WeatherHour, ZoneModel

_LITRES = "coalesce(litres, duration_s * :rate) - back_s * :rate"  # of a row of `water`, at the zone's rate


class ZoneTables:
    """A `domain.ports.ZoneMemory` over the tables zones, samples, water, models, weather and hours."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_sample(self, zone_id: str, sample: Sample, key: tuple[int, str], due_at: int | None) -> bool:
        """Keep a sample for its zone's next decision, and when that is due unless it is settled; False if it is known.

        `key` is the rest of its identity: seq and boot_id.
        """
        with self._database.transaction():
            is_new = self._database.run(
                "INSERT OR IGNORE INTO samples (sensor_id, measured_at, seq, boot_id, zone_id, vwc)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                *(sample.sensor_id, sample.at, *key, zone_id, sample.vwc),
            )
            if is_new and due_at is not None:
                self._database.run(
                    "INSERT INTO zones (zone_id, due_at) VALUES (?, ?)"
                    " ON CONFLICT DO UPDATE SET due_at = coalesce(due_at, excluded.due_at)",
                    *(zone_id, due_at),
                )
        return bool(is_new)

    def due(self) -> dict[str, int]:
        """When each zone that waits for a decision is to be decided about (Unix s), by name."""
        return dict(self._database.all("SELECT zone_id, due_at FROM zones WHERE due_at IS NOT NULL ORDER BY zone_id"))

    def forget(self, zone_id: str) -> None:
        """The zone is none any more, so its samples wait for nothing. Water and model stay, should it come back."""
        with self._database.transaction():
            self._database.run("UPDATE zones SET due_at = NULL WHERE zone_id = ?", zone_id)
            self._database.run("DELETE FROM samples WHERE zone_id = ?", zone_id)

    def add_water(self, water: WaterRow) -> bool:
        """Book water of a zone; False if that id is booked already."""
        is_new = self._database.run(
            "INSERT OR IGNORE INTO water (water_id, zone_id, at, litres, duration_s, back_s, source, taken)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            *(water.water_id, water.zone_id, water.at, water.litres, water.duration_s, water.back_s, water.source),
        )
        return bool(is_new)

    def news(self, zone: Zone) -> News:
        """What is new about a zone: water, and of a sensor and time the newest of the samples that have a value."""
        water = self._database.all(
            f"SELECT at, {_LITRES} FROM water WHERE taken = 0 AND zone_id = :zone_id ORDER BY at, water_id",  # noqa: S608 - our own words
            **_of(zone),
        )
        samples = self._database.all(
            "SELECT sensor_id, measured_at, vwc FROM samples WHERE zone_id = ?"
            " ORDER BY measured_at, sensor_id, vwc IS NOT NULL, seq, boot_id",
            zone.zone_id,
        )
        newest = {(sensor_id, at): Sample(sensor_id, at, vwc) for sensor_id, at, vwc in samples}
        return News(tuple(Water(at, litres) for at, litres in water), tuple(newest.values()))

    def zone_state(self, zone: Zone, runs_since: int, today: int, season: int) -> ZoneState:
        """What `decide` wants to know of valves: a command under way, late runs, and litres since both times."""
        under_way = self._database.one(
            "SELECT min(command_id) FROM commands WHERE zone_id = ? AND give_up_at IS NOT NULL"
            # A plan that is on its way holds nothing up, nor does a close for the board that had the zone before.
            " AND json_extract(message, '$.action') <> 'fallback'"
            " AND (json_extract(message, '$.action') = 'open' OR gateway_id = ?)",
            *(zone.zone_id, zone.gateway_id),
        )
        return ZoneState(
            under_way=under_way[0] if under_way else None,
            runs=tuple(self._runs(zone.zone_id, runs_since)),
            used_today_l=self._litres_since(zone, today),
            used_season_l=self._litres_since(zone, season),
        )

    def save_unbooked_run(self, zone_id: str, run: Run) -> None:
        """What the zone's gateway gave without this store knowing; `zone_state` has it among the runs, the last one."""
        statement = "INSERT OR REPLACE INTO unbooked_runs (zone_id, ended_at, duration_s) VALUES (?, ?, ?)"
        self._database.run(statement, zone_id, *run)

    def _litres_since(self, zone: Zone, since: int) -> float:
        query = f"SELECT total({_LITRES}) FROM water WHERE zone_id = :zone_id AND at >= :since"  # noqa: S608 - our own words
        row = self._database.one(query, **_of(zone), since=since)
        return float(row[0]) if row else 0.0

    def _runs(self, zone_id: str, since: int) -> Iterator[Run]:
        settled = (
            "SELECT ended_at, duration_s FROM deliveries WHERE zone_id = ? AND ended_at >= ? AND duration_s > 0"
            " ORDER BY ended_at, command_id"
        )
        for ended_at, duration_s in self._database.all(settled, zone_id, since):
            yield Run(ended_at, duration_s)
        # No ack ever told how these ended, so the water is counted as given: never more than the cap, never too soon.
        unknown = (
            "SELECT closed_at, message FROM commands WHERE zone_id = ? AND closed_at >= ? AND state = 'expired'"
            " ORDER BY closed_at, command_id"
        )
        for closed_at, message in self._database.all(unknown, zone_id, since):
            command = json.loads(message)
            if command["action"] == "open" and command.get("duration_s"):  # else it opened nothing
                yield Run(closed_at, command["duration_s"])
        unbooked = "SELECT ended_at, duration_s FROM unbooked_runs WHERE zone_id = ? AND ended_at >= ?"
        for ended_at, duration_s in self._database.all(unbooked, zone_id, since):
            yield Run(ended_at, duration_s)

    def model(self, zone: Zone) -> ZoneModel | None:
        """What is believed of a zone, or None."""
        row = self._database.one("SELECT model FROM models WHERE zone_id = ?", zone.zone_id)
        return ZoneModel.from_json(zone.place, json.loads(row[0])) if row else None

    def save_model(self, zone: Zone, model: ZoneModel, hours: Iterable[HourRecord]) -> None:
        """Keep what is believed of a zone now that it is decided about: all its news is known, and nothing is due."""
        with self._database.transaction():
            for record in hours:
                self._save_hour(zone.gateway_id, record)
            text = json.dumps(model.to_json())
            self._database.run("INSERT OR REPLACE INTO models (zone_id, model) VALUES (?, ?)", zone.zone_id, text)
            self._database.run("UPDATE water SET taken = 1 WHERE taken = 0 AND zone_id = ?", zone.zone_id)
            self.forget(zone.zone_id)

    def _save_hour(self, gateway_id: str, record: HourRecord) -> None:
        at = record.hour.at
        self._database.run(
            "INSERT OR IGNORE INTO hours (gateway_id, at, et0_mm, rain_mm, source, sun_ratio)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(gateway_id, *record.hour, record.sun_ratio),
        )
        self._database.run("DELETE FROM hours WHERE gateway_id = ? AND at < ?", gateway_id, at - HOURS_KEPT_S)
        since = at - WEATHER_KEPT_S
        self._database.run("DELETE FROM weather WHERE gateway_id = ? AND measured_at < ?", gateway_id, since)

    def save_weather(self, gateway_id: str, measured_at: int, key: tuple[int, str], quantities: dict[str, Any]) -> None:
        """Keep a sample of a weather station, once; `key` is seq and boot_id."""
        self._database.run(
            "INSERT OR IGNORE INTO weather (gateway_id, measured_at, seq, boot_id, quantities) VALUES (?, ?, ?, ?, ?)",
            *(gateway_id, measured_at, *key, json.dumps(quantities)),
        )

    def weather(self, gateway_id: str, begin: int, end: int) -> list[dict[str, Any]]:
        """A station's samples of a time (`end` is not in it), the oldest first, each with its `measured_at`."""
        rows = self._database.all(
            "SELECT measured_at, quantities FROM weather WHERE gateway_id = ? AND measured_at >= ? AND measured_at < ?"
            " ORDER BY measured_at, seq, boot_id",
            *(gateway_id, begin, end),
        )
        return [{"measured_at": at, **json.loads(quantities)} for at, quantities in rows]

    def hour(self, gateway_id: str, at: int) -> HourRecord | None:
        """An hour of weather that was reckoned before, or None."""
        row = self._database.one(
            "SELECT at, et0_mm, rain_mm, source, sun_ratio FROM hours WHERE gateway_id = ? AND at = ?", gateway_id, at
        )
        return HourRecord(WeatherHour(*row[:4]), row[4]) if row else None


def _of(zone: Zone) -> dict[str, Any]:
    """What `_LITRES` and its queries want: the zone, and its nominal litres a second."""
    return {"zone_id": zone.zone_id, "rate": zone.flow_l_min / 60}
