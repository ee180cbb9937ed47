"""From trials to rows, and from rows to the judgement: who keeps the harvest, and with how much water.

A policy keeps the harvest of a site if it has at least 99 % of the full yield in the mean of the seasons and 98 % in
the worst, each season against its own yield without any shortage of water.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from benchmarks.water.sites import Site
from benchmarks.water.trial import ORACLE, Result

MEAN_KEPT, WORST_KEPT, MEAN_KEPT_FAULTY = 0.99, 0.98, 0.98
LESS_THAN_CALENDAR, OVER_ORACLE = 0.30, 0.35  # what is asked of `fused`
NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A policy on a site with a fault: means over the seasons, and the worst season's share of its full yield."""

    site: Site
    policy: str
    fault: str
    seasons: int
    yield_t_ha_mean: float
    yield_t_ha_min: float
    full_yield_t_ha: float
    irrigation_mm: float
    drainage_mm: float
    events: float
    worst: float

    @property
    def mean(self) -> float:
        """The share of the full yield, in the mean."""
        return self.yield_t_ha_mean / self.full_yield_t_ha

    @property
    def keeps(self) -> bool:
        """Does it keep the harvest?"""
        return self.mean >= MEAN_KEPT and self.worst >= WORST_KEPT

    def document(self) -> dict[str, Any]:
        """The row as it is published."""
        climate = self.site.climate
        return {
            "policy": self.policy,
            "climate": climate.name,
            "soil": self.site.soil,
            "crop": self.site.crop,
            "seasons": self.seasons,
            "tuned_on": climate.tuned_on,
            "fault": self.fault,
            "yield_t_ha_mean": round(self.yield_t_ha_mean, 4),
            "yield_t_ha_min": round(self.yield_t_ha_min, 4),
            "full_yield_t_ha": round(self.full_yield_t_ha, 4),
            "irrigation_mm": round(self.irrigation_mm, 2),
            "drainage_mm": round(self.drainage_mm, 2),
            "events": round(self.events, 2),
        }


def rows(results: Iterable[Result]) -> list[Row]:
    """A row for each site, policy and fault."""
    groups: dict[tuple[Site, str, str], list[Result]] = defaultdict(list)
    for result in results:
        groups[result.site, result.policy, result.fault].append(result)
    return [_row(*key, group) for key, group in groups.items()]


def _row(site: Site, policy: str, fault: str, group: list[Result]) -> Row:
    yields = [result.outcome.yield_t_ha for result in group]
    return Row(
        site=site,
        policy=policy,
        fault=fault,
        seasons=len(group),
        yield_t_ha_mean=fmean(yields),
        yield_t_ha_min=min(yields),
        full_yield_t_ha=fmean(result.full_yield_t_ha for result in group),
        irrigation_mm=fmean(result.outcome.irrigation_mm for result in group),
        drainage_mm=fmean(result.outcome.drainage_mm for result in group),
        events=fmean(result.outcome.events for result in group),
        worst=min(result.outcome.yield_t_ha / result.full_yield_t_ha for result in group),
    )


class Sheet:
    """The rows of one site."""

    def __init__(self, site: Site, rows: list[Row]) -> None:
        self.site = site
        self._rows = {(row.policy, row.fault): row for row in rows}

    def get(self, policy: str, fault: str = NONE) -> Row | None:
        """A row, if it was tried."""
        return self._rows.get((policy, fault))

    def faults(self, policy: str) -> list[Row]:
        """The rows of a policy with faults."""
        return [row for (name, fault), row in self._rows.items() if name == policy and fault != NONE]

    def calendar(self) -> Row | None:
        """The fixed calendar with the least water of those that keep the harvest."""
        return self._least(row for row in self._clean("calendar_") if row.policy != "calendar_eto")

    def oracle(self) -> Row | None:
        """The oracle's threshold with the least water of those that keep the harvest."""
        least = self._least(self._clean(ORACLE))
        return least and replace(least, policy=ORACLE)

    def frontier(self, begin: str) -> list[Row]:
        """The rows of a family without faults that no other has both more yield and less water than, driest first."""
        best, front = 0.0, []
        for row in sorted(self._clean(begin), key=lambda row: (row.irrigation_mm, -row.mean)):
            if row.mean > best:
                best = row.mean
                front.append(row)
        return front

    def oracle_mm_at(self, mean: float) -> float | None:
        """What the oracle's frontier needs for a share of the full yield, between its thresholds; None beyond them."""
        front = self.frontier(ORACLE)
        for drier, wetter in pairwise(front):
            if drier.mean <= mean <= wetter.mean:
                part = (mean - drier.mean) / (wetter.mean - drier.mean)
                return drier.irrigation_mm + part * (wetter.irrigation_mm - drier.irrigation_mm)
        return None

    def _clean(self, begin: str) -> list[Row]:
        return [row for (name, fault), row in self._rows.items() if fault == NONE and name.startswith(begin)]

    @staticmethod
    def _least(rows: Iterable[Row]) -> Row | None:
        return min((row for row in rows if row.keeps), key=lambda row: row.irrigation_mm, default=None)


def sheets(rows: Iterable[Row]) -> list[Sheet]:
    """The rows by site."""
    by_site: dict[Site, list[Row]] = defaultdict(list)
    for row in rows:
        by_site[row.site].append(row)
    return [Sheet(site, own) for site, own in by_site.items()]


