"""What a map cannot map is listed by line, and what is wrong with a map is told in one."""

import csv
from pathlib import Path

import pytest

from gateway_sim import logger_file, logger_map, units
from gateway_sim.errors import LoggerFileError, MapError
from protocol import messages
from tests.gateway_sim.logger_bench import LONG, LONG_HEADER, MAPS, WIDE, Logger, aside, moisture, samples

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
        ("layout: wide", "layuot: wide", "unknown key 'layuot', did you mean 'layout'?"),
        ("layout: wide", "layout: broad", "layout: 'broad': not known here; known: wide, long"),
        ("missing:", "mising:", "the map: unknown key 'mising', did you mean 'missing'?"),
        (
            "timezone: America/Toronto",
            "timezone: Toronto",
            "time, timezone: 'Toronto': is no time zone, did you mean 'America/Toronto'?",
        ),
        ('"%Y-%m-%d %H:%M"', "ISO", "time, format: 'ISO': want a pattern"),
        ('"%Y-%m-%d %H:%M"', "[]", "time, format: list of 0: want a pattern"),
        ('"%Y-%m-%d %H:%M"', '"%Y-%m-%Y"', "time, format: '%Y-%m-%Y': has the same part of a time twice"),
        ('"%Y-%m-%d %H:%M"', "epoch_s", "time, timezone: 'America/Toronto': leave it out"),
        ("quantity: vwc", "quantity: wvc", "columns, moisture, quantity: 'wvc': not known here; did you mean 'vwc'?"),
        ('unit: "%"', "unit: F", "columns, moisture, unit: 'F': vwc can be read from fraction, %; write one of them"),
        ('unit: "%"', 'unit: "%", uint: 1', "columns, moisture: unknown key 'uint', did you mean 'unit'?"),
        ('unit: "%"', 'unit: "%", area_m2: 2', "columns, moisture, area_m2: 2: leave it out"),
        ("-9999", "null", "missing: list of 3: None: want a text, or a list of texts; put each in quotes"),
        (
            "sensor: {",
            "file: {decimal: ',', delimiter: ','}\nsensor: {",
            "file, delimiter: ',': the same as the decimal",
        ),
        ("sensor: {", "file: {encoding: utf-9}\nsensor: {", "file, encoding: 'utf-9': no such encoding"),
        ("sensor: {", "file: {header: 0}\nsensor: {", "file, header: 0: want a whole number of at least 1"),
        ("sensor: {", "clock: synced\nsensor: {", "the map: unknown key 'clock'"),
        ("gateway: gateway-1, ", "", "sensor: gateway is missing"),
        ("sensor: {", "layout: long\nsensor: {", "the map: layout is written twice; keep one"),
        (
            "columns: {moisture",
            "ignore: {columns: [moisture]}\ncolumns: {moisture",
            "ignore, columns: 'moisture': mapped",
        ),
        ("layout: wide", "[", "not valid YAML"),
        (
            "columns: {moisture",
            'columns: {again: {quantity: vwc, unit: "%"}, moisture',
            "columns, moisture: 'vwc': 'again' gives the same quantity of the same sensor",
        ),
    ],
)
def test_a_mistake_in_a_map_is_one_line(logger: Logger, old: str, new: str, said: str) -> None:
    """It names the file, the key, the value and the remedy."""
    assert old in WIDE
    with pytest.raises(MapError) as caught:
        logger.load(WIDE.replace(old, new, 1))
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(logger.map)) for line in lines)
    assert any(said in line for line in lines), lines
    assert len(lines) == 1 or "layout" in said, "a mistake invents no other; without a layout more is open"


def test_every_mistake_of_a_map_is_told_at_once(logger: Logger) -> None:
    """From top to bottom, so that a map is mended in one go."""
    with pytest.raises(MapError) as caught:
        logger.load(
            WIDE.replace("timezone: America/Toronto", "timezone: Mars").replace("quantity: vwc", "quantity: wvc")
        )
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "time, timezone",
        "columns, moisture, quantity",
    ]


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
