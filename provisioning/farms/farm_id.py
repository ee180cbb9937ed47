"""A farm's id: one word without a hyphen, so that no farm's wildcard reaches another's. Pure."""

import re

from protocol import topics

PLAIN = re.compile(r"[a-z][a-z0-9]{1,19}")
# Words of the topic tree, which stand where another farm's id does.
TOPIC_WORDS = frozenset(
    word
    for topic in (topics.data("a.b"), topics.status("a"), *topics.for_gateway("a"), *topics.UNPROVEN)
    for word in topic.split("/")[1:]
    if topics.is_word(word) and word not in {"a", topics.GROUP_ALL}
)


def wrong(text: object) -> str | None:
    """What is wrong with a plain farm id, or None."""
    if not isinstance(text, str) or not PLAIN.fullmatch(text):
        return "want 2 to 20 lower case letters and digits, a letter first and no hyphen, as sitio1"
    return "is a word of the topics; take another, as sitio1" if text in TOPIC_WORDS else None
