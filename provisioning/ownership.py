"""Whose the things of a plan would be: the two tags by which the service knows that are its own to write.

The screen refuses them where they are written out; here they are seen whatever they were computed from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

NAMED_BY = ("key", "name")  # of a block with a key and a value, which some types have for their tags


def claims(plan: Mapping[str, Any], tags: Mapping[str, str]) -> list[str]:
    """What of a plan's JSON would carry one of `tags`, in any case of letters, with another value; or might."""
    mistakes = []
    for row in plan.get("resource_changes", []):
        change = row["change"]
        if row.get("mode") != "managed" or not {"create", "update"}.intersection(change["actions"]):
            continue
        after, unknown = change.get("after") or {}, change.get("after_unknown") or {}
        if unknown.get("tags") is True:
            mistakes.append(f"{row['address']}: the names of its tags are known only after the apply; write them out")
        mistakes += [
            f"{row['address']}: the tag {name} says whose a thing is, and is the service's; leave it out"
            for name in sorted(set(_claimed(after, tags)))
        ]
    return mistakes


def _claimed(value: Any, tags: Mapping[str, str]) -> Iterator[str]:
    """Names among all that a value holds."""
    if isinstance(value, list):
        for one in value:
            yield from _claimed(one, tags)
    elif isinstance(value, dict):
        labels = [value[name] for name in NAMED_BY if isinstance(value.get(name), str)]
        yield from (name for name in labels if name.casefold() in tags and "value" in value)
        for name, one in value.items():
            if name.casefold() in tags and tags.get(name) != one:
                yield name
            yield from _claimed(one, tags)
