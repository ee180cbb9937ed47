"""Tags as each cloud takes them: AWS's tags, Google's labels, and what had to be changed for them. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.job_files.secrets import why_secret, why_secret_name
from provisioning.job_files.tags import Origin, Tag, Value

MOST_AWS_TAGS = 50
MOST_LABELS = 64
MOST_AWS_VALUE = 256
MOST_LABEL = 63
_AWS_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_AWS_SIGNS = " +-=._:/@"
_HASH_DIGITS = 6
_JOINED_FOR_AWS = "a comma is refused by ECS, EFS, CloudWatch Logs and IAM, so a list is joined by spaces"
_COMPOSED = "Terraform writes a letter and its accent as one sign"
_MADE_A_LABEL = "labels have lower case letters, digits, '_' and '-' alone"
_CUT = f"a label has {MOST_LABEL} characters at most; the last {_HASH_DIGITS} tell cut values apart"


@dataclass(frozen=True, slots=True)
class CloudTag:
    """A tag as it is written for a cloud; `changes` says why key or value are not what people wrote."""

    key: str
    value: str
    tag: Tag
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a tag cannot be written, and where its value is."""

    origin: Origin
    why: str


Judged = tuple[list[CloudTag], list[Fault]]


def for_aws(tags: Sequence[Tag]) -> Judged:
    """AWS's tags, or what is wrong with them."""
    cloud_tags = [_aws(tag) for tag in tags]
    faults = [Fault(one.tag.winner.origin, why) for one in cloud_tags if (why := _aws_fault(one))]
    return cloud_tags, faults + _secrets(tags) + _too_many(tags, MOST_AWS_TAGS, "AWS takes")


def _aws(tag: Tag) -> CloudTag:
    text = _plain(tag.value, " ")
    composed = unicodedata.normalize("NFC", text)
    changes = (_JOINED_FOR_AWS,) if isinstance(tag.value, tuple) and len(tag.value) > 1 else ()
    return CloudTag(tag.key, composed, tag, changes if composed == text else (*changes, _COMPOSED))


def _aws_fault(one: CloudTag) -> str | None:
    if not _AWS_KEY.fullmatch(one.key):
        return f"tag key {one.key!r}: AWS takes 1 to 128 letters, digits, '_', '.', ':' and '-'"
    if one.key.lower().startswith("aws:"):
        return f"tag key {one.key!r}: keys that begin with aws: are AWS's own; choose another"
    return _aws_value_fault(one)


def _aws_value_fault(one: CloudTag) -> str | None:
    if len(one.value) > MOST_AWS_VALUE:
        return f"tag {one.key}: {len(one.value)} characters; AWS takes {MOST_AWS_VALUE} at most"
    wrong = next((sign for sign in one.value if not (sign.isalnum() or sign in _AWS_SIGNS)), None)
    if wrong == ",":
        return f"tag {one.key}: {one.value!r} has a comma, which ECS refuses; write a list, as [sales, crm]"
    if wrong:
        return f"tag {one.key}: {one.value!r} has {wrong!r}; AWS takes letters, digits, spaces and + - = . _ : / @"
    if one.value != one.value.strip():
        return f"tag {one.key}: {one.value!r} begins or ends with a space; remove it"
    return None


def for_google(tags: Sequence[Tag], *, hyphens: bool = False, exact: Sequence[Tag] = ()) -> Judged:
    """Google's labels, or what is wrong with them; `hyphens` writes keys as `finops-cost-center`.

    `exact` are labels that the job wrote as such: they are taken as they are, or refused.
    """
    cloud_tags = [_label(tag, hyphens) for tag in tags] + [
        CloudTag(tag.key, _plain(tag.value, "-"), tag) for tag in exact
    ]
    faults = [Fault(one.tag.winner.origin, why) for one in cloud_tags if (why := _label_fault(one))]
    first: dict[str, CloudTag] = {}
    for one in cloud_tags:
        if first.setdefault(one.key, one) is not one:
            other = first[one.key].tag.key
            faults.append(Fault(one.tag.winner.origin, f"label {one.key!r}: {other!r} and {one.tag.key!r} both are it"))
    return cloud_tags, faults + _secrets([*tags, *exact]) + _too_many([*tags, *exact], MOST_LABELS, "Google takes")


def label_value(value: Value) -> tuple[str, tuple[str, ...]]:
    """A value as a label has it, and why it is not the value itself."""
    text = _plain(value, "-")
    folded = unicodedata.normalize("NFKD", text).lower()
    spelt = "".join(sign for sign in folded if not unicodedata.combining(sign))
    label = re.sub(r"[^a-z0-9_-]+", "-", spelt).strip("-") if not _LABEL_VALUE.fullmatch(text) else text
    changes = (_MADE_A_LABEL,) if label != text or (isinstance(value, tuple) and len(value) > 1) else ()
    if len(label) <= MOST_LABEL:
        return label, changes
    mark = hashlib.sha256(_plain(value, "\n").encode()).hexdigest()[:_HASH_DIGITS]  # which no entry of a list has
    return f"{label[: MOST_LABEL - _HASH_DIGITS - 1]}-{mark}", (*changes, _CUT)


def _label(tag: Tag, hyphens: bool) -> CloudTag:
    value, changes = label_value(tag.value)
    key, _ = label_value(tag.key)
    if hyphens:
        key = key.replace("_", "-")
    if key != tag.key:
        changes = (*changes, f"the key is a label's: {key}")
    return CloudTag(key, value, tag, changes)


def _label_fault(one: CloudTag) -> str | None:
    if not _LABEL_KEY.fullmatch(one.key):
        return f"label key {one.key!r}: want a lower case letter, then up to 62 of a-z, 0-9, '_' and '-'"
    if not _LABEL_VALUE.fullmatch(one.value):
        return f"label {one.key}: {one.value!r}: want up to 63 of a-z, 0-9, '_' and '-'"
    if not one.value and one.tag.value:
        return f"label {one.key}: {_plain(one.tag.value, ' ')!r} has no letter or digit that a label can hold"
    return None


def _plain(value: Value, glue: str) -> str:
    return value if isinstance(value, str) else glue.join(value)


def _secrets(tags: Sequence[Tag]) -> list[Fault]:
    return [
        Fault(tag.winner.origin, f"tag {tag.key}: {why}")
        for tag in tags
        if not tag.winner.is_public and (why := why_secret_name(tag.key) or why_secret(_plain(tag.value, " ")))
    ]


def _too_many(tags: Sequence[Tag], most: int, who: str) -> list[Fault]:
    if len(tags) <= most:
        return []
    return [Fault(tags[most].winner.origin, f"{len(tags)} tags; {who} {most} at most on a resource")]
