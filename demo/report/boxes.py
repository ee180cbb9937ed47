"""The head of the report: the run in one sentence, the great figures, and the boxes of safety and of records."""

from collections.abc import Iterable, Sequence
from html import escape

from demo.faults.noticed import Verdict
from views.events import Document
from views.language import Language
from views.zone_chart import Frame, Plot

GOOD = {True: "good", False: "bad"}
HECTARE_M2 = 1e4

TableRow = tuple[str, str, bool]


def headline(summary: Document, language: Language, verdicts: Sequence[Verdict] = ()) -> str:
    """The whole run in one sentence, bad news with it."""
    words = [
        language.say(
            "delivered",
            days=language.count(summary["field_days"], "day"),
            plots=language.count(summary["zones"], "plot"),
            water=language.volume(summary["litres_delivered"]),
        ),
        _valves(summary, language, verdicts),
    ]
    bad_news = (("zones_below_wilting_point", "dry_plot"), ("samples_lost", "lost_sample"))
    words += [language.count(summary[key], noun) for key, noun in bad_news if summary[key]]
    if verdicts:
        words.append(_noticed(verdicts, language))
    return ", ".join(words)


def figures(summary: Document, plots: Sequence[Plot], axis: Frame) -> str:
    """What a reader wants to know first, in great figures."""
    say, number = axis.language.say, axis.language.number
    area = sum(plot.zone["area_m2"] for plot in plots)
    runs = [run for plot in plots for run in plot.runs]
    minutes = sum(run.end - run.start for run in runs) / 60
    above = summary["zones"] - summary["zones_below_wilting_point"]
    litres = summary["litres_delivered"]
    rows = (
        (
            axis.language.volume(litres),
            say("of_water", mm=number(litres / area, 1), hectares=number(area / HECTARE_M2, 2)),
        ),
        (say("mm", number=number(sum(mm for _, mm in axis.rain), 1)), say("of_rain")),
        (number(len(runs)), say("runs_each", minutes=number(minutes / len(runs))) if runs else say("runs_none")),
        (say("share_of", part=number(above), whole=number(summary["zones"])), say("above_wilting")),
        (number(summary["samples_in_lake"]), say("samples_kept", lost=number(summary["samples_lost"]))),
    )
    return "".join(f"<div><b>{escape(value)}</b><span>{escape(words)}</span></div>" for value, words in rows)


def safety(summary: Document, events: Iterable[Document], language: Language) -> str:
    """The table of what must not happen, and of the commands."""
    refusals = sum(event["kind"] == "refusal" for event in events)
    violations, dry = summary["valve_bound_violations"], summary["zones_below_wilting_point"]
    return table(
        [
            (language.say("valves_beyond"), language.number(violations), violations == 0),
            (language.say("commands_sent"), language.number(summary["commands_sent"]), True),
            (language.say("commands_done"), language.number(summary["commands_done"]), True),
            (language.say("commands_rejected"), language.number(summary["commands_rejected"]), True),
            (language.say("commands_expired"), language.number(summary["commands_expired"]), True),
            (language.say("refusals"), language.number(refusals), True),
            (language.say("plots_dry"), language.number(dry), dry == 0),
        ]
    )


def records(summary: Document, language: Language) -> str:
    """The table of where every sample is."""
    missing = summary["samples_lost"]
    return table(
        [
            (language.say("samples_taken"), language.number(summary["samples_taken"]), True),
            (language.say("samples_in_lake"), language.number(summary["samples_in_lake"]), True),
            (language.say("samples_quarantined"), language.number(summary["samples_quarantined"]), True),
            (language.say("samples_dropped"), language.number(summary["samples_dropped_by_outbox"]), True),
            (language.say("samples_lost"), language.number(missing), missing == 0),
            (language.say("duplicates"), language.number(summary["duplicates_dropped"]), True),
            (language.say("tables"), f"{summary['glue_database']}: {', '.join(summary['glue_tables'])}", True),
            (language.say("fingerprint"), str(summary["lake_sha256"])[:12] + "…", True),
        ]
    )


def table(rows: Iterable[TableRow]) -> str:
    """Names and values, the bad ones marked."""
    lines = (
        f'<tr class="{GOOD[good]}"><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value, good in rows
    )
    return f"<table>{''.join(lines)}</table>"


def footer(summary: Document, language: Language) -> str:
    """How the run was made, and what in it is a model."""
    return language.say(
        "footer",
        gateways=language.count(summary["gateways"], "gateway"),
        seed=str(summary["seed"]),
        broker=language.called(summary["broker"]),
        messages=language.number(summary["messages_published"]),
        seconds=language.number(summary["seconds"]),
    )


def _valves(summary: Document, language: Language, verdicts: Sequence[Verdict]) -> str:
    """The pins are what was counted: a valve that does not obey makes the sentence a smaller one."""
    if late := summary["valve_bound_violations"]:
        return language.count(late, "late_opening")
    disobeyed = any(verdict.fault.kind == "dead_valve" and verdict.fault.amount for verdict in verdicts)
    return language.say("told_on_time" if disobeyed else "closed_on_time")


def _noticed(verdicts: Sequence[Verdict], language: Language) -> str:
    count = sum(verdict.level == "noticed" for verdict in verdicts)
    faults = language.count(len(verdicts), "fault")
    return language.say("faults_noticed", noticed=language.number(count), faults=faults)
