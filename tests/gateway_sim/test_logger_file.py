"""Loggers' tables into samples: every row and every value ends in one count, and nothing is invented."""

import time
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_sim import logger_report
from tests.gateway_sim.logger_bench import (
    LONG,
    LONG_HEADER,
    MAPS,
    TORONTO,
    WIDE,
    Logger,
    aside,
    moisture,
    samples,
    told,
)

# Layouts.


def test_a_long_table_shares_samples(logger: Logger) -> None:
    """Moisture and temperature of one probe and day are one sample; a missing value is null; null alone is none."""
    rows = [
        "2020-06-01,E1,First Sensor,Moisture,15.5879732,%,7.5 cm",
        "2020-06-02,E1,First Sensor,Moisture,,%,7.5 cm",
        "2020-06-03,E1,First Sensor,Moisture,NaN,%,7.5 cm",
        "2020-06-01,E1,First Sensor,Temperature,68,deg F,7.5 cm",
        "2020-06-02,E1,First Sensor,Temperature,12.5,deg C,7.5 cm",
        "2020-06-01,E2,Second Sensor,Moisture,20,%,7.5 cm",
        "2020-06-01,E2,Second Sensor,Salt,3,dS/m,7.5 cm",
    ]
    recording = logger.read(LONG, LONG_HEADER, *rows)
    assert samples(recording) == [
        ("06-01 04:00", {"vwc": 0.155879732, "soil_temperature_c": 20.0}),
        ("06-02 04:00", {"vwc": None, "soil_temperature_c": 12.5}),
    ]
    assert samples(recording, "gateway-2.soil-2") == [("06-01 04:00", {"vwc": 0.2})]
    assert {sensor.zone_id for sensor in recording.samples} == {"plot-1", "plot-2"}
    document = logger_report.report(recording)
    assert document["rows"] == {"read": 7, "used": 4, "aside": 0, "repeated": 0, "missing": 2, "ignored": 1}
    assert document["values"]["missing"] == {"all": 2, "vwc": 2}
    assert document["values"]["kept"] == {"all": 4, "vwc": 2, "soil_temperature_c": 2}


def test_a_wide_table_has_several_probes(logger: Logger) -> None:
    """Each column has its own sensor, unit and zone; a bad value leaves alone, and its row's others stay."""
    columns = """
columns:
  moisture: {quantity: vwc, unit: "%"}
  deep: {quantity: vwc, unit: m3/m3, sensor: soil-2}
  wind: {quantity: wind_speed_m_s, unit: km/h, sensor: weather, zone: field}
  rain: {quantity: rain_mm, unit: inches, sensor: weather, zone: field}
"""
    text = WIDE[: WIDE.index("columns: {moisture")] + columns
    recording = logger.read(
        text, "time,moisture,deep,wind,rain", "2020-06-01 00:00,25,0.31,36,0.5", "2020-06-01 01:00,NA,31,x,-9999.0"
    )
    assert samples(recording) == [("06-01 04:00", {"vwc": 0.25})]
    assert samples(recording, "gateway-1.soil-2") == [("06-01 04:00", {"vwc": 0.31})]
    assert samples(recording, "gateway-1.weather") == [("06-01 04:00", {"wind_speed_m_s": 10.0, "rain_mm": 12.7})]
    assert aside(recording) == [(3, "out of range"), (3, "bad number")]
    assert "wrong unit" in recording.ledger.aside[0].reason
    assert logger_report.report(recording)["values"]["missing"]["all"] == 2


def test_a_file_is_read_as_its_map_lays_it_out(logger: Logger) -> None:
    """Decimal comma, another encoding, lines before and after the header, time in two columns, newest row first."""
    text = """
layout: wide
file: {decimal: ",", encoding: cp1252, header: 2, skip_after_header: 1, newest_first: true}
time: {columns: [Tag, Zeit], format: "%d.%m.%Y %H:%M:%S", timezone: Europe/Berlin, clock: estimated}
sensor: {gateway: gateway-1, sensor: soil-1}
columns: {Boden °C: {quantity: soil_temperature_c, unit: "°C"}}
"""
    rows = ["Station 7", "Tag;Zeit;Boden °C", "TT;hh;Grad", "02.06.2020;08:00:00;21,5", "01.06.2020;08:00:00;20,25"]
    recording = logger.read(text, *rows, encoding="cp1252")
    values = [("06-01 06:00", {"soil_temperature_c": 20.25}), ("06-02 06:00", {"soil_temperature_c": 21.5})]
    assert samples(recording) == values
    assert told(recording)["out_of_order"]["rows"] == 0
    thousand = logger.read(text, *rows, "01.06.2020;09:00:00;1.020,5", encoding="cp1252")
    assert aside(thousand) == [(6, "bad number")]


