"""The journal's rows in the words of a language: what happened, to whom, in one line."""

from collections.abc import Callable, Mapping
from typing import Any

from compute_service import alarms
from compute_service.domain import alarm_kinds, fallback
from compute_service.domain.ports import JournalRow
from console import translation
from views.language import Language

KINDS = (
    "order",
    "release",
    "command",
    "ack",
    "status",
    "error",
    "unproven",
    "alarm",
    "settings",
)  # that people are told of


def words(row: JournalRow, language: Language) -> str:
    """What happened in one line; a kind or a state that has no words yet is told by its own name."""
    teller = _TELLERS.get(row["kind"])
    return teller(row, row["body"], language) if teller else row["kind"]


def _place(row: JournalRow, language: Language) -> str:
    return row["zone_id"] or language.say("the_farm")


def _say(language: Language, key: str, fallback: str, **places: str) -> str:
    return language.say(key, **places) if key in language.words else fallback


def action_words(action: str, language: Language) -> str:
    """An action by its name in the language."""
    return _say(language, f"action_{action}", action)


def state_words(state: str, language: Language) -> str:
    """How far an order is."""
    return _say(language, f"order_{state}", state)


def _order(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    return language.say(
        "news_order",
        by=str(body["by"]),
        action=action_words(body["action"], language),
        place=_place(row, language),
        amount=amount(body.get("duration_s"), body.get("volume_l"), language),
        state=state_words(body["state"], language),
        reason=_reason(body.get("reason"), language),
    )


def _reason(reason: str | None, language: Language) -> str:
    return f" ({translation.sentence(reason, language)})" if reason else ""


def amount(duration_s: int | None, volume_l: float | None, language: Language) -> str:
    """How long, how much, or both; with a space before it."""
    parts = [language.span(duration_s)] if duration_s else []
    parts += [language.volume(volume_l)] if volume_l else []
    return f" {', '.join(parts)}" if parts else ""


def _release(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    return language.say("news_release", by=str(body["released_by"]), place=_place(row, language))


def _command(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    span = language.span(body["duration_s"]) if body.get("duration_s") else ""
    places = {"place": row["zone_id"] or row["gateway_id"] or "", "span": span}
    return _say(language, f"news_command_{body['action']}", body["action"], **places)


def _ack(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    water = amount(body.get("duration_s"), body.get("volume_l"), language)
    code = f" ({body['code']})" if body.get("code") not in {None, "ok"} else ""
    places = {"place": row["zone_id"] or row["gateway_id"] or "", "amount": water, "code": code}
    about = body.get("action") or ("planned" if fallback.run_of(str(body.get("command_id"))) else "ack")
    return _say(language, f"news_{about}_{body['state']}", str(body["state"]), **places)


def _status(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    return _say(language, f"news_status_{body['state']}", str(body["state"]), gateway=row["gateway_id"] or "")


def _error(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    places = {"gateway": row["gateway_id"] or "", "code": str(body["code"]), "text": str(body["text"])}
    return language.say("news_error", **places)


def _unproven(_row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    return language.say("news_unproven", **{name: str(body[name]) for name in ("named", "topic", "text")})


def _settings(_row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    state = str(body.get("state"))
    return _say(language, f"news_settings_{state}", state, by=str(body.get("by") or ""))


def _alarm(row: JournalRow, body: Mapping[str, Any], language: Language) -> str:
    alarm = alarms.noted(row)
    text = alarm_kinds.words(alarm, language.code[:2])[0]
    return _say(language, f"news_alarm_{body['state']}", text, words=text, by=str(body.get("by") or ""))


_TELLERS: Mapping[str, Callable[[JournalRow, Mapping[str, Any], Language], str]] = {
    "order": _order,
    "release": _release,
    "command": _command,
    "ack": _ack,
    "status": _status,
    "error": _error,
    "unproven": _unproven,
    "settings": _settings,
    "alarm": _alarm,
}
