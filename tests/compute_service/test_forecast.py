"""Forecasts as Open-Meteo gives them, by file and by HTTP, in any of its units; and what is none."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_service.adapters.forecast_source import ForecastError, Forecasts, load, parse
from compute_service.domain.forecast import FRESH_S, Forecast, ForecastHour

NOW = 1_750_000_000  # 2025-06-15 15:06:40 UTC, 12:06:40 in Sao Paulo
NOON = 1_749_999_600  # 12:00 there


def document(**overrides: Any) -> dict[str, Any]:
    """Four hours from noon in Sao Paulo, as the service answers them."""
    return {
        "latitude": -23.5,
        "longitude": -46.6,
        "utc_offset_seconds": -10800,
        "timezone": "America/Sao_Paulo",
        "hourly_units": {
            "time": "iso8601",
            "precipitation": "mm",
            "temperature_2m": "°C",
            "wind_speed_10m": "km/h",
            "et0_fao_evapotranspiration": "mm",
        },
        "hourly": {
            "time": ["2025-06-15T12:00", "2025-06-15T13:00", "2025-06-15T14:00", "2025-06-15T15:00"],
            "precipitation": [9.0, 1.0, 2.0, 4.0],
            "temperature_2m": [21.0, 22.5, 20.0, None],
            "wind_speed_10m": [10.8, 7.2, 3.6, 3.6],
            "et0_fao_evapotranspiration": [0.5, 0.4, 0.3, 0.2],
        },
        **overrides,
    }


def text(**overrides: Any) -> bytes:
    return json.dumps(document(**overrides)).encode()


def test_the_hours_are_the_place_s_own() -> None:
    """Local times become Unix seconds; rain told at 13:00 fell in the hour before; the wind is brought to 2 m."""
    first, *_, last = parse(text(), NOW).hours
    assert tuple(first) == pytest.approx((NOON, 1.0, 21.0, 3.0 * 0.748, 0.4), abs=0.001)
    assert (last.at, last.rain_mm, last.temperature_c) == (NOON + 3 * 3600, None, None)


def test_sums_and_extremes_over_a_time() -> None:
    """Half an hour counts half; a time that is not all told has no sum, but still an extreme."""
    forecast = parse(text(), NOW)
    assert forecast.rain_mm(NOON, NOON + 3 * 3600) == pytest.approx(7.0)
    assert forecast.rain_mm(NOON + 1800, NOON + 5400) == pytest.approx(1.5)
    assert forecast.rain_mm(NOON, NOON + 4 * 3600) is None
    assert forecast.et0_mm(NOON, NOON + 7200) == pytest.approx(0.7)
    assert forecast.lowest_c(NOON, NOON + 86400) == 20.0
    assert forecast.windiest_m_s(NOON, NOON + 60) == pytest.approx(2.24, abs=0.01)
    assert forecast.lowest_c(NOON + 86400, NOON + 90000) is None


@pytest.mark.parametrize("time", ["2025-06-15T12:00", "2025-06-15T12:00-03:00", "2025-06-15T15:00Z", NOON])
def test_a_time_that_says_its_own_offset_needs_no_other(time: str | int) -> None:
    """Noon is noon, whoever wrote it: the document's offset is for the times that have none."""
    assert parse(text(hourly={"time": [time], "rain": [1]}), NOW).hours[0].at == NOON


def test_other_units_mean_the_same_weather() -> None:
    """Inches, Fahrenheit, knots and Unix times give the same hours as millimetres, Celsius, km/h and local times."""
    metric = parse(text(), NOW)
    hourly = document()["hourly"]
    imperial = {
        "time": [NOON + 3600 * index for index in range(4)],
        "precipitation": [mm / 25.4 for mm in hourly["precipitation"]],
        "temperature_2m": [None if c is None else c * 9 / 5 + 32 for c in hourly["temperature_2m"]],
        "wind_speed_10m": [kmh / 3.6 / 0.514444 for kmh in hourly["wind_speed_10m"]],
        "et0_fao_evapotranspiration": [mm / 25.4 for mm in hourly["et0_fao_evapotranspiration"]],
    }
    units = {"precipitation": "inch", "temperature_2m": "°F", "wind_speed_10m": "kn"}
    other = parse(text(hourly=imperial, hourly_units={**units, "et0_fao_evapotranspiration": "inch"}), NOW)
    for ours, theirs in zip(metric.hours, other.hours, strict=True):
        assert ours.at == theirs.at
        for name in ("rain_mm", "temperature_c", "wind_m_s", "et0_mm"):
            assert getattr(theirs, name) == pytest.approx(getattr(ours, name))


