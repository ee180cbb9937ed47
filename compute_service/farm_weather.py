"""The weather of a farm's gateways, by the hour and as it is now, from what their stations reported.

An hour that is reckoned anew is not written here: it is handed out, to be kept with the decision that needed it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from agronomy.units import DAY_S, HOUR_S
from compute_service.domain import hourly_weather
from compute_service.domain.conditions import Samples, conditions
from compute_service.domain.forecast import Forecast
from compute_service.domain.hourly_weather import GatewayWeather, HourRecord
from compute_service.domain.ports import ZoneMemory
from compute_service.domain.zone import Config
from protocol import physics

MOST_HOURS_S = 30 * DAY_S  # a longer absence is not made good hour by hour


class FarmWeather:
    """The weather at each gateway. `forecast` gives the newest there is, `count` takes the name of what happened."""

    def __init__(
        self,
        config: Config,
        memory: ZoneMemory,
        forecast: Callable[[], Forecast | None],
        count: Callable[[str], None] = lambda _name: None,
        refuse: Callable[[str, str, str], None] = lambda _thing, _what, _why: None,
    ) -> None:
        self._site, self._stations = config.site, config.weather_stations
        self._memory, self._forecast, self._count, self._refuse = memory, forecast, count, refuse

    def hear(self, gateway_id: str, at: int, key: tuple[int, str], quantities: dict[str, Any]) -> bool:
        """Keep a station's sample; False if the rain of its hour or day is then more than ever fell, and it is not."""
        rain_mm = quantities.get("rain_mm") or 0.0
        for name, span_s in (("hour_rain_mm", HOUR_S), ("day_rain_mm", DAY_S)) if rain_mm else ():
            others = self._memory.weather(gateway_id, at - span_s + 1, at + span_s)
            sums = [
                rain_mm + _rain_mm(others, begin, begin + span_s, at, quantities) for begin in (at - span_s + 1, at)
            ]
            why = physics.why_not(name, max(sums))
            if why:
                self._count("weather_samples_refused")
                self._refuse(gateway_id, "rain", f"{max(sums):.0f} mm {why}")
                return False
        self._memory.save_weather(gateway_id, at, key, quantities)
        return True

    def _known(self, gateway_id: str, at: int) -> HourRecord | None:
        """An hour that was reckoned before, if it is one that can be."""
        record = self._memory.hour(gateway_id, at)
        return record if record and hourly_weather.can_be(record.hour) else None

    def until(self, now: int, begins: Mapping[str, int]) -> dict[str, GatewayWeather]:
        """The weather at each gateway from a time to `now`; an hour is reckoned once for all zones of the gateway."""
        return {gateway_id: self._at(gateway_id, begin, now) for gateway_id, begin in begins.items()}

    def _at(self, gateway_id: str, begin: int, now: int) -> GatewayWeather:
        end, forecast = now // HOUR_S * HOUR_S, self._forecast()
        hours: dict[int, HourRecord] = {}
        for at in range(max(begin, end - MOST_HOURS_S), end, HOUR_S):
            hours[at] = self._known(gateway_id, at) or self._reckon(gateway_id, at, hours, forecast)
        samples = self._station(gateway_id, now - HOUR_S + 1, now + 1)
        return GatewayWeather(hours, conditions(samples, now), forecast)

    def _reckon(self, gateway_id: str, at: int, hours: dict[int, HourRecord], forecast: Forecast | None) -> HourRecord:
        def earlier(by_s: int) -> HourRecord | None:
            return hours.get(at - by_s) or self._known(gateway_id, at - by_s)

        before, yesterday = earlier(HOUR_S), earlier(DAY_S)
        samples = self._station(gateway_id, at + HOUR_S - DAY_S, at + HOUR_S, at)
        sun_ratio = before.sun_ratio if before else None
        usual = yesterday.hour if yesterday else None
        return hourly_weather.reckon(self._site, at, samples, sun_ratio, usual, forecast)

    def _station(self, gateway_id: str, begin: int, end: int, silent_since: int | None = None) -> list[dict[str, Any]]:
        """The samples of the gateway's own station, or where it is silent since then of the first that is not.

        Of others only the stations that the grower named count: else any gateway could stop the whole farm with a rain
        of its own.
        """
        since = begin if silent_since is None else silent_since
        samples = self._memory.weather(gateway_id, begin, end)
        for name in (gateway_id, *self._stations):
            of_station = samples if name == gateway_id else self._memory.weather(name, begin, end)
            if of_station and of_station[-1]["measured_at"] >= since:
                return of_station
        return samples


def _rain_mm(samples: Samples, begin: int, end: int, at: int, own: Mapping[str, Any]) -> float:
    """The rain of other samples in a time; one that says the same at the same time is this one, told again."""
    rains = (
        sample.get("rain_mm") or 0.0
        for sample in samples
        if begin <= sample["measured_at"] < end and sample != {"measured_at": at, **own}
    )
    return sum(rains)
