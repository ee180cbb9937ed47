"""Hourly weather: what the file says, and what is wrong with it, said aloud."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway_sim import weather as weathers
from gateway_sim.errors import WeatherError
from tests.gateway_sim.conftest import HEADER, weather_file, weather_rows


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_the_excerpt_is_what_its_readme_says() -> None:
    """84 days from local midnight of 9 June 2020, with one temperature missing and nothing else of what is needed."""
    weather = weathers.load()
    assert weather.start == utc("2020-06-09 04:00")
    assert len(weather.hours) == 84 * 24
    assert (weather.repeated_hours, weather.gaps) == (0, [])
    assert weather.missing_values == {"air_temperature_c": 1}
    assert weather.at(weather.start)["relative_humidity_pct"] is None


def test_values_are_converted_to_the_units_of_their_names(tmp_path: Path) -> None:
    """Wind arrives in km/h and leaves in m/s."""
    weather = weathers.load(weather_file(tmp_path, weather_rows("2020-07-01", 24)))
    noon = weather.at(weather.start + 12 * 3600 + 1800)
    assert noon == {
        "air_temperature_c": 21.0,
        "relative_humidity_pct": 60.0,
        "wind_speed_m_s": pytest.approx(2.0),
        "solar_radiation_w_m2": 700.0,
        "rain_mm": 0.0,
    }


def test_rain_between_two_times(tmp_path: Path) -> None:
    """Rain falls evenly within each hour, and none is counted twice."""
    weather = weathers.load(weather_file(tmp_path, weather_rows("2020-07-01", 24, rain_mm=2.0)))
    assert weather.rain_mm(weather.start + 1800, weather.start + 9000) == pytest.approx(4.0)
    quarters = range(weather.start, weather.end, 900)
    assert sum(weather.rain_mm(at, at + 900) for at in quarters) == pytest.approx(48.0)


def test_the_first_of_repeated_hours_wins_and_is_counted(tmp_path: Path) -> None:
    """As in the original file, 1:00 stands four times in the night when clocks go back, and an hour is missing."""
    rows = weather_rows("2018-11-04", 6)
    repeated = [rows[1].replace("18.25", f"{number}.0") for number in (1, 2, 3)]
    weather = weathers.load(weather_file(tmp_path, rows[:2] + repeated + rows[2:]))
    assert weather.repeated_hours == 3
    assert weather.gaps == [(utc("2018-11-04 06:00"), 1)]
    assert weather.value("air_temperature_c", utc("2018-11-04 05:00")) == 18.25
    assert len(weather.hours) == 7


def test_clocks_going_forward_leave_no_gap(tmp_path: Path) -> None:
    """The hour that does not exist on the wall does not exist in the field."""
    rows = weather_rows("2019-03-10", 6)
    weather = weathers.load(weather_file(tmp_path, rows[:2] + rows[3:]))
    assert (weather.gaps, len(weather.hours)) == ([], 5)


def test_a_short_gap_is_bridged_and_kept_as_a_fact(tmp_path: Path) -> None:
    """Three missing hours repeat the one before, without its rain, and are told."""
    rows = weather_rows("2020-07-01", 24, rain_mm=1.0)
    weather = weathers.load(weather_file(tmp_path, rows[:10] + rows[13:]))
    assert weather.gaps == [(weather.start + 10 * 3600, 3)]
    assert weather.at(weather.start + 12 * 3600)["air_temperature_c"] == weather.hours[9]["air_temperature_c"]
    assert sum(hour["rain_mm"] or 0.0 for hour in weather.hours) == 21.0


def test_a_long_gap_beyond_the_span_does_not_matter(tmp_path: Path) -> None:
    """Only the days that are asked for must be whole."""
    path = weather_file(tmp_path, weather_rows("2020-02-18", 48) + weather_rows("2020-03-10", 48))
    assert len(weathers.load(path, days=2).hours) == 48
    with pytest.raises(WeatherError, match="missing for more than 3 h"):
        weathers.load(path)


ROWS = weather_rows("2020-07-01", 48)


@pytest.mark.parametrize(
    ("rows", "header", "days", "words"),
    [
        (ROWS[:10] + ROWS[14:], HEADER, None, "missing for more than 3 h"),
        ([row.replace(",7.2,", ",NA,") for row in ROWS], HEADER, None, "wind_speed_m_s is missing"),
        (ROWS, HEADER.replace("Precipitation (mm)", "Rain"), None, "no column 'Precipitation"),
        (ROWS, HEADER.replace("(degC),Dew", "(degF),Dew"), None, "wrong unit"),
        ([row.replace("18.0", "64.4") for row in ROWS], HEADER, None, "line 2.*wrong unit"),
        ([row.replace("18.0", "warm") for row in ROWS], HEADER, None, "want a number"),
        ([row.replace("2020-07-01 3:00", "1 July") for row in ROWS], HEADER, None, "line 5.*not a time"),
        ([row.replace("3:00", "3:30") for row in ROWS], HEADER, None, "not a full hour"),
        (ROWS, HEADER, 3, "2.0 days of weather, 3 were asked for"),
        ([], HEADER, None, "no rows"),
    ],
)
def test_a_bad_file_gets_one_clear_sentence(
    tmp_path: Path, rows: list[str], header: str, days: int | None, words: str
) -> None:
    """The file, the place and the mistake are named."""
    with pytest.raises(WeatherError, match=words) as caught:
        weathers.load(weather_file(tmp_path, rows, header), days)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(WeatherError, match=r"nowhere\.csv"):
        weathers.load(tmp_path / "nowhere.csv")


def test_no_weather_outside_the_file(tmp_path: Path) -> None:
    """Nothing is made up before the first or after the last hour."""
    weather = weathers.load(weather_file(tmp_path, weather_rows("2020-07-01", 24)))
    for at in (weather.start - 1, weather.end + 1):
        with pytest.raises(WeatherError, match="the file covers"):
            weather.at(at)