@pytest.mark.parametrize(("rule", "text"), [("epoch_s", "1590984000.9"), ("epoch_ms", "1590984000900")])
def test_epoch_times_are_seconds_or_milliseconds(logger: Logger, rule: str, text: str) -> None:
    """Seconds since 1970 need no time zone."""
    time_rule = f"time: {{columns: [time], format: {rule}}}"
    recording = logger.read(WIDE.replace(WIDE.splitlines()[2], time_rule), "time,moisture", f"{text},25", "soon,26")
    assert samples(recording) == [("06-01 04:00", {"vwc": 0.25})]
    assert aside(recording) == [(3, "bad time")]


def test_a_header_within_the_file_is_no_row(logger: Logger) -> None:
    """Files that were put together repeat their header."""
    recording = logger.read(WIDE, "time,moisture", "2020-06-01 00:00,25", "time,moisture", "2020-06-01 01:00,26", "")
    assert moisture(recording) == [0.25, 0.26]
    assert recording.ledger.rows()["ignored"] == 1


# Time.


def test_a_repeated_local_hour_is_told_apart_by_order(logger: Logger) -> None:
    """On 2020-11-01 in Toronto 01:00 to 02:00 passes twice; no row is a repeat, none is out of order, and no gap is."""
    clocks = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"]
    recording = logger.read(WIDE, "time,moisture", *(f"2020-11-01 {clock},{20 + n}" for n, clock in enumerate(clocks)))
    assert [at for at, _ in samples(recording)] == [f"11-01 0{4 + n // 2}:{n % 2 * 30:02}" for n in range(1, 7)]
    assert moisture(recording) == [0.2, 0.21, 0.22, 0.23, 0.24, 0.25]
    assert told(recording)["repeated_local_hours"] == {"rows": 2, "told_apart": 2, "not_told_apart": 0}
    assert not told(recording)["gaps"] + told(recording)["second_pass_absent"]


def test_a_lonely_row_of_the_repeated_hour_goes_where_the_order_says(logger: Logger) -> None:
    """After a later local time it is of the second pass, else of the first."""
    rows = [f"2020-11-01 {clock},20" for clock in ("01:15", "01:45", "01:00", "01:45", "02:00")]
    recording = logger.read(WIDE, "time,moisture", *rows)
    assert [at for at, _ in samples(recording)] == [
        "11-01 05:15",
        "11-01 05:45",
        "11-01 06:00",
        "11-01 06:45",
        "11-01 07:00",
    ]


def test_more_rows_than_passes_cannot_be_told_apart(logger: Logger) -> None:
    """Of four rows in an hour that passes twice the first is kept, others are listed, and the second pass is absent."""
    rows = [f"2020-11-01 {clock},{value}" for clock, value in (("00:00", 9), ("01:00", 20), ("01:00", 21))]
    rows += ["2020-11-01 01:00,20", "2020-11-01 01:00,22", "2020-11-01 02:00,23", "2020-11-01 03:00,24"]
    recording = logger.read(WIDE, "time,moisture", *rows)
    assert moisture(recording) == [0.09, 0.2, 0.23, 0.24]
    assert aside(recording) == [(4, "repeated hour"), (6, "repeated hour")]
    assert recording.ledger.repeated_lines == [5]
    assert told(recording)["repeated_local_hours"] == {"rows": 3, "told_apart": 0, "not_told_apart": 3}
    assert [step["elapsed_hours"] for step in told(recording)["second_pass_absent"]] == [2.0]


