"""The alarms' rows of the notices' table: two events a kind, that it stands and that it is over."""

from collections.abc import Mapping
from typing import Any

from compute_service.domain.alarm_kinds import KINDS, LANGUAGES, words
from compute_service.domain.alarms import CRITICAL, SEVERITIES, Alarm, AlarmKind
from compute_service.domain.orders import clock
from notices.table import EventRow, Table, Template, table

OVER = ".over"
REPEAT_S = 6 * 3600  # of one kind at one place, so that a fault that comes and goes is told four times a day

_STANDS = {
    "en": {
        "critical": Template("{farm}: act now", "{wrong}. {to_do} (since {since})"),
        "warning": Template("{farm}: look at this", "{wrong}. {to_do} (since {since})"),
        "notice": Template("{farm}: for your information", "{wrong}. {to_do} (since {since})"),
    },
    "pt": {
        "critical": Template("{farm}: aja agora", "{wrong}. {to_do} (desde {since})"),
        "warning": Template("{farm}: verifique", "{wrong}. {to_do} (desde {since})"),
        "notice": Template("{farm}: para seu conhecimento", "{wrong}. {to_do} (desde {since})"),
    },
}
_IS_OVER = {
    "en": Template("{farm}: over", "Over: {wrong} (since {since})"),
    "pt": Template("{farm}: terminou", "Terminou: {wrong} (desde {since})"),
}


def _rows(kind: AlarmKind) -> tuple[EventRow, EventRow]:
    stands = {language: _STANDS[language][kind.severity] for language in LANGUAGES}
    level = SEVERITIES.index(kind.severity)
    return (
        EventRow(name=kind.name, level=level, templates=stands, loud=kind.severity == CRITICAL, repeat_s=REPEAT_S),
        EventRow(name=kind.name + OVER, level=level, templates=_IS_OVER, repeat_s=REPEAT_S),
    )


TABLE: Table = table(*[row for kind in KINDS for row in _rows(kind)])


def values(alarm: Alarm, farm: str, timezone: str) -> Mapping[str, Any]:
    """What the templates need, in each language where it differs."""
    by_language = {language: words(alarm, language) for language in LANGUAGES}
    return {
        "farm": farm,
        "since": clock(alarm.since, timezone),
        "wrong": {language: text.wrong for language, text in by_language.items()},
        "to_do": {language: text.to_do for language, text in by_language.items()},
    }
