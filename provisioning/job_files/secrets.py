"""Whether a text looks like a secret: tags are read by everyone who may list resources or see a bill. Pure."""

import functools
import math
import re
from collections import Counter

PUBLIC_MARK = "# not a secret"
_REMEDY = f"tags are no place for secrets; remove it, or end its line with '{PUBLIC_MARK}'"
_PATTERNS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN|PRIVATE KEY"),
    "a token": re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abpr]-|sk-|ya29\.|AIza)[A-Za-z0-9_-]{16,}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"),
    "a password": re.compile(r"(?i)\b(?:password|passwd|secret|token|api_?key)\s*[:=]\s*\S"),
    "a password in an address": re.compile(r"://[^/\s:@]+:[^/\s:@]+@"),
}
_NAMES = re.compile(r"(?i)(?:^|[^a-z])(?:password|passwd|pwd|secret|token|api_?key|private_?key|credentials?)$")
_WORD = re.compile(r"[A-Za-z0-9+/=_]{20,}")
_BITS = 4.0  # a character; words of people and identifiers in base 16 stay below


@functools.lru_cache(maxsize=4096)  # jobs of one asset have most of their values in common
def why_secret(value: str) -> str | None:
    """What it looks like and the remedy, or None."""
    for what, pattern in _PATTERNS.items():
        if pattern.search(value):
            return f"looks like {what}; {_REMEDY}"
    if any(_is_random(word) for word in _WORD.findall(value)):
        return f"looks like a random key; {_REMEDY}"
    return None


def why_secret_name(key: str) -> str | None:
    """What a tag of that key would hold and the remedy, or None."""
    return f"is a name of a secret; {_REMEDY}" if _NAMES.search(key) else None


def _is_random(word: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    return all(any(kind(sign) for sign in word) for kind in kinds) and _bits(word) >= _BITS


def _bits(word: str) -> float:
    """Shannon's entropy of a word, in bits a character."""
    counts = Counter(word).values()
    return -sum(count / len(word) * math.log2(count / len(word)) for count in counts)