def test_a_local_time_that_does_not_exist_is_kept_aside(logger: Logger) -> None:
    """On 2020-03-08 in Toronto 02:00 to 03:00 is skipped; the step over it is no gap."""
    rows = [f"2020-03-08 0{hour}:00,20" for hour in (0, 1, 2, 3, 4)]
    recording = logger.read(WIDE, "time,moisture", *rows)
    assert [at for at, _ in samples(recording)] == ["03-08 05:00", "03-08 06:00", "03-08 07:00", "03-08 08:00"]
    assert aside(recording) == [(4, "bad time")]
    assert "does not exist" in recording.ledger.aside[0].reason
    [step] = told(recording)["clock_forward_steps"]
    assert (step["wall_hours"], step["elapsed_hours"]) == (2.0, 1.0)
    assert told(recording)["gaps"] == []


def test_gaps_are_reported_and_stay(logger: Logger) -> None:
    """A gap has both its lengths: by the clock on the wall, and in truth; nothing is put into it."""
    hours = [0, 1, 2, 8, 9, 10]
    times = [datetime(2020, 3, 7, 22) + timedelta(hours=hour) for hour in hours]
    recording = logger.read(WIDE, "time,moisture", *(f"{at:%Y-%m-%d %H:%M},20" for at in times))
    assert len(samples(recording)) == len(hours)
    [gap] = told(recording)["gaps"]
    assert (gap["wall_hours"], gap["elapsed_hours"]) == (6.0, 5.0)
    assert told(recording)["longest_gap_hours"] == 6.0
    assert told(recording)["interval_s"] == 3600


def test_daily_rows_have_no_gap_when_clocks_change(logger: Logger) -> None:
    """Days of 23 and 25 hours are days."""
    days = [datetime(2020, 1, 1) + timedelta(days=day) for day in range(366)]
    rows = [f"{day:%Y-%m-%d},E1,First Sensor,Moisture,20,%,7.5 cm" for day in days]
    recording = logger.read(LONG, LONG_HEADER, *rows)
    course = told(recording)
    assert course["samples"] == 366
    assert course["gaps"] == course["clock_forward_steps"] == course["second_pass_absent"] == []


# Order, repeats and restarts.


def test_identical_repeats_are_dropped_and_counted(logger: Logger) -> None:
    """The same row twice is one sample, also when a whole file was read out twice."""
    rows = [f"2020-06-{day:02} 00:00,{day}" for day in range(1, 11)]
    recording = logger.read(WIDE, "time,moisture", *rows, *rows, "2020-06-11 00:00,11")
    assert len(samples(recording)) == 11
    assert recording.ledger.rows()["repeated"] == 10
    assert told(recording)["resets"] == []
    assert logger_report.report(recording)["repeated_lines"] == list(range(12, 22))


def test_of_conflicting_repeats_the_first_is_kept(logger: Logger) -> None:
    """The later one is listed with its line."""
    rows = ["2020-06-01 00:00,20", "2020-06-01 01:00,21", "2020-06-01 01:00,22"]
    recording = logger.read(WIDE, "time,moisture", *rows)
    assert moisture(recording) == [0.2, 0.21]
    assert aside(recording) == [(4, "conflicting repeat")]


def test_rows_out_of_order_are_sorted(logger: Logger) -> None:
    """Within the bound a late row takes its place, counted; the numbers follow time."""
    rows = ["2020-06-01 00:00,20", "2020-06-01 03:00,23", "2020-06-01 01:00,21", "2020-06-01 02:00,22"]
    recording = logger.read(WIDE, "time,moisture", *rows)
    assert moisture(recording) == [0.2, 0.21, 0.22, 0.23]
    assert [sample.seq for rows in recording.samples.values() for sample in rows] == [1, 2, 3, 4]
    assert told(recording)["out_of_order"] == {"rows": 2, "most_hours": 2.0}


def test_a_clock_that_falls_back_is_a_new_boot(logger: Logger) -> None:
    """Beyond the bound a step back is a restart; a time that stands again is kept aside, as nothing proves it new."""
    rows = ["2020-06-03 00:00,20", "2020-06-03 01:00,21", "2020-06-01 00:00,22", "2020-06-01 01:00,23"]
    recording = logger.read(WIDE, "time,moisture", *rows, "2020-06-03 00:00,24")
    [found] = recording.samples.values()
    assert [(sample.boot, sample.seq, sample.values["vwc"]) for sample in found] == [
        (1, 1, 0.2),
        (1, 2, 0.21),
        (2, 1, 0.22),
        (2, 2, 0.23),
    ]
    assert [reset["line"] for reset in told(recording)["resets"]] == [4]
    assert aside(recording) == [(6, "conflicting repeat")]


