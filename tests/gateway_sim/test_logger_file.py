"""Loggers' tables into samples: every row and every value ends in one count, and nothing is invented."""

import csv
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_sim import logger_file, logger_map, logger_report, units
from gateway_sim.errors import LoggerFileError, MapError
from gateway_sim.logger_file import Recording
from protocol import messages

TORONTO = ZoneInfo("America/Toronto")
MAPS = Path(logger_map.__file__).parent / "maps"
WIDE = """
layout: wide
time: {columns: [time], format: "%Y-%m-%d %H:%M", timezone: America/Toronto}
missing: ["", NA, -9999]
sensor: {gateway: gateway-1, sensor: soil-1, zone: plot-1}
columns: {moisture: {quantity: vwc, unit: "%"}}
"""
LONG = """
layout: long
time: {columns: [date], format: "%Y-%m-%d", timezone: America/Toronto}
missing: ["", NaN]
sensor: {gateway: "gateway-{Plot}", sensor: "soil-{Sensor}", zone: "plot-{Plot}"}
words: {Plot: {E1: 1, E2: 2}, Sensor: {First Sensor: 1, Second Sensor: 2}}
value: Value
variable: Variable
unit: Unit
variables:
  Moisture: {quantity: vwc}
  Temperature: {quantity: soil_temperature_c}
ignore: {columns: [Depth], rows: {Variable: [Salt]}}
"""
LONG_HEADER = "date,Plot,Sensor,Variable,Value,Unit,Depth"


class Logger:
    """Writes a file and its map, and reads them."""

    def __init__(self, folder: Path) -> None:
        self.file, self.map = folder / "logger.csv", folder / "map.yaml"

    def read(self, map_text: str, *rows: str, encoding: str = "utf-8") -> Recording:
        self.file.write_text("\n".join(rows) + "\n", encoding=encoding)
        recording = logger_file.read(self.file, self.load(map_text))
        assert recording.ledger.adds_up()
        return recording

    def load(self, map_text: str) -> logger_map.LoggerMap:
        self.map.write_text(map_text, encoding="utf-8")
        return logger_map.load(self.map)


@pytest.fixture
def logger(tmp_path: Path) -> Logger:
    return Logger(tmp_path)


def samples(recording: Recording, sensor_id: str = "gateway-1.soil-1") -> list[tuple[str, dict[str, float | None]]]:
    """`(UTC, values)` of a sensor's samples."""
    found = [rows for sensor, rows in recording.samples.items() if sensor.sensor_id == sensor_id]
    return [(utc(sample.measured_at), sample.values) for sample in (found[0] if found else [])]


def moisture(recording: Recording) -> list[float | None]:
    return [values["vwc"] for _, values in samples(recording)]


def utc(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M")


def aside(recording: Recording) -> list[tuple[int, str]]:
    return [(entry.line, entry.kind) for entry in recording.ledger.aside]


def told(recording: Recording, sensor_id: str = "gateway-1.soil-1") -> dict[str, Any]:
    """What the report says of a sensor."""
    found: dict[str, Any] = logger_report.report(recording)["sensors"][sensor_id]
    return found


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
    assert recording.ledger.repeated == [5]
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


# What cannot be mapped.


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        ("2020-06-01,E1,First Sensor,Moisture,wet,%,7", "bad number", "'wet'"),
        ("2020-06-01,E1,First Sensor,Moisture,1_0,%,7", "bad number", "'1_0'"),
        ("2020-06-01,E1,First Sensor,Moisture,inf,%,7", "bad number", "'inf'"),
        ("2020-06-01,E1,First Sensor,Moisture,20,furlong,7", "unknown unit", "'furlong'"),
        ("2020-06-01,E1,First Sensor,Moisture,20,m3/m3,7", "out of range", "wrong unit?"),
        ("2020-06-01,E1,First Sensor,Temperature,200,deg C,7", "out of range", "-40 to 80"),
        ("01/06/2020,E1,First Sensor,Moisture,20,%,7", "bad time", "'%Y-%m-%d'"),
        ("1999-06-01,E1,First Sensor,Moisture,20,%,7", "bad time", "2015"),
        ("2020-06-01,E9,First Sensor,Moisture,20,%,7", "unknown sensor", "'E9'; known: E1, E2"),
        ("2020-06-01,E1,First Sensor,Colour,20,%,7", "unknown variable", "'Colour'"),
        ("2020-06-01,E1,First Sensor,Moisture,20,%", "wrong row", "6 columns"),
    ],
)
def test_what_cannot_be_mapped_is_listed(logger: Logger, tmp_path: Path, row: str, kind: str, said: str) -> None:
    """By line, with the reason, and with the row as it was; its neighbours are samples."""
    good = "2020-06-02,E1,First Sensor,Moisture,20,%,7"
    recording = logger.read(LONG, LONG_HEADER, row, good)
    assert samples(recording) == [("06-02 04:00", {"vwc": 0.2})]
    assert recording.ledger.rows() == {"used": 1, "aside": 1, "repeated": 0, "missing": 0, "ignored": 0}
    logger_file.write_aside(recording, tmp_path / "aside.csv")
    with (tmp_path / "aside.csv").open(newline="") as file:
        [header, kept] = csv.reader(file)
    assert header[:5] == ["line", "sensor_id", "quantity", "kind", "reason"]
    assert (kept[0], kept[3]) == ("2", kind)
    assert said in kept[4]
    assert ",".join(kept[5:]) == row


