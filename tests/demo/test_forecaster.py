"""The demonstration's forecast: a file that grows old in field time, and is written again every six hours."""

from pathlib import Path

from compute_service.adapters.forecast_source import load
from compute_service.domain.forecast import Forecast
from demo.forecaster import Forecaster
from gateway_sim import scenario as scenarios

HOUR_S = 3600


def newest(forecaster: Forecaster, now: int) -> Forecast:
    found = forecaster.newest(now)
    assert found is not None
    return found


def test_a_forecast_is_never_older_than_six_hours(tmp_path: Path) -> None:
    """By the clock of the field; one that is still the newest is not written again."""
    scenario = scenarios.load("mixed-soils", days=2)
    start, path = scenario.weather.start, tmp_path / "forecast.json"
    forecaster = Forecaster(scenario, path)
    times = [start + hour * HOUR_S + 10 for hour in range(47)]
    ages = [now - newest(forecaster, now).fetched_at for now in times]
    assert ages[:7] == [hour * HOUR_S + 10 for hour in (0, 1, 2, 3, 4, 5, 0)]
    assert max(ages) < 6 * HOUR_S
    last = newest(forecaster, times[-1])
    assert last == load(str(path), times[-1])
    assert newest(Forecaster(scenario, path), times[-1]) == last, "a process that was killed hears the same"


def test_past_the_season_the_last_one_grows_old(tmp_path: Path) -> None:
    """Nothing is known of what no record has."""
    scenario = scenarios.load("mixed-soils", days=1)
    forecaster = Forecaster(scenario, tmp_path / "forecast.json")
    assert forecaster.newest(scenario.weather.end + HOUR_S) is None
    told = newest(forecaster, scenario.weather.end - HOUR_S)
    assert newest(forecaster, scenario.weather.end + HOUR_S) is told
    assert not told.is_fresh(scenario.weather.end + HOUR_S)