def published(rows: list[Row]) -> list[dict[str, Any]]:
    """The scorecard's file: every row, the oracle's grid and rain alone left out but for the oracle that was chosen."""
    plain = [row for row in rows if not row.policy.startswith(ORACLE) and row.policy != "rainfed"]
    oracles = [oracle for sheet in sheets(rows) if (oracle := sheet.oracle())]
    return [row.document() for row in (*plain, *oracles)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is asked, what was found, and whether that will do."""

    demand: str
    outcome: str
    passed: bool


def judge(some: list[Sheet], policy: str = "fused") -> list[Verdict]:
    """What is asked of a policy, over sites that it was not tuned on; nothing where what it needs was not tried."""
    verdicts: list[Verdict] = []
    for part in (_harvest, _against_calendar, _against_fao56, _against_oracle, _with_faults):
        verdicts += part(some, policy)
    return verdicts


def _harvest(some: list[Sheet], policy: str) -> list[Verdict]:
    own = [row for sheet in some if (row := sheet.get(policy))]
    if not own:
        return []
    mean, worst = min(own, key=lambda row: row.mean), min(own, key=lambda row: row.worst)
    return [
        Verdict(
            f"{policy} keeps {MEAN_KEPT:.0%} of the full yield in the mean on every site",
            f"least {mean.mean:.2%} ({mean.site.name}), {_share(row.mean >= MEAN_KEPT for row in own)} sites",
            mean.mean >= MEAN_KEPT,
        ),
        Verdict(
            f"{policy} keeps {WORST_KEPT:.0%} in the worst season of every site",
            f"least {worst.worst:.2%} ({worst.site.name}), {_share(row.worst >= WORST_KEPT for row in own)} sites",
            worst.worst >= WORST_KEPT,
        ),
    ]


def _against_calendar(some: list[Sheet], policy: str) -> list[Verdict]:
    pairs = [(row, calendar) for sheet in some if (row := sheet.get(policy)) and (calendar := sheet.calendar())]
    if not pairs:
        return []
    savings = [(1 - row.irrigation_mm / calendar.irrigation_mm, row.site.name) for row, calendar in pairs]
    middle, least = median(part for part, _ in savings), min(savings)
    return [
        Verdict(
            f"{policy} uses {LESS_THAN_CALENDAR:.0%} less than the smallest calendar that keeps the harvest (median)",
            f"{middle:.1%} less over {len(savings)} sites",
            middle >= LESS_THAN_CALENDAR,
        ),
        Verdict(f"{policy} never uses more than it", f"least saving {least[0]:.1%} ({least[1]})", least[0] >= 0),
    ]


def _against_fao56(some: list[Sheet], policy: str) -> list[Verdict]:
    pairs = [(row, book) for sheet in some if (row := sheet.get(policy)) and (book := sheet.get("fao56"))]
    if not pairs or policy == "fao56":
        return []
    more = [(row.irrigation_mm / book.irrigation_mm - 1, row.site.name) for row, book in pairs]
    return [
        Verdict(
            f"{policy} is at or below fao56",
            f"{median(part for part, _ in more):+.1%} in the median, most {max(more)[0]:+.1%} ({max(more)[1]})",
            max(more)[0] <= 0,
        )
    ]


def _against_oracle(some: list[Sheet], policy: str) -> list[Verdict]:
    pairs = [(row, oracle) for sheet in some if (row := sheet.get(policy)) and (oracle := sheet.oracle())]
    if not pairs:
        return []
    over = [(row.irrigation_mm / oracle.irrigation_mm - 1, row.site.name) for row, oracle in pairs]
    middle, most = median(part for part, _ in over), max(over)
    return [
        Verdict(
            f"{policy} is within {OVER_ORACLE:.0%} of oracle_smt where both keep the harvest (median)",
            f"{middle:+.1%} in the median, most {most[0]:+.1%} ({most[1]})",
            middle <= OVER_ORACLE,
        )
    ]


def _with_faults(some: list[Sheet], policy: str) -> list[Verdict]:
    own = [(row, sheet.calendar()) for sheet in some for row in sheet.faults(policy)]
    return [_fault(fault, policy, own) for fault in dict.fromkeys(row.fault for row, _ in own)]


def _fault(fault: str, policy: str, own: list[tuple[Row, Row | None]]) -> Verdict:
    mine = [(row, calendar) for row, calendar in own if row.fault == fault]
    mean = fmean(row.mean for row, _ in mine)
    least = min(mine, key=lambda pair: pair[0].mean)[0]
    over = max(row.irrigation_mm / calendar.irrigation_mm - 1 for row, calendar in mine if calendar)
    return Verdict(
        f"{policy}, {fault}: {MEAN_KEPT_FAULTY:.0%} of the full yield, never above that calendar",
        f"{mean:.2%} in the mean, least {least.mean:.2%} ({least.site.name}); {over:+.1%} of the calendar at most",
        least.mean >= MEAN_KEPT_FAULTY and over <= 0,
    )


def _share(passed: Iterable[bool]) -> str:
    marks = list(passed)
    return f"{sum(marks)} of {len(marks)}"
