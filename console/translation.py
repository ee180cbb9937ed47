"""What the service says in English, in another language: its refusals and reasons, sentence by sentence.

The service writes one language into its store. A sentence that no row knows is shown as it stands.
"""

import re
from collections.abc import Mapping

from console import told
from views.language import Language

# How a sentence begins or is built; its groups go into the places of the words under that key, by their names.
SENTENCES: Mapping[str, str] = {
    "refused_action": r"'(?P<name>[^']*)' is no order; there are (?P<names>.*)",
    "refused_zone": r"this farm has no zone '?(?P<name>.*?)'?(?:, did you mean '(?P<near>.*)'\?)?; it has"
    r" (?P<names>.*)",
    "refused_no_zone": r"(?P<action>close|open|clear) wants a zone; there are (?P<names>.*)",
    "refused_stop_zone": r"stop is for the whole farm; `close (?P<name>.*)` ends one zone's run, and holds it",
    "refused_pause": r"a pause wants the time at which it ends, and it must be to come",
    "refused_no_bound": r"an open wants minutes or litres: no valve opens without a bound",
    "refused_litres": r"(?P<litres>\S+) litres: want more than 0",
    "refused_short": r"(?P<seconds>-?\d+) s is shorter than the shortest run of (?P<least>\d+) s",
    "refused_long": r"(?P<name>.*) may run (?P<most>\S+) min at most in one go, and this would take (?P<minutes>\S+)",
    "refused_held": r"(?P<name>\S+) gets no water: (?P<why>.*)",
    "refused_offline": r"(?P<name>\S+) is offline since (?P<since>.{16}), and an open never starts late; order it when"
    r" it is back",
    "refused_offline_clear": r"(?P<name>\S+) is offline since (?P<since>.{16}), and a clear never starts late; order"
    r" it when it is back",
    "refused_latched": r"(?P<name>\S+) saw water where none should flow, at (?P<names>.*), and opens nothing; look"
    r" there, then `clear (?P<zone>.*)`",
    "refused_clear": r"(?P<name>\S+) has told of no leak that keeps its valves shut, so there is nothing to clear",
    "reason_nothing": r"nothing was under way",
    "reason_late": r"the service had no time for it before it was too late",
    "reason_resumed": r"(?P<name>\S+): somebody resumed before the gateway had answered",
    "reason_silent": r"(?P<name>\S+): the gateway never said how it ended",
    "reason_answered": r"(?P<name>\S+): the gateway answered (?P<state>\w+)(?: \((?P<code>\w+)\))?",
    "held_since": r"(?P<by>.*) (?P<verb>stopped|paused|closed) (?P<what>the farm|it) at (?P<since>.{16}),"
    r" until (?P<until>.{16}|somebody resumes)(?: \((?P<note>.*)\))?",
    "reason_daily_cap": r"(?P<left>.+) of today's (?P<cap>.+) is left, a run needs at least (?P<least>.+)",
    "reason_pump": r"the pump has (?P<left>\S+) l/min left while other zones run, and the zone takes (?P<takes>\S+)",
    "reason_budget": r"(?P<left>\S+) l of the (?P<period>day's|season's|\S+) budget of (?P<most>\S+) l is left",
    "reason_frost": r"(?P<degrees>\S+) degrees are (?P<source>.*), and water would freeze",
    "reason_under_way": r"command (?P<name>\S+) is still under way",
    "reason_still_held": r"still held: (?P<why>.*)",
    **told.ACCESS,
    **told.REQUESTS,
    **told.FILES,
    **told.MISTAKES,
}


def sentence(text: str, language: Language) -> str:
    """A sentence of the service in a language."""
    if language.code == "en":
        return text
    return (
        "; ".join(_one(part, language) for part in text.split("; "))
        if "; " in text and _is_list(text)
        else _one(text, language)
    )


def _is_list(text: str) -> bool:
    """Is it several reasons in a row, each of a place of its own?"""
    return all(any(re.fullmatch(SENTENCES[key], part) for key in _OF_A_PLACE) for part in text.split("; "))


_OF_A_PLACE = ("reason_resumed", "reason_silent", "reason_answered", "reason_still_held")


def _one(text: str, language: Language) -> str:
    for key, pattern in SENTENCES.items():
        if match := re.fullmatch(pattern, text, re.DOTALL):
            return language.say(f"told_{key}", **_places(match.groupdict(), language))
    return text


def _places(groups: Mapping[str, str | None], language: Language) -> dict[str, str]:
    places = {name: value or "" for name, value in groups.items()}
    if "why" in places and "lead" not in places:
        places["why"] = _one(places["why"].rstrip("."), language)
    for name in ("unit", "what") if "lead" in places else ():
        if (key := f"unit {places.get(name)}") in language.words:
            places[name] = language.say(key)
    if "verb" in places:
        places["verb"] = language.say(f"told_{places['verb']}")
        places["what"] = language.say("the_farm") if places["what"] == "the farm" else language.say("the_zone")
        places["until"] = language.say("told_resume") if places["until"].startswith("somebody") else places["until"]
        places["note"] = f" ({places['note']})" if places["note"] else ""
    return places
