"""References to secrets: what stands in a record where a token was. Pure."""

import re

GOOGLE = re.compile(
    r"projects/([a-z0-9][a-z0-9.:-]{0,62})/secrets/([A-Za-z0-9_-]{1,255})(?:/versions/(?:latest|[0-9]+))?"
)
AWS = re.compile(r"arn:aws(?:-[a-z]+)*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}")
WANT = "want where the secret lies, as projects/PROJECT/secrets/NAME or the ARN of one; not the token itself"


def is_reference(text: object) -> bool:
    """True for the name of a secret at Google or AWS."""
    return isinstance(text, str) and bool(GOOGLE.fullmatch(text) or AWS.fullmatch(text))


def is_to(text: object, name: str) -> bool:
    """True for a reference to the secret of this name, whosever; AWS appends six characters of its own."""
    if not isinstance(text, str):
        return False
    if match := GOOGLE.fullmatch(text):
        return match[2] == name
    return bool(AWS.fullmatch(text)) and bool(re.search(rf":secret:{re.escape(name)}-[A-Za-z0-9]{{6}}$", text))


def wrong(value: object) -> str | None:
    """What is wrong with a reference, or None."""
    return None if is_reference(value) else WANT
