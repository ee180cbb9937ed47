"""The ground around a board that joins a farm: gateway_sim's own soil, pipes and probes, moved by the board's pins."""

import json
import math
from pathlib import Path
from typing import Any

from field_time.participant import VirtualTime
from field_time.record import EventRecord, cut_torn_line
from gateway.store import FileStore
from gateway_sim.board import SimBoard
from gateway_sim.member import faults_of, gateway_of, weather_of
from tests.vm.bench.wiring import MM_PER_TIP, PULSES_PER_LITRE, Plumbing, wires

LOOK_EVERY_S = 300  # the grid of the simulated soil
GLANCE_MS = 0.5  # between two looks at a meter: nothing in the field begins between two whole milliseconds
DARK = "dark"

Row = dict[str, Any]


class Ground:
    """What one board's zones are at a time (Unix ms), and what its sensors would say of them.

    The pins' log (see keep.mjs) in the job's folder tells what a killed process left unsaid. Raises SimError.
    """

    def __init__(self, job: Row, pins: Row) -> None:
        state = Path(job["state"])
        (state / "field").mkdir(exist_ok=True)
        self._job, self._pins = job, pins
        self._time = VirtualTime(job["now_ms"])
        self._record = EventRecord(Path(job["record"]))
        self._weather = weather_of(job)
        store = FileStore(str(state / "field"), sync=False)
        sim = gateway_of(job), self._weather, self._time, self._record, job["seed"], store
        self._field = SimBoard(*sim, self._record.has, faults_of(job))
        self._plumbing = Plumbing(pins)
        self._log = state / "pins.jsonl"
        self._catch_up()
        self.goes_dark(job["now_ms"])

    @property
    def open(self) -> set[str]:
        """The zones to which water can flow."""
        return self._plumbing.open

    def pin(self, at_ms: int, pin: int, level: int) -> list[bool]:
        """A pin has changed: what that did to zones, True for each that it opened."""
        return self._flow(at_ms, self._plumbing.moves(pin, level))

    def dark(self, at_ms: int) -> list[bool]:
        """The board has lost its power, or was reset."""
        return self._flow(at_ms, self._plumbing.dark())

    def goes_dark(self, at_ms: int) -> None:
        """As `dark`, and it is we who cut the power: the log of the pins has to say so."""
        with self._log.open("a") as file:
            file.write(json.dumps([at_ms, DARK]) + "\n")
        self.dark(at_ms)

    def wires(self, at_ms: int) -> Row:
        """The world at the board's pins, but for the meters; past the weather's end as it was then."""
        self._time.set_ms(min(at_ms, self._weather.end * 1000))
        said = {name: values for name, _, values in self._field.read()}
        self._time.set_ms(at_ms)
        return wires(self._pins, said)

    def meters(self, at_ms: int, origin_ms: int) -> Row:
        """What flows through each meter from now on, by its pin, as `turned` in hardware.mjs takes it."""
        flows = {}
        for row in self._pins["sensors"]:
            if row["kind"] == "flow":
                litres = self._field.fields[row["zone_id"]].litres
                pulses = litres(at_ms) * PULSES_PER_LITRE
                soon = litres(at_ms + GLANCE_MS) * PULSES_PER_LITRE  # type: ignore[arg-type]  # it takes any number
                hz = (soon - pulses) * 1000 / GLANCE_MS
                flows[row["pin"]] = {"us": (at_ms - origin_ms) * 1000, "pulses": pulses, "hz": hz}
        return flows

    def tips(self, begin_ms: int, end_ms: int) -> int:
        """How often the rain gauge tips between two times."""
        return self._tipped(end_ms) - self._tipped(begin_ms)

    def last_words(self) -> Row:
        """The truth of the field at the end, as docs/field.md has it."""
        truth = self._field.truth()
        return {
            "litres": {zone_id: row["litres"] for zone_id, row in truth.items()},
            "balance": {zone_id: row["water_balance"] for zone_id, row in truth.items()},
            "zones_below_wilting_point": [zone_id for zone_id, row in truth.items() if row["below_wilting_point"]],
        }

    def advance(self, at_ms: int) -> None:
        """Let the field live on to a time."""
        self._time.set_ms(at_ms)
        self._field.advance(min(at_ms // 1000, self._weather.end))

    def _tipped(self, at_ms: int) -> int:
        until = min(at_ms // 1000, self._weather.end)
        return math.floor(self._weather.rain_mm(self._job["start"], until) / MM_PER_TIP + 1e-9)

    def _flow(self, at_ms: int, changes: list[tuple[str, bool]]) -> list[bool]:
        self._time.set_ms(at_ms)
        for zone_id, is_open in changes:
            self._field.set_valve(zone_id, is_open)
        return [is_open for _, is_open in changes]

    def _catch_up(self) -> None:
        """Live through what the log of the pins has, and tell the field what it was not told."""
        told = self._edges_on_record()
        self._log.touch()
        cut_torn_line(self._log)  # its move was about to be made
        for at_ms, *what in map(json.loads, self._log.read_text().splitlines()):
            changes = self._plumbing.dark() if what == [DARK] else self._plumbing.moves(*what)
            known = min(told, len(changes))
            told -= known
            self._flow(at_ms, changes[known:])

    def _edges_on_record(self) -> int:
        path = Path(self._job["record"])
        return sum(json.loads(line)["kind"] == "valve_edge" for line in path.read_text().splitlines())
