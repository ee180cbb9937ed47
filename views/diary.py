"""A zone's diary: a sentence a day that says why it was watered, or why not, from checks, receipts and acks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from html import escape

from views.decisions import Attempt, ZoneDecisions, check_of, receipt_of
from views.events import Document
from views.language import Language
from views.zone_chart import Frame

RAIN_MM = 1.0  # less is no reason
NOTHING_L_M2 = 0.05  # less is no water
SPARE_MM = 0.5  # less is as good as nothing left
FORESEEN_H = 4 * 24  # farther than that nobody knows what the sun will take
UNTRUSTED = ("stuck", "drifting", "silent", "dead", "percent")  # an outlier is over with the next reading
CLOCK_CODES = ("expired", "clock_untrusted", "stale_epoch", "fenced")
CUT_SHORT = ("volume", "power_cut", "fault", "close", "stop_all", "leak")


@dataclass(frozen=True)
class Entry:
    """One day: `kind` is `watered`, `waited` (no water was due), `held` (due, and none given) or `unheard`."""

    day: date
    kind: str
    words: str


@dataclass(frozen=True)
class _Day:
    """What belongs to one zone's day."""

    zone: Document
    history: ZoneDecisions
    decisions: Sequence[Document]
    attempts: Sequence[Attempt]
    language: Language


def diary(zone: Document, history: ZoneDecisions, axis: Frame) -> list[Entry]:
    """An entry for every day of the axis, in the farm's time."""
    return [Entry(day, *_in_words(part)) for day, part in _days(zone, history, axis)]


def diary_list(entries: Sequence[Entry], axis: Frame) -> str:
    """The entries as a list that unfolds; nothing if there is none."""
    if not entries:
        return ""
    lines = "".join(_line(entry, axis) for entry in entries)
    title = escape(axis.language.say("diary"))
    return f'<details class="diary"><summary>{title}</summary><ol>{lines}</ol></details>'


def _line(entry: Entry, axis: Frame) -> str:
    day = axis.language.date("weekday", datetime.combine(entry.day, time()))
    return f'<li class="{entry.kind}"><b>{escape(day)}</b> {escape(entry.words)}</li>'


def _days(zone: Document, history: ZoneDecisions, axis: Frame) -> Iterator[tuple[date, _Day]]:
    if not history.rows:
        return
    decisions: dict[date, list[Document]] = {}
    attempts: dict[date, list[Attempt]] = {}
    for decision in history.rows:
        decisions.setdefault(axis.local(decision["at"]).date(), []).append(decision)
    for attempt in history.attempts:
        attempts.setdefault(axis.local(attempt.at).date(), []).append(attempt)
    day, last = axis.local(axis.start).date(), axis.local(axis.end - 1).date()
    while day <= last:
        yield day, _Day(zone, history, decisions.get(day, []), attempts.get(day, []), axis.language)
        day += timedelta(days=1)


def _in_words(day: _Day) -> tuple[str, str]:
    """Of which kind a day is, and the same in words."""
    wet = [attempt for attempt in day.attempts if attempt.litres > NOTHING_L_M2 * day.zone["area_m2"]]
    if wet:
        kind, words = "watered", _watered(wet, day)
    elif day.attempts:
        kind, words = "held", _in_vain(day)
    elif not day.decisions:
        return "unheard", day.language.say("day_unheard")
    elif any(_is_due(decision) for decision in day.decisions):
        kind, words = "held", _why_held(day)
    else:
        kind, words = "waited", _waited(day)
    return kind, " ".join([words, *_unseen(day), *_untrusted(day)])


def _is_due(decision: Document) -> bool:
    return bool(check_of(decision, "needs_water").get("passed"))


def _watered(wet: Sequence[Attempt], day: _Day) -> str:
    language = day.language
    minutes = language.number(sum(attempt.seconds for attempt in wet) / 60)
    key = "within_runs" if len(wet) > 1 else "within"
    early = next((reason for attempt in wet if (reason := (attempt.ack or {}).get("end_reason")) in CUT_SHORT), None)
    return language.say(
        "day_watered",
        mm=language.number(sum(attempt.litres for attempt in wet) / day.zone["area_m2"], 1),
        within=language.say(key, minutes=minutes, runs=language.count(len(wet), "run")),
        why=_why(wet[0], day),
        cut=f" {language.say(f'cut_{early}')}" if early else "",
    )


