"""A decision for people: the sentence, the water book of the roots, each check, and what would have changed it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

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
    values = dict(receipt)
    values["p"] = receipt["readily_available_mm"] / receipt["available_mm"]
    values["sources"] = ", ".join(f"{count} h {source}" for source, count in receipt["weather"].items()) or "none"
    yield from (line.format(**values) for line in _BOOK)
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
    "a calendar of 25 mm a week gives {calendar_l:.0f} l a day",
)


def _check(check: Row) -> str:
    mark = "passed" if check["passed"] else "FAILED"
    limit = "" if check["threshold"] is None else f", held against {check['threshold']}"
    value = "nothing known" if check["value"] is None else check["value"]
    return f"{mark} {check['name']}: {value}{limit}{': ' + check['why'] if check['why'] else ''}"


def _otherwise(decision: Row) -> Iterator[str]:
    """For water that was given, the reading nearest to none; else every check that stood in its way."""
    failed = [check for check in decision["checks"] if not check["passed"]]
    for check in failed:
        yield f"{check['name']}: {_REMEDIES.get(check['name'], 'the value within its threshold').format(**check)}"
    if failed:
        yield (
            "with all of these there would have been water; one is not enough"
            if len(failed) > 1
            else ("with this alone there would have been water")
        )
    elif decision["receipt"]:
        over = decision["receipt"]["depletion_mm"] - decision["receipt"]["due_mm"]
        yield f"{over:.1f} mm of rain before, or as much less taken by the crop: then it would have waited"


_REMEDIES = {
    "fresh_reading": "a reading not older than {threshold} s",
    "believable_probes": "one probe whose readings can be believed",
    "nothing_under_way": "the end of the command under way",
    "cooled_down": "{threshold} s since the last run instead of {value}",
    "needs_water": "a depletion beyond {threshold} mm instead of {value} mm",
    "within_daily_cap": "{threshold} s left of the day's cap instead of {value}",
    "daily_budget": "more than {value} l left of the day's budget of {threshold} l",
    "seasonal_budget": "more than {value} l left of the season's budget of {threshold} l",
    "allowed_hour": "an hour in which watering is allowed",
    "no_frost": "{threshold} degrees or more instead of {value}",
    "calm": "a wind of at most {threshold} m/s instead of {value}",
    "no_rain_now": "less rain than {threshold} mm in the hour instead of {value}",
    "no_rain_ahead": "less rain in the forecast than {threshold} mm instead of {value}",
    "pump_free": "{threshold} l/min free at the pump instead of {value}",
    "bounded_run": "a run of {threshold} s or more instead of {value} s",
}
