"""Nobody claims another farm's or project's things by a tag, whatever its name was computed from."""

from typing import Any

import pytest

from provisioning.ownership import claims

TAGS = {"provisioning_farm": "sitio1", "provisioning_project": "p"}


def row(after: Any, unknown: Any = None, *, actions: tuple[str, ...] = ("create",)) -> dict[str, Any]:
    """A plan's JSON with one managed resource."""
    change = {"actions": list(actions), "after": after, "after_unknown": unknown or {}}
    return {"resource_changes": [{"address": "aws_x.x", "mode": "managed", "type": "aws_x", "change": change}]}


@pytest.mark.parametrize(
    ("after", "unknown"),
    [
        ({"tags": {"provisioning_farm": "sitio2"}, "tags_all": {**TAGS, "provisioning_farm": "sitio2"}}, {}),
        ({"tags": {"Provisioning_Farm": "sitio1"}}, {}),
        ({"tags_all": {**TAGS, "PROVISIONING_PROJECT": "q"}}, {}),
        ({"tag": [{"key": "provisioning_farm", "value": "sitio2", "propagate_at_launch": True}]}, {}),
        ({"tag_specifications": [{"tags": {"provisioning_project": "q"}}]}, {}),
        ({"tags": {"provisioning_farm": None}}, {}),
        ({}, {"tags": True}),
    ],
)
def test_a_claim_is_seen(after: Any, unknown: Any) -> None:
    """By its address, with what to do."""
    (mistake,) = claims(row(after, unknown), TAGS)
    assert mistake.startswith("aws_x.x: the ")
    assert mistake.endswith(("leave it out", "write them out"))
    assert claims(row(after, unknown, actions=("delete",)), TAGS) == []
    assert claims(row(after, unknown, actions=("no-op",)), TAGS) == []


@pytest.mark.parametrize(
    ("after", "unknown"),
    [
        ({"tags": {"Name": "x"}, "tags_all": {**TAGS, "Name": "x"}}, {}),
        ({"tags": {"Name": None}}, {"tags": {"Name": True}, "tags_all": True}),
        ({"name": "provisioning_farm", "policy": '{"provisioning_farm": "sitio2"}'}, {}),
        (None, {}),
    ],
)
def test_what_is_ones_own_passes(after: Any, unknown: Any) -> None:
    """The service's own two, and tags whose values alone are unknown."""
    assert claims(row(after, unknown), TAGS) == []
