"""Plot by plot: what happened to each zone, as a card with its chart and a line of words."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from demo.faults.evidence import Document, Fault, fault_touches
from demo.faults.fault_words import kind_of
from protocol.messages import FINAL_STATES
from views.decided import Decided
from views.diary import diary, diary_list
from views.language import NBSP, Language
from views.zone_chart import Frame, Plot, Reading, Run, Trouble, draw

Traces = Mapping[str, Iterable[Sequence[float]]]


def plots_of(  # noqa: PLR0913, PLR0917  # what is known of a zone
    zones: Iterable[Document],
    traces: Traces,
    runs: Mapping[str, Sequence[Run]],
    faults: Sequence[Fault],
    decided: Mapping[str, Decided],
    true: Traces,
    language: Language,
) -> list[Plot]:
    """Every zone with its readings, its runs, the faults that touched it, what was decided and the true moisture."""
    return [
        Plot(
            zone,
            _readings(traces.get(zone["zone_id"], ())),
            runs.get(zone["zone_id"], []),
            [_trouble(fault, language) for fault in faults if fault_touches(fault, zone)],
            decided.get(zone["zone_id"], Decided()),
            _readings(true.get(zone["zone_id"], ())),
        )
        for zone in zones
    ]


def runs_by_zone(events: Iterable[Document]) -> dict[str, list[Run]]:
    """Every run that an ack reported, once, however often the ack came."""
    finals = {
        event["command_id"]: event
        for event in events
        if event["kind"] == "ack" and event["state"] in FINAL_STATES and event.get("duration_s")
    }
    runs: dict[str, list[Run]] = {}
    for ack in sorted(finals.values(), key=lambda ack: float(ack["at"])):
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


def _trouble(fault: Fault, language: Language) -> Trouble:
    return Trouble(fault.begin, fault.end, f"{kind_of(fault, language)}: {', '.join(fault.targets)}")


def _card(plot: Plot, axis: Frame) -> str:
    zone_id = plot.zone["zone_id"]
    return (
        f'<article id="{anchor(zone_id)}"><header><h3><i class="{plot.state}"></i>{escape(zone_id)}</h3>'
        f"<p>{escape(_about(plot.zone, axis.language))}</p></header>"
        f'{draw(plot, axis)}<p class="sum">{escape(_in_words(plot, axis))}</p>'
        f"{diary_list(diary(plot.zone, plot.decided, axis), axis)}</article>"
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