def test_a_bad_value_does_not_take_the_place_of_a_good_one(logger: Logger) -> None:
    """A row without any usable value leaves its time to a later row."""
    recording = logger.read(WIDE, "time,moisture", "2020-06-01 00:00,wet", "2020-06-01 00:00,20")
    assert moisture(recording) == [0.2]
    assert aside(recording) == [(2, "bad number")]


@pytest.mark.parametrize(
    ("rows", "boots", "late"),
    [
        (["1,00:00", "2,01:00", "1,02:00", "2,03:00"], [1, 1, 2, 2], 0),  # restarted
        (["1,00:00", "3,02:00", "2,01:00", "4,03:00"], [1, 1, 1, 1], 1),  # out of order only
        (["1,02:00", "2,03:00", "3,02:00", "4,03:00"], [1, 1, 2, 2], 0),  # the clock was set back
        (["1,02:00", "2,03:00", "1,01:00", "2,01:30"], [1, 1, 2, 2], 0),  # both
    ],
)
def test_a_counter_tells_a_restart_from_disorder(logger: Logger, rows: list[str], boots: list[int], late: int) -> None:
    """A record number that goes back while time goes on, or that was used before, is a restart."""
    text = WIDE + "counter: RECORD\n"
    lines = (f"{row.split(',')[0]},2020-06-01 {row.split(',')[1]},{20 + n}" for n, row in enumerate(rows))
    recording = logger.read(text, "RECORD,time,moisture", *lines)
    [found] = recording.samples.values()
    assert [sample.boot for sample in found] == boots
    assert told(recording)["out_of_order"]["rows"] == late
    assert recording.ledger.aside == []


ROWS = st.tuples(st.integers(0, 11), st.sampled_from(["", "20", "21", "wet", "999"]), st.integers(1, 4))


@given(rows=st.lists(ROWS, max_size=25), counted=st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_happens_the_counts_add_up(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, int]], counted: bool
) -> None:
    """No identity and, without a counter, no time stands twice; every value was in the file at that very time."""
    first = datetime(2020, 10, 31, 23, 30)  # half hours, over the end of summer time
    lines = [f"{n},{first + timedelta(minutes=30 * half):%Y-%m-%d %H:%M},{text}" for half, text, n in rows]
    tail = "counter: RECORD" if counted else "ignore: {columns: [RECORD]}"
    recording = Logger(tmp_path_factory.getbasetemp()).read(WIDE + tail, "RECORD,time,moisture", *lines)
    found = [sample for rows in recording.samples.values() for sample in rows]
    assert len({(sample.boot, sample.seq) for sample in found}) == len(found)
    assert counted or len({sample.measured_at for sample in found}) == len(found)
    times = [f"{datetime.fromtimestamp(sample.measured_at, TORONTO):%Y-%m-%d %H:%M}" for sample in found]
    local = {f"{at},{sample.values['vwc']}" for at, sample in zip(times, found, strict=True)}
    assert local <= {line.split(",", 1)[1].replace(",20", ",0.2").replace(",21", ",0.21") for line in lines}
    assert len(found) == recording.ledger.values["gateway-1.soil-1", "vwc", "kept"]


def test_three_years_of_hours_are_read_at_once(logger: Logger) -> None:
    """27,584 rows of seven columns take less than 5 s."""
    header = (
        "datetime_local,Air temperature (degC),Dew point temperature (degC),Relative humidity (%),"
        "Wind speed (km.h-1),Atmospheric pressure (kPa),Shortwave radiation (W.m-2),Precipitation (mm)"
    )
    first = datetime(2018, 7, 21)
    times = (first + timedelta(hours=hour) for hour in range(27_584))
    rows = [f"{at:%Y-%m-%d %H:%M},18.6875,NA,87.75,0.4,101.565,{at.hour},0" for at in times]
    started = time.process_time()  # of our own: a busy machine is not our doing
    recording = logger.read((MAPS / "drummondville_weather.yaml").read_text(), header, *rows)
    assert time.process_time() - started < 5
    assert recording.ledger.rows_read == 27_584
    assert recording.ledger.rows()["aside"] == 3  # 02:00 on three days that do not have it