def _why(attempt: Attempt, day: _Day) -> str:
    """What the roots had used when it was decided, against what they may use."""
    if not attempt.decision_id:
        return day.language.say("why_planned")
    return _need(day.history.by_id.get(attempt.decision_id), day.language)


def _need(decision: Document | None, language: Language) -> str:
    check = check_of(decision, "needs_water") if decision else {}
    if decision and receipt_of(decision).get("refill_since") is not None:
        return language.say("why_rest")
    if check.get("value") is None or check.get("threshold") is None:
        return language.say("why_unknown")
    return language.say("why_used", used=language.number(check["value"]), due=language.number(check["threshold"]))


def _in_vain(day: _Day) -> str:
    """No attempt of the day brought water: why the first was made, what became of the last."""
    first, last = day.attempts[0], day.attempts[-1]
    return day.language.say("day_in_vain", why=_why(first, day), vain=day.language.say(_vain(last)))


def _vain(attempt: Attempt) -> str:
    """The words for a command that brought no water."""
    ack = attempt.ack
    if ack is None:
        return "vain_unanswered"
    if ack["state"] == "rejected":
        return "vain_clock" if ack["code"] in CLOCK_CODES else "vain_rejected"
    if ack["code"] in {"valve_fault", "power_cut"}:
        return f"vain_{ack['code']}"
    return "vain_dry"


def _why_held(day: _Day) -> str:
    """Water was due: what held it back is what did so most often."""
    due = [decision for decision in day.decisions if _is_due(decision)]
    failed = Counter(name for decision in due if (name := _first_failed(decision)))
    name = failed.most_common(1)[0][0] if failed else "bounded_run"
    decision = next(one for one in reversed(due) if not failed or _first_failed(one) == name)
    why, reason = _need(decision, day.language), _reason(decision, name, day.language)
    return day.language.say("day_held", why=why, held=reason)


def _first_failed(decision: Document) -> str | None:
    return next((check["name"] for check in decision["checks"] if not check["passed"]), None)


def _reason(decision: Document, name: str, language: Language) -> str:
    """A check that failed, in the grower's words; a figure where the check has one that people use.

    A check that nobody has put in words yet is told by the decision's own sentence, as such.
    """
    key, value = f"held_{name}", check_of(decision, name).get("value")
    if not isinstance(value, int | float) or isinstance(value, bool):
        value = None
    if key not in language.words:
        return language.say("held_in_its_words", sentence=str(decision.get("sentence") or name).rstrip("."))
    if name == "fresh_reading":
        return language.say(key, span=language.span(value)) if value is not None else language.say("held_no_reading")
    return language.say(key, value=language.number(value or 0.0, 1))


def _waited(day: _Day) -> str:
    """No water was due: what is left, and when the next is likely."""
    language, receipt = day.language, receipt_of(day.decisions[-1])
    spare, rain = receipt.get("spare_mm"), receipt.get("rain_mm_24h") or 0.0
    words = [language.say("day_rain", mm=language.number(rain, 1)) if rain >= RAIN_MM else language.say("day_dry")]
    if spare is not None and spare >= SPARE_MM:
        words.append(language.say("left", mm=language.number(spare)))
    else:
        words.append(_need(day.decisions[-1], language))
    return language.say("day_waited", start=words[0], left=words[1], after=_next(receipt, language))


def _next(receipt: Document, language: Language) -> str:
    hours = receipt.get("next_water_in_h")
    if hours is None:
        return ""
    if hours < 24:
        return language.say("next_soon")
    if hours > FORESEEN_H:
        return language.say("next_late")
    return language.say("next_days", days=language.count(round(hours / 24), "day"))


def _unseen(day: _Day) -> list[str]:
    """That no probe saw the last run, if the day ends so."""
    unseen_mm = receipt_of(day.decisions[-1]).get("unseen_mm") if day.decisions else None
    return [day.language.say("unseen", mm=day.language.number(unseen_mm, 1))] if unseen_mm else []


def _untrusted(day: _Day) -> list[str]:
    """The probes that the day's last decision left out, and why."""
    verdicts: Mapping[str, str] = receipt_of(day.decisions[-1]).get("probes") or {} if day.decisions else {}
    names = [
        day.language.say("probe", probe=sensor_id.partition(".")[2], verdict=day.language.say(f"verdict_{verdict}"))
        for sensor_id, verdict in verdicts.items()
        if verdict in UNTRUSTED
    ]
    return [day.language.say("left_out", probes=", ".join(names))] if names else []
