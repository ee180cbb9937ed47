"""Where each tag comes from, what it overrides, and what was changed for the cloud, in words. Pure."""

from collections.abc import Iterator, Sequence

from provisioning.job_files.clouds import CloudTag
from provisioning.job_files.tags import Value


def explain(tags: Sequence[CloudTag]) -> Iterator[str]:
    """Lines for a person, by key; what belongs to a tag is indented under it."""
    for one in sorted(tags, key=lambda one: one.key):
        yield f"{one.key} = {one.value}"
        yield f"  from {one.tag.winner.origin}"
        for under in one.tag.overridden:
            yield f"  overrides {_shown(under.value)} from {under.origin}"
        if one.changes:
            yield f"  was {_shown(one.tag.value)}: {'; '.join(one.changes)}"


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else value[0] if len(value) == 1 else f"[{', '.join(value)}]"
