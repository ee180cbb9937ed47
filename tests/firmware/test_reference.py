"""docs/firmware.md is true: its tables and figures are those of the code, its commands are such as can be run."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from firmware import __main__ as command_line
from firmware import build, config

TEXT = (build.ROOT / "docs" / "firmware.md").read_text(encoding="utf-8")
TABLES: dict[str, Any] = vars(config)
ROW = re.compile(r"^\| ([\w.]+|every \w+) \| `(\w+)` \| (.+?) \|( yes)? \|$", re.MULTILINE)
PIN_ROW = re.compile(r"^\| ((?:all but )?\d[\d, to]*) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
COMMANDS = re.findall(r"^python -m firmware [^#\n]+", TEXT, re.MULTILINE)
FIGURES = [  # file, its constant, what the document says with it
    ("main.py", "RESTART_AFTER_S = 30", "the chip restarts after 30 s"),
    ("board.py", "OUTBOX_BYTES = (8_000, 250_000)", "an outbox of 8,000 bytes, or 250,000 with PSRAM"),
    ("board.py", "WATCHDOG_MS = 8000", "after 8 s the chip restarts"),
    ("board.py", "START_WATCHDOG_MS = 60_000", "the watchdog waits 60 s"),
    ("board.py", "TLS_BYTES = 36 * 1024", "TLS needs another 36 KB in one piece"),
    ("net.py", "BACKOFF_MS = (2000, 120_000)", "tried again after 2 s to 2 minutes"),
    ("net.py", "ANSWER_MS = 3000", "three seconds at most"),
    ("drivers/soil_adc.py", "BEYOND_MV = 150", "More than 150 mV outside the points is no value"),
    ("lib/gateway/gateway.py", '"sample_interval_s": 900', "a sample every 900 s"),
    ("lib/gateway/gateway.py", '"publish_interval_s": 3600', "a reading and a status\nevery 3600 s"),
    ("lib/gateway/gateway.py", '"status_interval_s": 3600', "a reading and a status\nevery 3600 s"),
    ("lib/gateway/gateway.py", 'config.get("keepalive_s", 60)', "60 s keepalive"),
    ("build.py", "MPY_TOTAL_BYTES = 80 * 1024", "81,920 bytes"),
    ("build.py", "MPY_MODULE_BYTES = 10 * 1024", "10,240 bytes"),
    ("heap.py", "LIVE_BYTES = 40_000", "40,000 bytes"),
    ("heap.py", "GROWTH_BYTES = 128", "128 bytes"),
    ("config.py", '"time_servers": ["time.aws.com", "pool.ntp.org"]', "from time.aws.com or pool.ntp.org"),
]


def entries() -> Iterator[tuple[str, str, str, bool]]:
    """What config.py takes: place, entry, what it must be, whether it is needed."""
    tables = {"config.json": "_CONFIG", "wifi": "_WIFI", "broker": "_BROKER", "zones": "_ZONE", "pins.json": "_PINS"}
    places = {place: TABLES[name] for place, name in tables.items()}
    for common, place, kinds in (("_VALVE", "every valve", "_VALVES"), ("_ANY_SENSOR", "every sensor", "_SENSORS")):
        places[place] = TABLES[common]
        for kind, fields in TABLES[kinds].items():
            places[kind] = {name: field for name, field in fields.items() if name not in TABLES[common]}
    for place, fields in places.items():
        for name, (_, wanted, needed) in fields.items():
            yield place, name, wanted, bool(needed)


def pins_of(text: str) -> set[int]:
    """`1, 3` and `6 to 11` as numbers."""
    found = {int(number) for number in re.findall(r"\d+", text)}
    for first, last in re.findall(r"(\d+) to (\d+)", text):
        found |= set(range(int(first), int(last) + 1))
    return set(range(config.LAST_PIN + 1)) - found if text.startswith("all but") else found


def test_the_reference_is_the_codes_own() -> None:
    """Each entry of config.json and pins.json, in the words of the complaint about it, and no other."""
    told = {(place, name, wanted, bool(needed)) for place, name, wanted, needed in ROW.findall(TEXT)}
    assert told == set(entries())
    assert len(told) > 50


def test_the_pins_are_the_codes_own() -> None:
    """What the table forbids is what the check refuses; one row it says cannot be checked."""
    told = {why.strip(): pins_of(pins) for pins, _, why in PIN_ROW.findall(TEXT)}
    groups = [*(pins for pins, _ in config.NEVER), config.BOOT_PINS, config.INPUT_ONLY, config.FALSE_EDGES]
    for group in groups:
        assert set(group) in told.values()
    assert set(range(config.LAST_PIN + 1)) - set(config.ADC_PINS) in told.values()
    [unchecked] = [pins for why, pins in told.items() if "cannot be checked" in why]
    assert unchecked == {16, 17}
    assert len(told) == len(groups) + 2


def test_the_messages_are_the_gateways_own() -> None:
    """The table of what stands on `irrigation/errors/{gateway_id}`."""
    gateway, flow = [(build.FIRMWARE / "lib" / "gateway" / f"{name}.py").read_text() for name in ("gateway", "flow")]
    said = {*re.findall(r"_report\(\s*\"(\w+)\"", gateway), *re.findall(r"(?:return |_tell\()\"(\w+)\"", flow)}
    told = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", TEXT, re.MULTILINE))
    assert told == said


@pytest.mark.parametrize(("file", "constant", "sentence"), FIGURES)
def test_the_figures_are_the_codes_own(file: str, constant: str, sentence: str) -> None:
    """A constant that changes changes the document."""
    assert constant in (build.FIRMWARE / file).read_text()
    assert sentence in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_taken(command: str) -> None:
    """With every option as it stands there."""
    words = shlex.split(command)[3:]
    assert vars(command_line)["_parser"]().parse_args(words).run


def test_the_commands_are_found() -> None:
    """Also the one that reads a voltage is Python."""
    assert len(COMMANDS) >= 5
    [code] = re.findall(r'mpremote connect \S+ exec "(.+)"$', TEXT, re.MULTILINE)
    compile(code, "documented", "exec")
