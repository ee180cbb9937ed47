"""The frontier as a picture (SVG): of each climate, the harvest kept over the water given, in the mean of its sites."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean

from benchmarks.water.score import NONE, Row

WIDTH, HEIGHT, GAP, LEFT_EDGE, TOP, BOTTOM = 300, 220, 48, 46, 54, 40  # of a panel, and around the panels
MOST_MM, LEAST_KEPT, MOST_KEPT = 800, 0.70, 1.01
COLUMNS = 2
CALENDAR, ORACLE = "calendar_", "oracle_smt_"
MARKS = {  # policy: colour, and what it is called in the legend
    "calendar_eto": ("#7a5195", "calendar by ET0"),
    "shallow": ("#ef5675", "one shallow probe"),
    "fao56": ("#ffa600", "FAO-56 balance"),
    "fused": ("#00883e", "balance and probes fused"),
}
GREY, BLUE = "#b0b0b0", "#003f8c"


@dataclass(frozen=True, slots=True)
class Point:
    """A policy in a climate, in the mean of the sites."""

    policy: str
    mm: float
    yield_share: float


def svg(every: Iterable[Row]) -> str:
    """The picture of all climates not tuned on."""
    rows = [row for row in every if row.fault == NONE and not row.site.tuned_on]
    climates = list(dict.fromkeys(row.site.climate.name for row in rows))
    lines = -(-len(climates) // COLUMNS)
    width = LEFT_EDGE + COLUMNS * (WIDTH + GAP)
    height = TOP + lines * (HEIGHT + BOTTOM + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"',
        ' font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_legend(),
    ]
    for number, climate in enumerate(climates):
        x, y = LEFT_EDGE + number % COLUMNS * (WIDTH + GAP), TOP + number // COLUMNS * (HEIGHT + BOTTOM + GAP)
        parts += [f'<g transform="translate({x} {y})">', *_panel(climate, points(rows, climate)), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def points(rows: list[Row], climate: str) -> list[Point]:
    """The mean over a climate's sites of each policy, driest first."""
    by_policy: dict[str, list[Row]] = {}
    for row in rows:
        if row.site.climate.name == climate:
            by_policy.setdefault(row.policy, []).append(row)
    means = [
        Point(policy, fmean(row.irrigation_mm for row in own), fmean(row.mean for row in own))
        for policy, own in by_policy.items()
    ]
    return sorted(means, key=lambda point: point.mm)


def _panel(climate: str, dots: list[Point]) -> Iterator[str]:
    yield f'<text x="0" y="-8" font-weight="bold">{climate}</text>'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>'
    for mm in range(0, MOST_MM + 1, 200):
        yield f'<text x="{_x(mm):.0f}" y="{HEIGHT + 15}" text-anchor="middle">{mm}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT + 29}" text-anchor="middle">irrigation, mm a season</text>'
    for percent in (70, 80, 90, 100):
        y = _y(percent / 100)
        yield f'<path d="M0 {y:.1f}H{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="-5" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>'
    oracle = " ".join(f"{_x(at.mm):.1f},{_y(at.yield_share):.1f}" for at in dots if at.policy.startswith(ORACLE))
    yield f'<polyline points="{oracle}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>'
    yield from (_dot(at, GREY, 2.5) for at in dots if at.policy.startswith(CALENDAR) and at.policy not in MARKS)
    yield from (_dot(at, MARKS[at.policy][0], 5) for at in dots if at.policy in MARKS)


def _dot(at: Point, colour: str, radius: float) -> str:
    title = f"{at.policy}: {at.mm:.0f} mm, {at.yield_share:.1%}"
    if not (at.mm <= MOST_MM and at.yield_share >= LEAST_KEPT):
        return f"<!-- {title} -->"
    place = f'cx="{_x(at.mm):.1f}" cy="{_y(at.yield_share):.1f}"'
    return f'<circle {place} r="{radius}" fill="{colour}"><title>{title}</title></circle>'


def _legend() -> Iterator[str]:
    entries = [(GREY, "fixed calendars"), *MARKS.values(), (BLUE, "oracle (line)")]
    for number, (colour, name) in enumerate(entries):
        x, y = LEFT_EDGE + number % 3 * 200, 12 + number // 3 * 16
        yield f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/><text x="{x + 9}" y="{y + 4}">{name}</text>'


def _x(mm: float) -> float:
    return WIDTH * mm / MOST_MM


def _y(yield_share: float) -> float:
    return HEIGHT * (MOST_KEPT - max(yield_share, LEAST_KEPT)) / (MOST_KEPT - LEAST_KEPT)
