"""The report of a demonstration: one HTML file that needs nothing else, for screen, telephone and printer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

from local_cloud.demo.zone_chart import Frame, Reading, Run, draw, frame, moment
from protocol.messages import FINAL_STATES

TEMPLATE = Path(__file__).with_name("report.html")

Document = Mapping[str, Any]
_GOOD = {True: "good", False: "bad"}


@dataclass(frozen=True)
class Plot:
    """One zone and what happened to it."""

    zone: dict[str, Any]
    readings: Sequence[Reading]
    runs: Sequence[Run]

    @property
    def litres(self) -> float:
        return sum(run.litres for run in self.runs)

    @property
    def lowest(self) -> Reading | None:
        return min(self.readings, key=lambda reading: reading[1], default=None)


def write_report(  # noqa: PLR0913, PLR0917 - the six documents that a run leaves
    folder: Path,
    summary: Document,
    zones: Document,
    events: Iterable[Document],
    traces: Mapping[str, Sequence[Sequence[float]]],
    weather: Iterable[Document],
) -> Path:
    """Write `report.html` into the folder and return its path.

    `summary` has the keys of docs/summary.schema.json; `zones` is the document of zones.yaml; `traces` gives each
    zone's readings as (Unix s, m3/m3); `weather` is hourly, with `at` (Unix s) and `rain_mm`. Raises OSError.
    """
    events = list(events)
    runs = runs_by_zone(events)
    plots = [
        Plot(zone, _readings(traces.get(zone["zone_id"], ())), runs.get(zone["zone_id"], [])) for zone in zones["zones"]
    ]
    axis = _axis(plots, weather, ZoneInfo(zones["timezone"]))
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        farm=escape(zones["farm"]),
        headline=escape(headline(summary)),
        period=escape(_period(axis, zones)),
        figures=_figures(summary, plots, axis),
        safety=_table(_safety_rows(summary, events)),
        lake=_table(_lake_rows(summary)),
        plots="".join(_card(plot, axis) for plot in plots),
        footer=escape(_footer(summary)),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def runs_by_zone(events: Iterable[Document]) -> dict[str, list[Run]]:
    """Every run that an ack reported, once, however often the ack came."""
    finals = {
        event["command_id"]: event
        for event in events
        if event["kind"] == "ack" and event["state"] in FINAL_STATES and event.get("duration_s")
    }
    runs: dict[str, list[Run]] = {}
    for ack in sorted(finals.values(), key=lambda ack: ack["at"]):
        run = Run(round(ack["at"] - ack["duration_s"]), ack["at"], ack.get("volume_l") or 0.0)
        runs.setdefault(ack["zone_id"], []).append(run)
    return runs


def headline(summary: Document) -> str:
    """The whole run in one sentence."""
    late, dry = summary["valve_bound_violations"], summary["zones_below_wilting_point"]
    lost = summary["samples_lost"]
    watered = volume(summary["litres_delivered"])
    words = [
        f"{count(summary['field_days'], 'day')}, {count(summary['zones'], 'plot')}: {watered} delivered",
        f"{count(late, 'valve opening')} beyond the bound" if late else "every valve closed on time",
    ]
    if dry:
        words.append(f"{count(dry, 'plot')} below the wilting point")
    if lost:
        words.append(f"{count(lost, 'sample')} lost")
    return ", ".join(words)


def count(number: int, noun: str) -> str:
    """A number and its noun, as `1 day` or `24 plots`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def volume(litres: float) -> str:
    """Litres in the unit that reads well, as `840 L`, `8.4 m³` or `118 m³`."""
    if litres < 1000:
        return f"{litres:,.0f}\u00a0L"
    return f"{litres / 1000:,.1f}\u00a0m³" if litres < 100_000 else f"{litres / 1000:,.0f}\u00a0m³"


def _readings(trace: Iterable[Sequence[float]]) -> list[Reading]:
    return sorted((int(at), float(vwc)) for at, vwc in trace)


def _axis(plots: Sequence[Plot], weather: Iterable[Document], timezone: tzinfo) -> Frame:
    rain = [(int(hour["at"]), float(hour["rain_mm"] or 0.0)) for hour in weather]
    moments = [at for plot in plots for at, _ in plot.readings] or [at for at, _ in rain] or [0]
    return frame(min(moments), max(moments), timezone, rain)


def _period(axis: Frame, zones: Document) -> str:
    first, last = axis.local(axis.start), axis.local(axis.end)
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}, in the farm's time ({zones['timezone']})"