def test_two_variables_of_one_quantity_conflict(logger: Logger) -> None:
    """A sensor has one value of a quantity at a time: the second is kept aside, not written over the first."""
    text = LONG.replace("  Temperature: {quantity: soil_temperature_c}", "  Temperature: {quantity: vwc}")
    rows = ["2020-06-01,E1,First Sensor,Moisture,20,%,7", "2020-06-01,E1,First Sensor,Temperature,21,%,7"]
    recording = logger.read(text, LONG_HEADER, *rows)
    assert moisture(recording) == [0.2]
    assert aside(recording) == [(3, "conflicting repeat")]


def test_a_sensor_stands_in_one_zone(logger: Logger) -> None:
    """A row that has it in another is kept aside."""
    text = LONG.replace('"plot-{Plot}"', '"depth-{Depth}"').replace("columns: [Depth], ", "")
    rows = ["2020-06-01,E1,First Sensor,Moisture,20,%,7", "2020-06-02,E1,First Sensor,Moisture,21,%,9"]
    recording = logger.read(text, LONG_HEADER, *rows)
    assert moisture(recording) == [0.2]
    assert aside(recording) == [(3, "unknown sensor")]
    assert "stands in zones depth-7 and depth-9" in recording.ledger.aside[0].reason


@pytest.mark.parametrize(
    ("quantity", "unit", "text", "value"),
    [
        ("vwc", "percent", "25", 0.25),
        ("vwc", "m3/m3", "0.25", 0.25),
        ("soil_temperature_c", "F", "32", 0.0),
        ("air_temperature_c", "K", "273.15", 0.0),
        ("relative_humidity_pct", "fraction", "0.5", 50.0),
        ("wind_speed_m_s", "mph", "10", 4.4704),
        ("wind_speed_m_s", "knots", "36", 18.52),
        ("solar_radiation_w_m2", "MJ/m2/h", "3.6", 1000.0),
        ("rain_mm", "inches", "1", 25.4),
        ("pressure_kpa", "hPa", "1013", 101.3),
        ("pressure_kpa", "psi", "10", 68.947572932),
        ("flow_l_min", "m3/h", "6", 100.0),
        ("volume_l", "gal", "1", 3.785411784),
        ("battery_v", "mV", "3700", 3.7),
    ],
)
def test_units_are_converted(logger: Logger, quantity: str, unit: str, text: str, value: float) -> None:
    """Each quantity arrives in the protocol's own unit."""
    columns = f'columns: {{moisture: {{quantity: {quantity}, unit: "{unit}"}}}}'
    recording = logger.read(
        WIDE[: WIDE.index("columns: {moisture")] + columns, "time,moisture", f"2020-06-01 00:00,{text}"
    )
    assert samples(recording) == [("06-01 04:00", {quantity: value})]


def test_every_quantity_has_a_unit() -> None:
    """Whoever adds a quantity to the protocol says what loggers may give it in."""
    assert set(units.BASES) == set(messages.QUANTITIES)
    assert all(base in units.CONVERSIONS[base] for base in units.BASES.values())
    assert all(any(unit in table for table in units.CONVERSIONS.values()) for unit in units.ALIASES.values())


