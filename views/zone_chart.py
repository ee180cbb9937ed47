"""One zone's chart as inline SVG: rain from above, soil moisture between its limits, irrigation from below."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from html import escape
from itertools import pairwise
from statistics import median
from typing import Any

from views.decisions import NO_DECISIONS, ZoneDecisions
from views.language import DAY_S, HOUR_S, Language
from views.svg import Box, line, rect, text
from views.trouble import Trouble
from views.words_en import ENGLISH

# Places in the drawing, in pixels of its own 380 x 240.
WIDTH, HEIGHT = 380, 240
CHART_LEFT, CHART_RIGHT = 46, 376
RAIN_TOP, RAIN_BOTTOM = 6, 40
SOIL_TOP, SOIL_BOTTOM = 46, 178
WATER_TOP, WATER_BOTTOM = 186, 220
MOST_BINS = 126  # of rain and hover titles: hourly up to five days and a bit
MOST_POINTS = 160  # of the moisture line, each its lowest and highest reading
LABEL_PX = 54
LETTER_PX = 9
TROUBLE_TOP, TROUBLE_PX, TROUBLE_ROWS = 181, 5, 3  # the lowest row of troubles, the height of one, how many

Reading = tuple[int, float]


@dataclass(frozen=True)
class Run:
    """One irrigation run, as its ack reported it: Unix seconds, litres."""

    start: int
    end: int
    litres: float


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One zone and what happened to it; `zone` is its row of zones.yaml."""

    zone: Mapping[str, Any]
    readings: Sequence[Reading]
    runs: Sequence[Run]
    troubles: Sequence[Trouble] = ()
    decisions: ZoneDecisions = NO_DECISIONS
    true: Sequence[Reading] = ()

    @property
    def due_below(self) -> float:
        """The moisture below which water is due, m3/m3."""
        full, wilting = self.zone["field_capacity"], self.zone["wilting_point"]
        return float(full - self.decisions.due_share(self.zone) * (full - wilting))

    @property
    def litres(self) -> float:
        """By the acks."""
        return sum(run.litres for run in self.runs)

    @property
    def lowest(self) -> Reading | None:
        """The driest reading."""
        return min(self.readings, key=lambda reading: reading[1], default=None)

    @property
    def state(self) -> str:
        """`fine`, `thirsty` (less than a quarter of the available water was left), `dry` or `unknown`."""
        if self.lowest is None:
            return "unknown"
        low, high = self.zone["wilting_point"], self.zone["field_capacity"]
        share = (self.lowest[1] - low) / (high - low)
        return "dry" if share < 0 else "thirsty" if share < 0.25 else "fine"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What all charts of a report share: the time they span (Unix s), the farm's time zone, scales and language."""

    start: int
    end: int
    timezone: tzinfo
    rain: Sequence[tuple[int, float]]  # hourly: Unix s, mm
    most_rain_mm: float  # of any bin
    bin_s: int
    language: Language = ENGLISH

    def x(self, at: float) -> float:
        """Where a moment stands."""
        share = (at - self.start) / (self.end - self.start)
        return CHART_LEFT + min(max(share, 0.0), 1.0) * (CHART_RIGHT - CHART_LEFT)

    def local(self, at: float) -> datetime:
        """The farm's own wall clock at a moment."""
        return datetime.fromtimestamp(at, UTC).astimezone(self.timezone)

    def moment(self, at: float) -> str:
        """A moment as the farm's people say it."""
        return self.language.moment(self.local(at))


def frame(
    start: int, end: int, timezone: tzinfo, rain: Iterable[tuple[int, float]], language: Language = ENGLISH
) -> Frame:
    """Lay out the time axis: bins of an hour or more, so that a season stays as readable as a week."""
    end = max(end, start + HOUR_S)
    bin_s = next((h * HOUR_S for h in (1, 2, 3, 6, 12, 24) if (end - start) / HOUR_S / h <= MOST_BINS), 24 * HOUR_S)
    hours = sorted((at, mm) for at, mm in rain if start <= at <= end)
    sums = binned(hours, start, bin_s)
    return Frame(
        start=start,
        end=end,
        timezone=timezone,
        rain=hours,
        most_rain_mm=max(sums.values(), default=0.0),
        bin_s=bin_s,
        language=language,
    )


