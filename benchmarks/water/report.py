"""The scorecard for people: a table of policies, one of faults, the judgement; and the frontier for the plot."""

from collections.abc import Iterable
from statistics import fmean, median
from typing import Any

from benchmarks.water.score import NONE, Row, Sheet, judge, sheets
from benchmarks.water.trial import FAULTY

HEAD = "| policy | sites | yield kept, mean | worst season | irrigation mm | drainage mm | runs | keep the harvest |"
FAULT_HEAD = (
    "| policy | fault | sites | yield kept, mean | least site | worst season | irrigation mm | of calendar, most |"
)
POLICIES = ("rainfed", "calendar_eto", "shallow", "fao56", "fused")


def text(rows: list[Row]) -> str:
    """All tables and verdicts, as Markdown."""
    every = sheets(rows)
    judged, tuned = ([sheet for sheet in every if sheet.site.tuned_on is on] for on in (False, True))
    parts = []
    for title, some in (("Reported: not tuned on", judged), ("Tuned on", tuned)):
        if some:
            parts += [f"\n## {title}\n", *policy_table(some), "", *fault_table(some)]
    parts += [
        "\n## By site\n",
        *site_table(every),
        "\n## Judgement, over the sites not tuned on\n",
        *verdicts(judged),
    ]
    return "\n".join(parts)


def policy_table(some: list[Sheet]) -> list[str]:
    """A line for each policy, over the sites; the smallest calendar and the oracle are chosen site by site."""
    own_rows = {name: [row for sheet in some if (row := sheet.get(name))] for name in POLICIES}
    own_rows["smallest calendar"] = [row for sheet in some if (row := sheet.calendar())]
    own_rows["oracle_smt"] = [row for sheet in some if (row := sheet.oracle())]
    return [HEAD, _rule(HEAD), *(_policy_line(name, own) for name, own in own_rows.items() if own)]


def _policy_line(name: str, own: list[Row]) -> str:
    keepers = sum(row.keeps for row in own)
    return (
        f"| {name} | {len(own)} | {fmean(row.mean for row in own):.2%} | {min(row.worst for row in own):.2%}"
        f" | {_mean(own, 'irrigation_mm'):.0f} | {_mean(own, 'drainage_mm'):.0f} | {_mean(own, 'events'):.1f}"
        f" | {keepers} of {len(own)} |"
    )


def fault_table(some: list[Sheet]) -> list[str]:
    """A line for each policy and fault, over the sites that faults are tried on."""
    lines = []
    for policy in FAULTY:
        faulty = [sheet for sheet in some if sheet.faults(policy)]
        names = dict.fromkeys([NONE, *(row.fault for sheet in faulty for row in sheet.faults(policy))])
        lines += [_fault_line(policy, name, faulty) for name in names if faulty]
    return [FAULT_HEAD, _rule(FAULT_HEAD), *lines] if lines else []


def _fault_line(policy: str, fault: str, faulty: list[Sheet]) -> str:
    own = [(row, sheet.calendar()) for sheet in faulty if (row := sheet.get(policy, fault))]
    mine = [row for row, _ in own]
    against = [row.irrigation_mm / calendar.irrigation_mm - 1 for row, calendar in own if calendar]
    means = [row.mean for row in mine]
    return (
        f"| {policy} | {fault} | {len(own)} | {fmean(means):.2%} | {min(means):.2%}"
        f" | {min(row.worst for row in mine):.2%} | {_mean(mine, 'irrigation_mm'):.0f}"
        f" | {f'{max(against):+.0%}' if against else '-'} |"
    )


def site_table(some: Iterable[Sheet]) -> list[str]:
    """A line for each site: water (mm) and yield kept (mean, worst), of the policies that matter."""
    names = ("rainfed", "calendar_eto", "shallow", "fao56", "fused")
    head = f"| site | seasons | {' | '.join(names)} | smallest calendar | oracle_smt |"
    return [head, _rule(head), *(_site_line(sheet, names) for sheet in some)]


def _site_line(sheet: Sheet, names: tuple[str, ...]) -> str:
    plain = [sheet.get(name) for name in names]
    seasons = max((row.seasons for row in plain if row), default=0)
    calendar, oracle = sheet.calendar(), sheet.oracle()
    cells = [_cell(row) for row in (*plain, calendar, oracle)]
    calendar_cell = (
        f"{calendar.policy.removeprefix('calendar_').replace('_', ' mm / ')} d: {cells[-2]}" if calendar else "-"
    )
    return f"| {sheet.site.name} | {seasons} | {' | '.join(cells[:-2])} | {calendar_cell} | {cells[-1]} |"


def _cell(row: Row | None) -> str:
    return "-" if row is None else f"{row.irrigation_mm:.0f} ({row.mean:.1%}, {row.worst:.1%})"


def verdicts(some: list[Sheet]) -> list[str]:
    """What is asked of `fused`, line by line."""
    lines = [f"- {'yes' if verdict.passed else 'NO '}  {verdict.demand}: {verdict.outcome}" for verdict in judge(some)]
    return [*lines, *_at_equal_yield(some)] or ["- nothing that is asked of was tried"]


def _at_equal_yield(some: list[Sheet]) -> list[str]:
    """The oracle at exactly the yield of `fused`, for what it is worth: information, not a condition."""
    pairs = [(row, mm) for sheet in some if (row := sheet.get("fused")) and (mm := sheet.oracle_mm_at(row.mean))]
    if not pairs:
        return []
    middle = median(row.irrigation_mm / mm - 1 for row, mm in pairs)
    return [
        f"- (at exactly the mean yield of fused, the oracle's frontier: {middle:+.1%} in the median of {len(pairs)})"
    ]


def frontier(rows: list[Row]) -> list[dict[str, Any]]:
    """Every row without faults, the oracle's grid and rain alone too, with the worst season: what the plot needs."""
    return [{**row.document(), "worst_season": round(row.worst, 4)} for row in rows if row.fault == NONE]


def _mean(own: list[Row], quantity: str) -> float:
    return fmean(getattr(row, quantity) for row in own)


def _rule(head: str) -> str:
    return "|---" * (head.count("|") - 1) + "|"
