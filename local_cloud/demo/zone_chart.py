"""One zone's chart as inline SVG: rain from above, soil moisture between its limits, irrigation from below."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from html import escape
from itertools import pairwise
from statistics import median
from typing import Any

HOUR_S = 3600
# Places in the drawing, in pixels of its own 380 x 240.
WIDTH, HEIGHT = 380, 240
LEFT, RIGHT = 46, 376
RAIN_TOP, RAIN_BOTTOM = 6, 40
SOIL_TOP, SOIL_BOTTOM = 46, 178
WATER_TOP, WATER_BOTTOM = 186, 220
MOST_BINS = 126  # of rain and hover titles: hourly up to five days and a bit
MOST_POINTS = 160  # of the moisture line, each its lowest and highest reading
LABEL_PX = 54

Reading = tuple[int, float]


@dataclass(frozen=True)
class Run:
    """One irrigation run, as its ack reported it: Unix seconds, litres."""

    start: int
    end: int
    litres: float


@dataclass(frozen=True)
class Frame:
    """What all charts of a report share: the time they span (Unix s), the farm's time zone, and the scales."""

    start: int
    end: int
    timezone: tzinfo
    rain: Sequence[tuple[int, float]]  # hourly: Unix s, mm
    most_rain_mm: float  # of any bin
    bin_s: int

    def x(self, at: float) -> float:
        """Where a moment stands."""
        share = (at - self.start) / (self.end - self.start)
        return LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT)

    def local(self, at: float) -> datetime:
        """The farm's own wall clock at a moment."""
        return datetime.fromtimestamp(at, UTC).astimezone(self.timezone)


def frame(start: int, end: int, timezone: tzinfo, rain: Iterable[tuple[int, float]]) -> Frame:
    """Lay out the time axis: bins of an hour or more, so that a season stays as readable as a week."""
    end = max(end, start + HOUR_S)
    bin_s = next((h * HOUR_S for h in (1, 2, 3, 6, 12, 24) if (end - start) / HOUR_S / h <= MOST_BINS), 24 * HOUR_S)
    seen = sorted((at, mm) for at, mm in rain if start <= at <= end)
    sums = binned(seen, start, bin_s)
    return Frame(start, end, timezone, seen, max(sums.values(), default=0.0), bin_s)


def binned(values: Iterable[tuple[int, float]], start: int, bin_s: int) -> dict[int, float]:
    """Sum the values of each bin: bin number to sum."""
    sums: dict[int, float] = {}
    for at, value in values:
        number = (at - start) // bin_s
        sums[number] = sums.get(number, 0.0) + value
    return sums