# Mistakes of a map, or of a file that is not its map's.


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("layout: wide", "layuot: wide", "layout: None: missing; did you mean it by 'layuot'?"),
        ("layout: wide", "layout: broad", "layout: 'broad': not known here; known: wide, long"),
        ("missing:", "mising:", "mising: ['', 'NA', -9999]: unknown key; did you mean 'missing'?"),
        ("timezone: America/Toronto", "timezone: Toronto", "time.timezone: 'Toronto': no such zone; want an IANA name"),
        ('"%Y-%m-%d %H:%M"', "ISO", "time.format: 'ISO': want a pattern"),
        ('"%Y-%m-%d %H:%M"', "epoch_s", "time.timezone: 'America/Toronto': leave it out"),
        ("quantity: vwc", "quantity: wvc", "columns.moisture.quantity: 'wvc': not known here; did you mean 'vwc'?"),
        ('unit: "%"', "unit: F", "columns.moisture.unit: 'F': vwc can be read from fraction, %; write one of them"),
        ('unit: "%"', 'unit: "%", uint: 1', "columns.moisture.uint: 1: unknown key; did you mean 'unit'?"),
        ('unit: "%"', 'unit: "%", area_m2: 2', "columns.moisture.area_m2: 2: leave it out"),
        ("-9999", "null", "missing: None: want a list of texts; put each in quotes"),
        (
            "sensor: {",
            "file: {decimal: ',', delimiter: ','}\nsensor: {",
            "file.delimiter: ',': the same as the decimal",
        ),
        ("sensor: {", "file: {encoding: utf-9}\nsensor: {", "file.encoding: 'utf-9': no such encoding"),
        ("sensor: {", "file: {header: 0}\nsensor: {", "file.header: 0: want a number of at least 1"),
        ("sensor: {", "clock: synced\nsensor: {", "clock: 'synced': unknown key"),
        ("gateway: gateway-1, ", "", "sensor.gateway: None: missing"),
        ("sensor: {", "layout: long\nsensor: {", "'layout' stands twice"),
        (
            "columns: {moisture",
            "ignore: {columns: [moisture]}\ncolumns: {moisture",
            "ignore.columns: 'moisture': mapped",
        ),
        ("layout: wide", "[", "not valid YAML"),
        (
            "columns: {moisture",
            'columns: {again: {quantity: vwc, unit: "%"}, moisture',
            "columns.moisture: 'vwc': 'again' gives the same quantity of the same sensor",
        ),
    ],
)
def test_a_mistake_in_a_map_is_one_line(logger: Logger, old: str, new: str, said: str) -> None:
    """It names the file, the key, the value and the remedy."""
    assert old in WIDE
    with pytest.raises(MapError) as caught:
        logger.load(WIDE.replace(old, new, 1))
    text = str(caught.value)
    assert text.startswith(str(logger.map))
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("time,moistre", "no column 'moisture'"),
        ("time,moistre", "did you mean 'moistre'?"),
        ("time,moisture,salt", "column 'salt' is not in"),
        ("time,moisture,moisture", "column 'moisture' stands 2 times"),
    ],
)
def test_a_file_of_another_map_is_refused(logger: Logger, header: str, said: str) -> None:
    """A column that the map does not know is mapped or ignored deliberately, never passed over."""
    with pytest.raises(LoggerFileError, match=r"logger\.csv") as caught:
        logger.read(WIDE, header)
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(logger: Logger) -> None:
    """Missing, empty, or in another encoding."""
    with pytest.raises(LoggerFileError, match="cannot be read: No such file"):
        logger_file.read(logger.file, logger.load(WIDE))
    with pytest.raises(LoggerFileError, match="no header row at line 1"):
        logger.read(WIDE, "")
    with pytest.raises(LoggerFileError, match="see `file` in"):
        logger.read(WIDE, "time,moisture", "é", encoding="cp1252")
    with pytest.raises(MapError, match="cannot be read"):
        logger_map.load(logger.map.with_name("other.yaml"))


@pytest.mark.parametrize("path", sorted(MAPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_maps_of_the_project_are_whole(path: Path) -> None:
    """Each loads, and cites its source."""
    assert "10.5281/zenodo.7948797" in logger_map.load(path).source


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
