"""A farm's plain id: one word without a hyphen, so that no farm's wildcard reaches another's. Pure."""

import re

from protocol import topics

PLAIN = re.compile(r"[a-z][a-z0-9]{1,19}")
_BELOW_THE_ROOT = (*topics.UNPROVEN, *topics.from_gateways(), *topics.for_gateway("x"))
WORDS = frozenset(word for topic in _BELOW_THE_ROOT for word in topic.split("/")[1:]) - {"+", "x"}  # of the topic tree


def wrong(text: object) -> str | None:
    """What is wrong with a plain farm id, or None."""
    if not isinstance(text, str) or not PLAIN.fullmatch(text):
        return "want 2 to 20 of a-z and 0-9, a letter first, as sitio1"
    return f"is a word of the topics; choose another, as {text}1" if text in WORDS else None