def draw(zone: dict[str, Any], readings: Sequence[Reading], runs: Sequence[Run], axis: Frame, name: str) -> str:
    """The whole chart. `zone` gives field_capacity, refill_point and wilting_point in m3/m3, as the readings are."""
    soil = _SoilScale(zone, readings)
    parts = [
        _bands(zone, soil),
        _days(axis),
        _rain(axis),
        _water(runs, axis),
        _moisture(readings, soil, axis),
        _limits(zone, soil),
        _hover(readings, runs, axis),
        _run_titles(runs, axis),
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'


class _SoilScale:
    """From m3/m3 to a height: all limits and all readings are in the picture."""

    def __init__(self, zone: dict[str, Any], readings: Sequence[Reading]) -> None:
        levels = [zone["field_capacity"], zone["wilting_point"], *(vwc for _, vwc in readings)]
        margin = (max(levels) - min(levels)) * 0.08 or 0.01
        self.low: float = min(levels) - margin
        self.high: float = max(levels) + margin

    def y(self, vwc: float) -> float:
        share = (vwc - self.low) / (self.high - self.low)
        return SOIL_BOTTOM - share * (SOIL_BOTTOM - SOIL_TOP)


@dataclass(frozen=True)
class _Box:
    """A rectangle of the drawing: left, right, top and bottom."""

    x1: float
    x2: float
    y1: float
    y2: float


def _rect(kind: str, box: _Box, title: str = "") -> str:
    width, height = box.x2 - box.x1, box.y2 - box.y1
    shape = f'<rect class="{kind}" x="{box.x1:.1f}" y="{box.y1:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _bands(zone: dict[str, Any], soil: _SoilScale) -> str:
    """Ample, stress and dry: the colours that let a chart be judged from afar."""
    edges = (soil.high, zone["refill_point"], zone["wilting_point"], soil.low)
    heights = [soil.y(edge) for edge in edges]
    return "".join(
        _rect(kind, _Box(LEFT, RIGHT, top, bottom))
        for kind, (top, bottom) in zip(("ample", "stress", "dry"), pairwise(heights), strict=True)
    )


def _limits(zone: dict[str, Any], soil: _SoilScale) -> str:
    parts = []
    for kind in ("field_capacity", "refill_point", "wilting_point"):
        y = soil.y(zone[kind])
        parts.append(_line(f"limit {kind}", LEFT, y, RIGHT, y))
        parts.append(_text("scale end", LEFT - 4, y + 3.5, f"{zone[kind] * 100:.0f} %"))
        parts.append(_text("limit-name", LEFT + 4, y - 3, kind.replace("_", " ")))
    return "".join(parts)


def _midnights(axis: Frame) -> list[int]:
    """Unix seconds of the farm's midnights: a day of a clock change has 23 or 25 hours."""
    day = axis.local(axis.start).date()
    last = axis.local(axis.end).date()
    found = []
    while day <= last:
        found.append(int(datetime.combine(day, time(), axis.timezone).timestamp()))
        day += timedelta(days=1)
    return [*found, int(datetime.combine(day, time(), axis.timezone).timestamp())]


def _days(axis: Frame) -> str:
    midnights = _midnights(axis)
    shown = max(1, round((axis.end - axis.start) / 86400 * LABEL_PX / (RIGHT - LEFT) + 0.49))
    parts = []
    for number, (begin, following) in enumerate(pairwise(midnights)):
        if begin >= axis.start and (shown == 1 or number % shown == 0):
            parts.append(_line("day", axis.x(begin), RAIN_TOP, axis.x(begin), WATER_BOTTOM + 4))
        if number % shown:
            continue
        left, right = axis.x(begin), axis.x(following) if shown == 1 else axis.x(begin)
        local = axis.local(begin + HOUR_S)
        if shown > 1 and begin >= axis.start and left < RIGHT - 20:
            parts.append(_text("scale", left + 2, HEIGHT - 6, f"{local.day} {local:%b}"))
        elif shown == 1 and right - left > LABEL_PX * 0.6:
            parts.append(_text("scale middle", (left + right) / 2, HEIGHT - 6, f"{local:%a} {local.day} {local:%b}"))
    return "".join(parts)


def _rain(axis: Frame) -> str:
    bars = []
    for number, mm in sorted(binned(axis.rain, axis.start, axis.bin_s).items()):
        if mm > 0:
            left = axis.x(axis.start + number * axis.bin_s)
            right = axis.x(axis.start + (number + 1) * axis.bin_s)
            height = mm / axis.most_rain_mm * (RAIN_BOTTOM - RAIN_TOP)
            bars.append(_rect("rain", _Box(left, max(right - 0.6, left + 0.8), RAIN_TOP, RAIN_TOP + height)))
    total = sum(mm for _, mm in axis.rain)
    return (
        _line("rim", LEFT, RAIN_TOP, RIGHT, RAIN_TOP)
        + "".join(bars)
        + _text("scale end", LEFT - 4, RAIN_TOP + 8, "rain" if total else "no rain")
        + (_text("scale end", LEFT - 4, RAIN_TOP + 19, f"{total:.0f} mm" if total >= 1 else "< 1 mm") if total else "")
    )


def _water(runs: Sequence[Run], axis: Frame) -> str:
    """Each run as a shade through the chart, and as a bar below it with its litres where there is room."""
    most = max((run.litres for run in runs), default=0.0) or 1.0
    parts = [
        _line("rim", LEFT, WATER_BOTTOM, RIGHT, WATER_BOTTOM),
        _text("scale end", LEFT - 4, WATER_BOTTOM - 2, "water"),
    ]
    free_from = 0.0
    for run in sorted(runs, key=lambda run: run.start):
        left = axis.x(run.start)
        right = max(axis.x(run.end), left + 2.4)
        height = run.litres / most * (WATER_BOTTOM - WATER_TOP - 10)
        parts.append(_rect("run", _Box(left, right, SOIL_TOP, WATER_BOTTOM)))
        parts.append(_rect("water", _Box(left, right, WATER_BOTTOM - height, WATER_BOTTOM)))
        label = f"{run.litres:,.0f} L" if run.litres < 10_000 else f"{run.litres / 1000:,.1f} m³"
        half = len(label) * 2.6 + 3
        middle = min(max((left + right) / 2, LEFT + half), RIGHT - half)
        if middle - half >= free_from:
            parts.append(_text("litres middle", middle, WATER_BOTTOM - height - 3, label))
            free_from = middle + half
    return "".join(parts)


def _moisture(readings: Sequence[Reading], soil: _SoilScale, axis: Frame) -> str:
    if not readings:
        return _text("nothing middle", (LEFT + RIGHT) / 2, (SOIL_TOP + SOIL_BOTTOM) / 2, "no readings")
    paths = []
    for stretch in _stretches(readings):
        points = [f"{axis.x(at):.1f},{soil.y(vwc):.1f}" for at, vwc in thinned(stretch, axis.end - axis.start)]
        paths.append(f'<path class="moisture" d="M{" ".join(points)}"/>')
    return "".join(paths)


def _stretches(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Cut the line where readings are missing: a straight line there would be an invention."""
    usual = median([later[0] - earlier[0] for earlier, later in pairwise(readings)] or [HOUR_S])
    stretches = [[readings[0]]]
    for earlier, later in pairwise(readings):
        if later[0] - earlier[0] > max(4 * usual, 2 * HOUR_S):
            stretches.append([])
        stretches[-1].append(later)
    return stretches


def thinned(readings: Sequence[Reading], span_s: int) -> list[Reading]:
    """Keep the lowest and the highest reading of each slice of the span, in their order: no extreme is lost."""
    width = max(span_s / MOST_POINTS, 1)
    slices: dict[int, list[Reading]] = {}
    for reading in readings:
        slices.setdefault(int((reading[0] - readings[0][0]) / width), []).append(reading)
    kept = []
    for members in slices.values():
        extremes = {min(members, key=lambda r: r[1]), max(members, key=lambda r: r[1])}
        kept += sorted(extremes)
    return kept


def _hover(readings: Sequence[Reading], runs: Sequence[Run], axis: Frame) -> str:
    """Invisible slices of time, each telling its moisture, rain and water when pointed at."""
    latest = {(at - axis.start) // axis.bin_s: vwc for at, vwc in readings}
    rain = binned(axis.rain, axis.start, axis.bin_s)
    water = binned(((run.start, run.litres) for run in runs), axis.start, axis.bin_s)
    parts = []
    for number in sorted(latest.keys() | rain.keys() | water.keys()):
        at = axis.start + number * axis.bin_s
        words = [moment(axis.local(at))]
        if number in latest:
            words.append(f"moisture {latest[number] * 100:.1f} %")
        if rain.get(number):
            words.append(f"rain {rain[number]:.1f} mm")
        if number in water:
            words.append(f"water {water[number]:,.0f} L")
        box = _Box(axis.x(at), axis.x(at + axis.bin_s), RAIN_TOP, WATER_BOTTOM)
        if box.x2 > box.x1:
            parts.append(_rect("hover", box, ", ".join(words)))
    return "".join(parts)


def _run_titles(runs: Sequence[Run], axis: Frame) -> str:
    parts = []
    for run in runs:
        left = axis.x(run.start)
        box = _Box(left - 2, max(axis.x(run.end), left + 2) + 2, SOIL_TOP, WATER_BOTTOM)  # wide enough to be hit
        parts.append(_rect("hover", box, run_words(run, axis)))
    return "".join(parts)


def run_words(run: Run, axis: Frame) -> str:
    """One run in words, as `Wed 1 Jul 05:00 to 05:42, 42 min, 1,260 L`."""
    minutes = round((run.end - run.start) / 60)
    return f"{moment(axis.local(run.start))} to {axis.local(run.end):%H:%M}, {minutes} min, {run.litres:,.0f} L"


def moment(local: datetime) -> str:
    """A moment as a grower says it: `Wed 1 Jul 05:00`."""
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"
