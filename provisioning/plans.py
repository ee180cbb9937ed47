"""What a plan's JSON says: what would change, what must not be shown, and what is about to be created under which name.

Import and move are `no-op` there although they change the state; a replacement has two lines in the apply.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from provisioning.keeps import KEEPS

IDLE = {"no-op", "read"}
FULL_BUCKET = re.compile(r"deleting S3 Bucket \(([a-z0-9.-]+)\).*BucketNotEmpty", re.DOTALL)
LINES = {"create", "update", "delete"}  # each of these actions is told by one line of the apply


class Change(NamedTuple):
    """What a plan would do with one address; `values` are those after it, or before it where nothing is after it."""

    address: str
    type: str
    actions: tuple[str, ...]
    values: Mapping[str, Any]
    is_import: bool

    @property
    def lines(self) -> int:
        """How many lines its apply has."""
        return sum(action in LINES for action in self.actions)

    @property
    def is_idle(self) -> bool:
        """True if nothing would be done."""
        return set(self.actions) <= IDLE and not self.is_import

    @property
    def loses(self) -> str | None:
        """What would be gone with it, where it keeps data."""
        return KEEPS.get(self.type) if "delete" in self.actions else None


def changes(plan: Mapping[str, Any]) -> list[Change]:
    """Every managed resource of the plan, by address."""
    return [
        Change(
            address=row["address"],
            type=row["type"],
            actions=tuple(row["change"]["actions"]),
            values=row["change"].get("after") or row["change"].get("before") or {},
            is_import="importing" in row["change"] or row.get("previous_address", row["address"]) != row["address"],
        )
        for row in plan.get("resource_changes", [])
        if row.get("mode") == "managed"
    ]


def drifted(plan: Mapping[str, Any]) -> list[str]:
    """Addresses that others have changed, by a refresh-only plan.

    Providers read back as empty what they were given as null: whatever is null, empty, zero or false is the same.
    """
    rows = [row for row in plan.get("resource_drift", []) if row.get("mode") == "managed"]
    return [
        row["address"]
        for row in rows
        if _without_nothing(row["change"].get("before")) != _without_nothing(row["change"].get("after"))
    ]


def _without_nothing(value: Any) -> Any:
    """A value without what says nothing, at any depth; None if nothing stays."""
    if isinstance(value, dict):
        value = {name: one for name, one in ((key, _without_nothing(row)) for key, row in value.items()) if one}
    elif isinstance(value, list):
        value = [_without_nothing(one) for one in value]
    return value or None


def changed_outputs(plan: Mapping[str, Any]) -> list[str]:
    """Names of outputs whose value would be another."""
    return [name for name, row in plan.get("output_changes", {}).items() if not set(row["actions"]) <= IDLE]


def masks(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """Type to the attributes that are sensitive, wholly or in a part."""
    names: dict[str, set[str]] = {}
    for row in plan.get("resource_changes", []):
        for side in ("before_sensitive", "after_sensitive"):
            marks = row["change"].get(side)
            if isinstance(marks, dict):
                names.setdefault(row["type"], set()).update(name for name, mark in marks.items() if _has_mark(mark))
    return {type_: sorted(marked) for type_, marked in names.items() if marked}


def _has_mark(mark: Any) -> bool:
    if isinstance(mark, dict):
        return any(_has_mark(one) for one in mark.values())
    if isinstance(mark, list):
        return any(_has_mark(one) for one in mark)
    return bool(mark)


class Progress:
    """How far an apply is: addresses done of addresses planned, from the lines of its log."""

    def __init__(self, lines: Mapping[str, int]) -> None:
        """`lines`: how many lines each address has."""
        self._lines = {address: count for address, count in lines.items() if count}
        self._open_lines = dict(self._lines)
        self.working_on = ""

    def hear(self, message: Mapping[str, Any]) -> None:
        """One message of Terraform's."""
        hook = message.get("hook", {})
        address = hook.get("resource", {}).get("addr", "")
        kind = message.get("type")
        if kind == "apply_start":
            self.working_on = address
        elif kind == "apply_complete" and self._open_lines.get(address):
            self._open_lines[address] -= 1

    @property
    def total(self) -> int:
        """Addresses planned."""
        return len(self._lines)

    @property
    def done(self) -> int:
        """Addresses of which every line was told."""
        return sum(not lines_open for lines_open in self._open_lines.values())

    @property
    def percent(self) -> int:
        """0 to 99: 100 is for the job that is completed."""
        return min(99, 100 * self.done // self.total) if self.total else 0


def complaints(messages: list[Mapping[str, Any]]) -> Iterator[str]:
    """Every error among Terraform's messages, as a sentence with its place."""
    for message in messages:
        diagnostic = message.get("diagnostic", {})
        if diagnostic.get("severity") == "error":
            yield sentence(diagnostic) + remedy(diagnostic)


def remedy(diagnostic: Mapping[str, Any]) -> str:
    """What to do about it, where AWS's words alone do not say; for a bucket the command that empties it."""
    found = FULL_BUCKET.search(f"{diagnostic.get('summary', '')} {diagnostic.get('detail', '')}")
    if found is None:
        return ""
    return (
        f"; bucket {found[1]} still holds objects or versions: purge it, again until it finds none: {purge(found[1])}"
    )


def purge(bucket: str) -> str:
    """The command that takes a thousand versions and marks of deletion out of a bucket, for good."""
    query = "{Objects: [Versions, DeleteMarkers][][] | [:1000].{Key: Key, VersionId: VersionId}}"
    rows = f"aws s3api list-object-versions --bucket {bucket} --max-items 1000 --output json --query '{query}'"
    return f'aws s3api delete-objects --bucket {bucket} --delete "$({rows})"'


def sentence(diagnostic: Mapping[str, Any]) -> str:
    """One diagnostic in one line."""
    place = diagnostic.get("range") or {}
    where = f"{place['filename']}:{place['start']['line']}: " if place else ""
    detail = diagnostic.get("detail", "").split("\n\n")[0]
    address = f" ({diagnostic['address']})" if diagnostic.get("address") else ""
    return where + " ".join(f"{diagnostic.get('summary', '')}: {detail}".rstrip(": ").split()) + address
