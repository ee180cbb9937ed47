"""Plot by plot: what happened to each zone, as a card with its chart and a line of words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from views.decisions import NO_DECISIONS, ZoneDecisions
from views.diary import diary, diary_list
from views.events import Document, settling_acks
from views.language import NBSP, Language
from views.trouble import Trouble
from views.zone_chart import Frame, Plot, Reading, Run, draw

Traces = Mapping[str, Iterable[Sequence[float]]]


@dataclass(frozen=True)
class FarmHistory:
    """What is known of a farm's zones, by zone id: traces are (Unix s, m3/m3), and `true` is what no probe sees."""

    traces: Traces
    runs: Mapping[str, Sequence[Run]]
    decisions: Mapping[str, ZoneDecisions]
    troubles: Sequence[Trouble] = ()
    true: Traces = field(default_factory=dict)


def plots_of(zones: Iterable[Document], history: FarmHistory) -> list[Plot]:
    """Every zone with its readings, its runs, what troubled it, what was decided and the true moisture."""
    return [_plot(zone, history) for zone in zones]


def _plot(zone: Document, history: FarmHistory) -> Plot:
    zone_id = zone["zone_id"]
    return Plot(
        zone=zone,
        readings=_readings(history.traces.get(zone_id, ())),
        runs=history.runs.get(zone_id, []),
        troubles=[trouble for trouble in history.troubles if trouble.touches(zone)],
        decisions=history.decisions.get(zone_id, NO_DECISIONS),
        true=_readings(history.true.get(zone_id, ())),
    )


def runs_by_zone(events: Iterable[Document]) -> dict[str, list[Run]]:
    """Every run that an ack reported, once, however often the ack came."""
    acks = [ack for ack in settling_acks(events).values() if ack.get("duration_s")]
    runs: dict[str, list[Run]] = {}
    for ack in sorted(acks, key=lambda ack: float(ack["at"])):
        run = Run(round(ack["at"] - ack["duration_s"]), ack["at"], ack.get("volume_l") or 0.0)
        runs.setdefault(ack["zone_id"], []).append(run)
    return runs


def cards(plots: Iterable[Plot], axis: Frame) -> str:
    """A card for every plot."""
    return "".join(_card(plot, axis) for plot in plots)


def anchor(zone_id: str) -> str:
    """Where on the page a zone's card is."""
    return escape(f"zone-{zone_id}")


def _readings(trace: Iterable[Sequence[float]]) -> list[Reading]:
    return sorted((int(at), float(vwc)) for at, vwc in trace)


def _card(plot: Plot, axis: Frame) -> str:
    zone_id = plot.zone["zone_id"]
    return (
        f'<article id="{anchor(zone_id)}"><header><h3><i class="{plot.state}"></i>{escape(zone_id)}</h3>'
        f"<p>{escape(_about(plot.zone, axis.language))}</p></header>"
        f'{draw(plot, axis)}<p class="sum">{escape(_in_words(plot, axis))}</p>'
        f"{diary_list(diary(plot.zone, plot.decisions, axis), axis)}</article>"
    )


def _about(zone: Document, language: Language) -> str:
    return language.say(
        "about",
        crop=language.called(zone["crop"]),
        soil=language.called(zone["soil"]),
        area=language.number(zone["area_m2"]),
        gateway=zone["gateway_id"],
    )


def _in_words(plot: Plot, axis: Frame) -> str:
    language = axis.language
    water = _water(plot, language) if plot.runs else language.say("not_watered")
    if plot.lowest is None:
        return language.say("unread", water=water)
    at, vwc = plot.lowest
    moment = axis.moment(at).replace(" ", NBSP)
    return language.say("lowest", water=water, moisture=language.percent(vwc, 1), moment=moment)


def _water(plot: Plot, language: Language) -> str:
    return language.say(
        "watered",
        water=language.volume(plot.litres),
        runs=language.count(len(plot.runs), "run"),
        mm=language.number(plot.litres / plot.zone["area_m2"], 1),
    )
