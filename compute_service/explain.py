"""A decision for people: the sentence, the water book of the roots, each check, and what would have changed it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from agronomy.units import CALENDAR_MM_A_WEEK
from compute_service.domain.decide import REMEDIES

Row = Mapping[str, Any]


def clock(at: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def lines(decision: Row) -> Iterator[str]:
    """A decision as the store gives it, line by line."""
    yield f"{decision['decision_id']}, {clock(decision['at'])}"
    yield decision["sentence"]
    if decision["receipt"]:
        yield from _section("what it went by", _book(decision["receipt"]))
    yield from _section("checks, in their order", map(_check, decision["checks"]))
    yield from _section("what would have changed it", _otherwise(decision))


def _section(title: str, rows: Iterator[str]) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    yield from (f"  {row}" for row in rows)


def _book(receipt: Row) -> Iterator[str]:
    """The receipt's numbers, each beside the equation that it comes from."""
    numbers = dict(receipt)
    numbers["p"] = receipt["readily_available_mm"] / receipt["available_mm"]
    numbers["sources"] = ", ".join(f"{count} h {source}" for source, count in receipt["weather"].items()) or "none"
    yield from (line.format(**numbers) for line in _BOOK)
    for name, verdict in receipt["probes"].items():
        yield f"probe {name}: {verdict}"
    if receipt["unseen_mm"]:
        yield f"the probes did not see the last run of {receipt['unseen_mm']} mm"


_BOOK = (
    "crop on day {day}: {stage} season, Kc {kc}, roots of {roots_m} m",
    "the roots lack Dr = {depletion_mm} mm, +- {sigma_mm} mm",
    "Dr is that of the hour before, less rain and runs, plus ETc (FAO-56, equation 85), held against the probes",
    "in 24 h: ET0 {et0_mm_24h} mm ({sources}), rain {rain_mm_24h} mm, irrigation {irrigation_mm_24h} mm",
    "in 24 h: ETc = (Kcb + Ke) x {demand} x ET0 = {etc_mm_24h} mm (equation 69; {demand} is learned from the probes)",
    "the roots hold TAW = {available_mm} mm (equation 82)",
    "without stress it takes RAW = {p:.3f} x TAW = {readily_available_mm} mm (equation 83)",
    "water is due beyond {due_mm} mm, and brings Dr to {left_mm} mm; at the last day's pace in {next_water_in_h:.0f} h",
    "{spare_mm} mm more may go before the crop would suffer for it",
    "the probes read {offset} m3/m3 too much, by what the balance says",
    "given today {used_today_l:.0f} l, this season {used_season_l:.0f} l",
    f"a calendar of {CALENDAR_MM_A_WEEK:g} mm a week gives {{calendar_l:.0f}} l a day",
)


def _check(check: Row) -> str:
    mark = "passed" if check["passed"] else "FAILED"
    threshold = "" if check["threshold"] is None else f", held against {check['threshold']}"
    value = "nothing known" if check["value"] is None else check["value"]
    return f"{mark} {check['name']}: {value}{threshold}{': ' + check['why'] if check['why'] else ''}"


def _otherwise(decision: Row) -> Iterator[str]:
    """For water that was given, the reading nearest to none; else every check that stood in its way."""
    failures = [check for check in decision["checks"] if not check["passed"]]
    for check in failures:
        remedy = REMEDIES.get(check["name"], "the value within its threshold")  # of a check that is no longer there
        yield f"{check['name']}: {remedy.format(**check)}"
    if failures:
        yield (
            "with all of these there would have been water; one is not enough"
            if len(failures) > 1
            else ("with this alone there would have been water")
        )
    elif decision["receipt"]:
        over = decision["receipt"]["depletion_mm"] - decision["receipt"]["due_mm"]
        yield f"{over:.1f} mm of rain before, or as much less taken by the crop: then it would have waited"
