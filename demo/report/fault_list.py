"""The list of faults: each with when it lasted, and who noticed it how long after its begin."""

from collections.abc import Sequence
from html import escape

from demo.faults.evidence import Notice
from demo.faults.fault_words import amount_of, kind_of, times_of
from demo.faults.noticed import Verdict
from views.language import Language
from views.zone_chart import Frame

LEVELS = ("noticed", "recorded", "unnoticed")
AT_ONCE_S = 60


def fault_list(verdicts: Sequence[Verdict], axis: Frame) -> str:
    """Every fault, those that nobody noticed as plainly as the others."""
    return f'<ol class="faults">{"".join(_fault(verdict, axis) for verdict in verdicts)}</ol>'


def lead(verdicts: Sequence[Verdict], axis: Frame) -> str:
    """How many there were, and how many of them were noticed."""
    counts = {level: sum(verdict.level == level for verdict in verdicts) for level in LEVELS}
    numbers = {level: axis.language.number(count) for level, count in counts.items()}
    return axis.language.say("faults_lead", faults=axis.language.count(len(verdicts), "fault"), **numbers)


def _fault(verdict: Verdict, axis: Frame) -> str:
    fault, language = verdict.fault, axis.language
    amount = amount_of(fault, language)
    return (
        f'<li class="{verdict.level}"><p class="level">{escape(language.say(verdict.level))}</p>'
        f"<div><h3>{escape(kind_of(fault, language))}</h3>"
        f"<p>{escape(' · '.join(filter(None, (', '.join(fault.targets), amount))))}</p></div>"
        f'<div class="when">{_bar(verdict, axis)}<p>{escape(times_of(fault, axis))}</p></div>'
        f'<ul class="who">{_notices(verdict, axis)}</ul></li>'
    )


def _notices(verdict: Verdict, axis: Frame) -> str:
    language = axis.language
    if not verdict.notices:
        return f"<li>{escape(language.say('nobody_idle' if verdict.idle else 'nobody'))}</li>"
    return "".join(
        f"<li><b>{escape(_who(verdict, notice, axis))}:</b> {escape(_how(notice, language))}</li>"
        for notice in verdict.notices
    )


def _how(notice: Notice, language: Language) -> str:
    """A notice in words, with the figures that they have places for; what has no words is told by its name."""
    if notice.how not in language.words:
        return language.say("otherwise", how=notice.how.replace("_", " "))
    words = language.words[notice.how]
    return language.tell(
        notice.how, **{name: value for name, value in notice.figures.items() if f"{{{name}}}" in words}
    )


def _who(verdict: Verdict, notice: Notice, axis: Frame) -> str:
    who, delay = axis.language.say(f"by_{notice.by}"), verdict.delay_s(notice)
    if delay < AT_ONCE_S:
        return axis.language.say("notice_at_once", who=who)
    return axis.language.say("notice", who=who, delay=axis.language.span(delay))


def _bar(verdict: Verdict, axis: Frame) -> str:
    """The days of the report as a line: the fault on it, and a mark for each notice."""
    begin, end = _share(verdict.fault.begin, axis), _share(min(verdict.fault.end, axis.end), axis)
    if verdict.fault.kind == "reboot":
        end = begin
    marks = "".join(
        f'<i class="{"raised" if notice.raised else "shown"}" style="left:{_share(notice.at, axis):.1%}"></i>'
        for notice in reversed(verdict.notices)  # what was raised lies on top
    )
    return f'<div class="bar"><span style="left:{begin:.1%};width:{max(end - begin, 0.006):.1%}"></span>{marks}</div>'


def _share(at: float, axis: Frame) -> float:
    return min(max((at - axis.start) / (axis.end - axis.start), 0.0), 1.0)
