"""The languages of the console: the views' words and its own, and which one somebody wants."""

from collections.abc import Mapping

from fastapi import Request

from compute_service.adapters import crops_table
from console import words_en, words_pt
from views.language import Language
from views.words_en import ENGLISH
from views.words_pt import PORTUGUESE

LANGUAGES: Mapping[str, Language] = {
    "en": ENGLISH.with_words(words_en.WORDS),
    "pt-BR": PORTUGUESE.with_words(words_pt.WORDS).with_names(
        {name: crops_table.crop(name).name_pt for name in crops_table.names()}
    ),
}


def language_of(request: Request) -> Language:
    """The one that was chosen here; else the browser's first that we speak; else English."""
    chosen = request.cookies.get("language", "")
    if chosen in LANGUAGES:
        return LANGUAGES[chosen]
    return LANGUAGES[_preferred(request.headers.get("accept-language", ""))]


def _preferred(header: str) -> str:
    for choice in header.split(","):
        code = choice.split(";")[0].strip().lower()[:2]
        if name := next((name for name in LANGUAGES if name.lower().startswith(code)), None) if code else None:
            return name
    return "en"