def test_what_is_not_told_is_missing() -> None:
    """A forecast of rain alone is a forecast."""
    forecast = parse(text(hourly={"time": ["2025-06-15T12:00", "2025-06-15T13:00"], "precipitation": [0, 3]}), NOW)
    assert forecast.hours[0] == ForecastHour(NOON, rain_mm=3.0)
    assert forecast.windiest_m_s(NOON, NOON + 60) is None


def test_an_old_forecast_says_so() -> None:
    """Fresh for six hours, then not; nor is one that was fetched by a clock that is ahead."""
    forecast = Forecast(NOW, ())
    assert forecast.is_fresh(NOW + FRESH_S)
    assert not forecast.is_fresh(NOW + FRESH_S + 1)
    assert not forecast.is_fresh(NOW - 1)
    assert forecast.age(NOW + 7 * 3600) == "7 h old"


def test_a_file_is_as_old_as_its_last_change(tmp_path: Path) -> None:
    """What another program wrote yesterday is yesterday's forecast, however late it is read."""
    path = tmp_path / "forecast.json"
    path.write_bytes(text())
    os.utime(path, (NOW - 86400, NOW - 86400))
    assert load(str(path), NOW) == parse(text(), NOW - 86400)


@pytest.fixture
def server() -> Iterator[str]:
    """Answers /forecast as the service does, anything else by 404."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.startswith("/forecast")
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(text() if found else b"")

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002  # its name
            pass

    http = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_url_is_fetched_now(server: str) -> None:
    """Over HTTP the forecast is as old as its fetching; an error of the server names the URL."""
    assert load(f"{server}/forecast?hourly=precipitation", NOW) == parse(text(), NOW)
    with pytest.raises(ForecastError, match=r"http://127.0.0.1:\d+/other: cannot be fetched: .*404"):
        load(f"{server}/other", NOW)


@pytest.mark.parametrize("source", ["no/such/file.json", "http://127.0.0.1:9/", "http://[", "http://no host/"])
def test_what_cannot_be_fetched_is_named(source: str) -> None:
    """A file that is not there, a server that is not, a URL that is none."""
    with pytest.raises(ForecastError) as caught:
        load(source, NOW, timeout_s=2)
    assert str(caught.value).startswith(source)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"hourly": 3}',
        b'{"hourly": {"time": ["yesterday"]}}',
        b"\xff\xfe",
        text(hourly={"time": ["2025-06-15T12:00", "2025-06-15T13:00"], "precipitation": [1]}),
        text(hourly={"time": ["2025-06-15T12:00", "2025-06-15T15:00"], "precipitation": [1, 2]}),
        text(hourly_units={"precipitation": "furlong"}),
        text(hourly={"time": ["2025-06-15T12:00"], "precipitation": ["wet"]}),
        text(hourly={"time": ["2025-06-15T12:00"], "precipitation": ["1_0"]}),
        text(hourly={"time": ["2025-06-15T12:00"], "precipitation": "7"}),
    ],
)
def test_what_is_no_forecast_is_refused(broken: bytes) -> None:
    """Half a document, hours that are missing, an unknown unit: refused with the shape that is wanted."""
    with pytest.raises(ForecastError, match=r"is no forecast: .*want"):
        parse(broken, NOW)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["hourly", "time", "hourly_units", "precipitation", "utc_offset_seconds"]), inner
            )
        ),
    )
)
def test_any_document_is_a_forecast_or_refused(anything: Any) -> None:
    """Whatever JSON a URL answers with, nothing but a ForecastError comes out, and no hour holds a NaN."""
    try:
        forecast = parse(json.dumps(anything).encode(), NOW)
    except ForecastError:
        return
    assert all(hour.rain_mm is None or hour.rain_mm == hour.rain_mm for hour in forecast.hours)


def test_the_newest_forecast_is_kept_and_a_failure_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is read once an hour; while it cannot be, the last one stays, and it is tried again after ten minutes."""
    path = tmp_path / "forecast.json"
    forecasts = Forecasts(str(path))
    forecasts.refresh(NOW)
    assert forecasts.newest is None
    assert "No such file" in caplog.text
    path.write_bytes(text())
    forecasts.refresh(NOW + 599)
    assert forecasts.newest is None
    forecasts.refresh(NOW + 600)
    assert forecasts.newest is not None
    path.write_text("{}")
    forecasts.refresh(NOW + 4199)
    assert len(caplog.records) == 1
    forecasts.refresh(NOW + 4200)
    assert len(caplog.records) == 2
    assert len(forecasts.newest.hours) == 4
    nothing = Forecasts(None)
    nothing.refresh(NOW)
    assert nothing.newest is None
