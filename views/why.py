"""A decision in one sentence of a language: why there was water just now, or why not, and what is next."""

from collections.abc import Mapping
from typing import Any

from views.decisions import receipt_of
from views.events import Document
from views.language import Language


def sentence(decision: Document, language: Language) -> str:
    """Why a decision gave water, or gave none; a check without words is told by the decision's own sentence."""
    words = _gives(decision, language) if decision["intent"] else _holds_back(decision, language)
    unseen_mm = receipt_of(decision).get("unseen_mm")
    return f"{words} {language.say('unseen', mm=language.number(unseen_mm, 1))}" if unseen_mm else words


def obstacle(decision: Document) -> Document:
    """The first check that did not pass; empty if all did."""
    return next((check for check in decision["checks"] if not check["passed"]), {})


def need(decision: Document, language: Language) -> str:
    """What the roots have used, and when water is due; empty if nothing is known of them."""
    receipt = receipt_of(decision)
    if receipt.get("depletion_mm") is None or receipt.get("due_mm") is None:
        return ""
    used, due = (language.number(receipt[name], 1) for name in ("depletion_mm", "due_mm"))
    return language.say("now_need", used=used, due=due)


def _gives(decision: Document, language: Language) -> str:
    intent: Mapping[str, Any] = decision["intent"]
    span, manual = language.span(intent["duration_s"]), receipt_of(decision).get("manual")
    if manual:
        return language.say("now_ordered", span=span, by=str(manual["by"]))
    return language.say(
        "now_gives", span=span, mm=language.number(intent["depth_mm"], 1), need=need(decision, language)
    )


def _holds_back(decision: Document, language: Language) -> str:
    check = obstacle(decision)
    name = str(check.get("name", ""))
    if name == "fresh_reading" and check.get("value") is None:
        name = "no_reading"
    if name == "needs_water" and (receipt_of(decision).get("day") or 0) < 0:
        name = "not_sown"
    key = f"now_{name}"
    if key not in language.words:
        return language.say("now_in_its_words", sentence=str(decision.get("sentence") or name))
    return language.say(key, **_figures(check, decision, language))


def _figures(check: Document, decision: Document, language: Language) -> dict[str, str]:
    """Every figure that a check's words may have a place for."""
    value, threshold = check.get("value"), check.get("threshold")
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    return {
        "span": language.span(max(number, 0.0)),
        "number": language.number(number, 1),
        "who": str(value),
        "left": language.volume(max(number, 0.0)),
        "most": language.number(threshold, 1) if isinstance(threshold, int | float) else "",
        "need": need(decision, language),
    }