def binned(values: Iterable[tuple[int, float]], start: int, bin_s: int) -> dict[int, float]:
    """Sum the values of each bin: bin number to sum."""
    sums: dict[int, float] = {}
    for at, value in values:
        number = (at - start) // bin_s
        sums[number] = sums.get(number, 0.0) + value
    return sums


def draw(plot: Plot, axis: Frame) -> str:
    """The whole chart. The zone gives field_capacity and wilting_point in m3/m3, as the readings are."""
    readings, runs = plot.readings, plot.runs
    name = axis.language.say("chart_name", zone=plot.zone["zone_id"])
    limits = _limits_of(plot)
    soil = _SoilScale(limits, readings)
    parts = [
        _bands(limits, soil),
        _days(axis),
        _rain(axis),
        _water(runs, axis),
        _line_of("true", plot.true, soil, axis),
        _moisture(readings, soil, axis),
        _line_of("belief", plot.decisions.beliefs(plot.zone), soil, axis),
        _limits(limits, soil, axis.language),
        _hover(readings, runs, axis),
        _run_titles(runs, axis),
        _troubles(plot.troubles, axis),
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'


class _SoilScale:
    """From m3/m3 to a height: all limits and all readings are in the picture."""

    def __init__(self, limits: Mapping[str, float], readings: Sequence[Reading]) -> None:
        levels = [*limits.values(), *(vwc for _, vwc in readings)]
        margin = (max(levels) - min(levels)) * 0.08 or 0.01
        self.low: float = min(levels) - margin
        self.high: float = max(levels) + margin

    def y(self, vwc: float) -> float:
        share = (vwc - self.low) / (self.high - self.low)
        return SOIL_BOTTOM - share * (SOIL_BOTTOM - SOIL_TOP)


def _limits_of(plot: Plot) -> dict[str, float]:
    """The moistures at which the soil is full, water is due, and the crop wilts."""
    zone = plot.zone
    full, wilting = float(zone["field_capacity"]), float(zone["wilting_point"])
    return {"field_capacity": full, "wilting_point": wilting, "refill_point": plot.due_below}


def _bands(limits: Mapping[str, float], soil: _SoilScale) -> str:
    """Ample, due and dry: the colours that let a chart be judged from afar."""
    edges = (soil.high, limits["refill_point"], limits["wilting_point"], soil.low)
    heights = [soil.y(edge) for edge in edges]
    return "".join(
        rect(kind, Box(CHART_LEFT, CHART_RIGHT, top, bottom))
        for kind, (top, bottom) in zip(("ample", "stress", "dry"), pairwise(heights), strict=True)
    )


def _limits(limits: Mapping[str, float], soil: _SoilScale, language: Language) -> str:
    """A line for each limit; its words only where they do not lie on another's."""
    parts: list[str] = []
    labels: list[float] = []
    for kind, level in limits.items():
        y = soil.y(level)
        parts.append(line(f"limit {kind}", CHART_LEFT, y, CHART_RIGHT, y))
        if all(abs(y - other) > LETTER_PX for other in labels):
            labels.append(y)
            parts.append(text("scale end", CHART_LEFT - 4, y + 3.5, language.percent(level)))
            parts.append(text("limit-name", CHART_LEFT + 4, y - 3, language.say(kind)))
    return "".join(parts)


def _midnights(axis: Frame) -> list[int]:
    """Unix seconds of the farm's midnights: a day of a clock change has 23 or 25 hours."""
    day = axis.local(axis.start).date()
    last = axis.local(axis.end).date()
    midnights = []
    while day <= last:
        midnights.append(int(datetime.combine(day, time(), axis.timezone).timestamp()))
        day += timedelta(days=1)
    return [*midnights, int(datetime.combine(day, time(), axis.timezone).timestamp())]


def _days(axis: Frame) -> str:
    midnights = _midnights(axis)
    step = max(1, round((axis.end - axis.start) / DAY_S * LABEL_PX / (CHART_RIGHT - CHART_LEFT) + 0.49))
    parts = []
    for number, (begin, following) in enumerate(pairwise(midnights)):
        if begin >= axis.start and (step == 1 or number % step == 0):
            parts.append(line("day", axis.x(begin), RAIN_TOP, axis.x(begin), WATER_BOTTOM + 4))
        if number % step:
            continue
        x1, x2 = axis.x(begin), axis.x(following) if step == 1 else axis.x(begin)
        local = axis.local(begin + HOUR_S)
        if step > 1 and begin >= axis.start and x1 < CHART_RIGHT - 20:
            parts.append(text("scale", x1 + 2, HEIGHT - 6, axis.language.date("short", local)))
        elif step == 1 and x2 - x1 > LABEL_PX * 0.6:
            parts.append(text("scale middle", (x1 + x2) / 2, HEIGHT - 6, axis.language.date("weekday", local)))
    return "".join(parts)


def _rain(axis: Frame) -> str:
    bars = []
    for number, mm in sorted(binned(axis.rain, axis.start, axis.bin_s).items()):
        if mm > 0:
            x1 = axis.x(axis.start + number * axis.bin_s)
            x2 = axis.x(axis.start + (number + 1) * axis.bin_s)
            height = mm / axis.most_rain_mm * (RAIN_BOTTOM - RAIN_TOP)
            bars.append(rect("rain", Box(x1, max(x2 - 0.6, x1 + 0.8), RAIN_TOP, RAIN_TOP + height)))
    return line("rim", CHART_LEFT, RAIN_TOP, CHART_RIGHT, RAIN_TOP) + "".join(bars) + _rain_words(axis)


def _rain_words(axis: Frame) -> str:
    say = axis.language.say
    total = sum(mm for _, mm in axis.rain)
    amount = say("little_rain") if 0 < total < 1 else say("mm", number=axis.language.number(total))
    return text("scale end", CHART_LEFT - 4, RAIN_TOP + 8, say("rain")) + text(
        "scale end", CHART_LEFT - 4, RAIN_TOP + 19, amount
    )


def _water(runs: Sequence[Run], axis: Frame) -> str:
    """Each run as a shade through the chart, and as a bar below it with its litres where there is room."""
    most = max((run.litres for run in runs), default=0.0) or 1.0
    parts = [
        line("rim", CHART_LEFT, WATER_BOTTOM, CHART_RIGHT, WATER_BOTTOM),
        text("scale end", CHART_LEFT - 4, WATER_BOTTOM - 2, axis.language.say("water")),
    ]
    free_from = 0.0
    for run in sorted(runs, key=lambda run: run.start):
        x1 = axis.x(run.start)
        x2 = max(axis.x(run.end), x1 + 2.4)
        height = run.litres / most * (WATER_BOTTOM - WATER_TOP - 10)
        parts.append(rect("run", Box(x1, x2, SOIL_TOP, WATER_BOTTOM)))
        parts.append(rect("water", Box(x1, x2, WATER_BOTTOM - height, WATER_BOTTOM)))
        label = litres(run.litres, axis.language) if run.litres < 10_000 else axis.language.volume(run.litres)
        half = len(label) * 2.6 + 3
        middle = min(max((x1 + x2) / 2, CHART_LEFT + half), CHART_RIGHT - half)
        if middle - half >= free_from:
            parts.append(text("litres middle", middle, WATER_BOTTOM - height - 3, label))
            free_from = middle + half
    return "".join(parts)


def _moisture(readings: Sequence[Reading], soil: _SoilScale, axis: Frame) -> str:
    if not readings:
        words = axis.language.say("no_readings")
        return text("nothing middle", (CHART_LEFT + CHART_RIGHT) / 2, (SOIL_TOP + SOIL_BOTTOM) / 2, words)
    return "".join(_line_of("moisture", stretch, soil, axis) for stretch in _stretches(readings))


def _line_of(kind: str, readings: Sequence[Reading], soil: _SoilScale, axis: Frame) -> str:
    """A line through all of them, without a gap; nothing if there is none."""
    if not readings:
        return ""
    points = [f"{axis.x(at):.1f},{soil.y(vwc):.1f}" for at, vwc in thinned(readings, axis.end - axis.start)]
    return f'<path class="{kind}" d="M{" ".join(points)}"/>'


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
    extremes: list[Reading] = []
    for members in slices.values():
        extremes += sorted({min(members, key=lambda r: r[1]), max(members, key=lambda r: r[1])})
    return extremes


def _hover(readings: Sequence[Reading], runs: Sequence[Run], axis: Frame) -> str:
    """Invisible slices of time, each telling its moisture, rain and water when pointed at."""
    latest = {(at - axis.start) // axis.bin_s: vwc for at, vwc in readings}
    rain = binned(axis.rain, axis.start, axis.bin_s)
    water = binned(((run.start, run.litres) for run in runs), axis.start, axis.bin_s)
    parts = []
    for number in sorted(latest.keys() | rain.keys() | water.keys()):
        at = axis.start + number * axis.bin_s
        box = Box(axis.x(at), axis.x(at + axis.bin_s), RAIN_TOP, WATER_BOTTOM)
        if box.x2 > box.x1:
            words = _hover_words(latest.get(number), rain.get(number), water.get(number), axis.language)
            parts.append(rect("hover", box, ", ".join([axis.moment(at), *words])))
    return "".join(parts)


def _hover_words(vwc: float | None, rain: float | None, water: float | None, language: Language) -> list[str]:
    words = []
    if vwc is not None:
        words.append(language.say("hover_moisture", moisture=language.percent(vwc, 1)))
    if rain:
        words.append(language.say("hover_rain", mm=language.number(rain, 1)))
    if water is not None:
        words.append(language.say("hover_water", water=litres(water, language)))
    return words


def _run_titles(runs: Sequence[Run], axis: Frame) -> str:
    parts = []
    for run in runs:
        x1 = axis.x(run.start)
        box = Box(x1 - 2, max(axis.x(run.end), x1 + 2) + 2, SOIL_TOP, WATER_BOTTOM)  # wide enough to be hit
        parts.append(rect("hover", box, run_words(run, axis)))
    return "".join(parts)


def _troubles(troubles: Sequence[Trouble], axis: Frame) -> str:
    """Each trouble as a stripe between soil and water, above those that lasted at the same time."""
    parts = []
    for number, trouble in enumerate(troubles):
        x1 = axis.x(trouble.begin)
        x2 = max(axis.x(min(trouble.end, axis.end)), x1 + 3)
        top = TROUBLE_TOP - number % TROUBLE_ROWS * TROUBLE_PX
        parts.append(rect("trouble", Box(x1, x2, top, top + TROUBLE_PX - 1), trouble.words))
    return "".join(parts)


def run_words(run: Run, axis: Frame) -> str:
    """One run in words, as `Wed 1 Jul 05:00 to 05:42, 42 min, 1,260 L`."""
    return axis.language.say(
        "run_words",
        begin=axis.moment(run.start),
        end=f"{axis.local(run.end):%H:%M}",
        minutes=axis.language.number((run.end - run.start) / 60),
        water=litres(run.litres, axis.language),
    )


def litres(volume_l: float, language: Language) -> str:
    """Litres to the litre, as one run is told."""
    return f"{language.number(volume_l)} L"
