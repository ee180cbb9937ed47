"""What gateways measured: moisture goes to its zone, weather to its gateway, water through a shut valve into the book.

Each handler checks everything before it changes anything, inside the caller's transaction.
"""

from typing import TYPE_CHECKING

from compute_service import untrusted_reports
from compute_service.alarms import AlarmWatch
from compute_service.domain.decide import FUTURE_S
from compute_service.domain.ports import Store
from compute_service.domain.zone import Config, Zone
from compute_service.domain.zone_model import Sample
from compute_service.farm_weather import FarmWeather
from compute_service.zone_models import ZoneModels
from protocol.errors import ProtocolError

if TYPE_CHECKING:
    from protocol.messages import Reading
    from protocol.messages import Sample as SampleMessage

DECIDE_AFTER_S = 10  # from a reading's arrival, so that all readings of the same moment are in


class Readings:
    """Takes in the readings of a farm."""

    def __init__(
        self, config: Config, store: Store, zone_models: ZoneModels, weather: FarmWeather, alarms: AlarmWatch
    ) -> None:
        self._store, self._zone_models, self._weather, self._alarms = store, zone_models, weather, alarms
        self._zones = {zone.zone_id: zone for zone in config.zones}
        self._zone_of_sensor = {sensor_id: zone for zone in config.zones for sensor_id in zone.sensor_ids}

    def hear(self, message: "Reading", now: int) -> str:
        """Take in a reading of a gateway of the farm; gives why not, or nothing."""
        zone = self._zone_of_sensor.get(message["sensor_id"])
        if zone is None and self._is_beside(message):
            self._hear_station(message, now)
            return ""
        if zone is None or message.get("zone_id") not in (None, zone.zone_id):
            return f"is not the configured probe of {message.get('zone_id')}"
        for sample in message["samples"]:
            is_sure = sample["clock"] == "synced" and sample["measured_at"] <= now + FUTURE_S
            self._alarms.hear_clock(message["gateway_id"], is_sure, now)
            if self._is_usable(sample, now):
                if sample.get("vwc") is None:
                    self._store.updates.count("samples_without_vwc")  # the probe's verdict will tell of it
                moisture = Sample(message["sensor_id"], sample["measured_at"], untrusted_reports.moisture(sample))
                self._keep_sample(zone, moisture, (sample["seq"], message["boot_id"]), now + DECIDE_AFTER_S)
        return ""

    def _is_beside(self, message: "Reading") -> bool:
        """Is it of no zone, or of a zone's flow meter or thermometer? Moisture of an unknown probe is neither."""
        zone = self._zones.get(message.get("zone_id") or "")
        of_its_own = zone is not None and message["gateway_id"] in {zone.gateway_id, *zone.measured_by}
        return message.get("zone_id") is None or (of_its_own and not any("vwc" in one for one in message["samples"]))

    def _hear_station(self, message: "Reading", now: int) -> None:
        """A weather station serves the whole gateway, and decides nothing by itself."""
        is_weather = False
        for sample in message["samples"]:
            quantities = untrusted_reports.weather(sample)
            if sample.get("leak_s") is not None and self._is_usable(sample, now):
                self._hear_leak(message, sample, now)
            elif quantities and self._is_usable(sample, now):
                key = (sample["seq"], message["boot_id"])
                is_weather |= self._weather.hear(message["gateway_id"], sample["measured_at"], key, quantities)
        self._store.updates.count("weather_readings" if is_weather else "readings_without_zone")

    def _hear_leak(self, message: "Reading", sample: "SampleMessage", now: int) -> None:
        """Water that ran through a valve which should be shut is in the soil all the same."""
        zone = self._zones.get(message.get("zone_id") or "")
        if zone is None or zone.gateway_id != message["gateway_id"]:  # whose valve it is
            return
        if water := untrusted_reports.unasked_water(zone, message["boot_id"], sample):
            self._store.zones.add_water(water)
            self._alarms.hear_leak(zone.zone_id, sample.get("volume_l") or 0.0, now)

    def _is_usable(self, sample: "SampleMessage", now: int) -> bool:
        flaws = {
            "samples_of_unsure_time": sample["clock"] != "synced",
            "samples_from_the_future": sample["measured_at"] > now + FUTURE_S,
        }
        flaw = next((name for name, is_so in flaws.items() if is_so), None)
        if flaw:
            self._store.updates.count(flaw)
        return flaw is None

    def _keep_sample(self, zone: Zone, sample: Sample, key: tuple[int, str], due_at: int | None) -> None:
        """Keep what the zone's model has not heard; neither repeats nor the order of arrival change what is kept."""
        is_new = sample.at > self._zone_models.heard_at(zone.zone_id, sample.sensor_id)
        if not (is_new and self._store.zones.save_sample(zone.zone_id, sample, key, due_at)):
            self._store.updates.count("readings_not_newer")

    def hear_percent(self, topic: str, payload: bytes, error: ProtocolError, now: int) -> None:
        """A reading that is refused for a value above 1 still says what is wrong with its probe."""
        sensor_id, sample = untrusted_reports.in_percent(topic, payload, error)
        zone = self._zone_of_sensor.get(sensor_id)
        if zone and sample and self._is_usable(sample, now):
            moisture = Sample(sensor_id, sample["measured_at"], sample.get("vwc"))
            self._keep_sample(zone, moisture, (sample["seq"], untrusted_reports.NO_BOOT), now + DECIDE_AFTER_S)