def _figures(summary: Document, plots: Sequence[Plot], axis: Frame) -> str:
    area = sum(plot.zone["area_m2"] for plot in plots)
    runs = [run for plot in plots for run in plot.runs]
    minutes = sum(run.end - run.start for run in runs) / 60
    above = summary["zones"] - summary["zones_below_wilting_point"]
    rows = (
        (
            volume(summary["litres_delivered"]),
            f"of water, {summary['litres_delivered'] / area:.1f} mm on {area / 1e4:,.2f}\u00a0ha",
        ),
        (f"{sum(mm for _, mm in axis.rain):.1f} mm", "of rain"),
        (f"{len(runs):,}", f"irrigation runs, {minutes / len(runs):.0f}\u00a0min each" if runs else "irrigation runs"),
        (f"{above} of {summary['zones']}", "plots always above the wilting point"),
        (f"{summary['samples_in_lake']:,}", f"soil and weather samples kept, {summary['samples_lost']:,} lost"),
    )
    return "".join(f"<div><b>{escape(value)}</b><span>{escape(words)}</span></div>" for value, words in rows)


def _safety_rows(summary: Document, events: Sequence[Document]) -> list[tuple[str, str, bool]]:
    violations = summary["valve_bound_violations"]
    refusals = sum(event["kind"] == "refusal" for event in events)
    return [
        ("Valves open beyond their bound", f"{violations:,}", violations == 0),
        ("Commands sent", f"{summary['commands_sent']:,}", True),
        ("Commands done", f"{summary['commands_done']:,}", True),
        ("Commands rejected", f"{summary['commands_rejected']:,}", True),
        ("Commands expired", f"{summary['commands_expired']:,}", True),
        ("Requests refused by gate, gateways or service", f"{refusals:,}", True),
        (
            "Plots below the wilting point",
            f"{summary['zones_below_wilting_point']:,}",
            summary["zones_below_wilting_point"] == 0,
        ),
    ]


def _lake_rows(summary: Document) -> list[tuple[str, str, bool]]:
    lost = summary["samples_lost"]
    return [
        ("Samples taken", f"{summary['samples_taken']:,}", True),
        ("Samples in the lake", f"{summary['samples_in_lake']:,}", True),
        ("In quarantine", f"{summary['samples_quarantined']:,}", True),
        ("Dropped by a full outbox", f"{summary['samples_dropped_by_outbox']:,}", True),
        ("Lost", f"{lost:,}", lost == 0),
        ("Duplicates left out", f"{summary['duplicates_dropped']:,}", True),
        ("Tables", f"{summary['glue_database']}: {', '.join(summary['glue_tables'])}", True),
        ("SHA-256 of the lake", str(summary["lake_sha256"])[:16] + "…", True),
    ]


def _table(rows: Iterable[tuple[str, str, bool]]) -> str:
    lines = (
        f'<tr class="{_GOOD[good]}"><th>{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value, good in rows
    )
    return f"<table>{''.join(lines)}</table>"


def _card(plot: Plot, axis: Frame) -> str:
    zone = plot.zone
    chart = draw(zone, plot.readings, plot.runs, axis, f"{zone['zone_id']}: soil moisture, rain and irrigation")
    return (
        f'<article><header><h3><i class="{_state(plot)}"></i>{escape(zone["zone_id"])}</h3>'
        f"<p>{escape(_about(zone))}</p></header>"
        f'{chart}<p class="sum">{escape(_in_words(plot, axis))}</p></article>'
    )


def _about(zone: Document) -> str:
    return f"{zone['crop']} · {zone['soil']} · {zone['area_m2']:,.0f} m² · {zone['gateway_id']}"


def _state(plot: Plot) -> str:
    """`fine`, `thirsty` (less than a quarter of the available water was left), `dry` or `unknown`."""
    if plot.lowest is None:
        return "unknown"
    low, high = plot.zone["wilting_point"], plot.zone["field_capacity"]
    share = (plot.lowest[1] - low) / (high - low)
    return "dry" if share < 0 else "thirsty" if share < 0.25 else "fine"


def _in_words(plot: Plot, axis: Frame) -> str:
    litres = plot.litres
    water = f"{volume(litres)} in {count(len(plot.runs), 'run')} ({litres / plot.zone['area_m2']:.1f} mm)"
    if plot.lowest is None:
        return f"{water}; no readings"
    at, vwc = plot.lowest
    return (
        f"{water if plot.runs else 'no irrigation'}; lowest moisture {vwc * 100:.1f}\u00a0% on {moment(axis.local(at))}"
    )


def _footer(summary: Document) -> str:
    return (
        f"PythoFlow demonstration: {count(summary['gateways'], 'gateway')}, seed {summary['seed']}, "
        f"{summary['broker']} broker, {summary['messages_published']:,} messages, {summary['seconds']:.0f} s of work. "
        "The weather comes from records and the soil is a model; "
        "gateways, messages, decisions and lake are the real programs."
    )
