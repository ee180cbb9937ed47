"""What is read of Terraform's own documents: progress that never falls, what is sensitive, what keeps data."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import plans, states
from provisioning.reconcile import namings
from provisioning.surroundings import Place


def change(address: str, *actions: str, **more: Any) -> dict[str, Any]:
    """A row of `resource_changes`."""
    type_ = address.partition(".")[0]
    return {"address": address, "type": type_, "mode": "managed", "change": {"actions": list(actions), **more}}


def done(address: str) -> dict[str, Any]:
    """A line of the apply."""
    return {"type": "apply_complete", "hook": {"resource": {"addr": address}}}


def test_a_replacement_is_done_with_its_second_line() -> None:
    """And an import, which has no line of its own, is not waited for."""
    plan = {
        "resource_changes": [
            change("aws_s3_bucket.a", "delete", "create"),
            change("aws_sqs_queue.b", "create"),
            change("aws_sqs_queue.c", "no-op", importing={"id": "c"}),
            change("aws_sqs_queue.d", "no-op"),
        ]
    }
    rows = plans.changes(plan)
    progress = plans.Progress({row.address: row.lines for row in rows})
    heard = []
    for address in ("aws_s3_bucket.a", "aws_sqs_queue.b", "aws_s3_bucket.a"):
        progress.hear(done(address))
        heard.append(progress.percent)
    assert heard == [0, 50, 99]
    assert [row.is_idle for row in rows] == [False, False, False, True]
    assert [row.loses is not None for row in rows] == [True, False, False, False]


@given(st.lists(st.sampled_from(["a.x", "b.x", "c.x", "unknown.x"]), max_size=20))
def test_progress_never_falls_and_is_100_for_nobody(lines: list[str]) -> None:
    """Whatever lines come, doubled or unknown: 100 is for the job that is completed."""
    progress = plans.Progress({"a.x": 1, "b.x": 2, "c.x": 1})
    percents = [0]
    for line in lines:
        progress.hear(done(line))
        percents.append(progress.percent)
    assert percents == sorted(percents)
    assert percents[-1] < 100


def test_names_are_kept_of_what_is_made_and_of_what_goes() -> None:
    """A destroy whose state was lost in a kill has to find the rest again; no other value is kept."""
    values = {"name": "r", "assume_role_policy": "{}"}
    rows = [
        change("aws_iam_role.a", "create", after=values),
        change("aws_iam_role.b", "delete", before=values, after=None),
        change("aws_iam_role.c", "no-op", after=values),
    ]
    kept = namings(plans.changes({"resource_changes": rows}))
    named = {"type": "aws_iam_role", "values": {"name": "r", "name_below": "r", "path": "/"}}
    assert kept == [{"address": "aws_iam_role.a", **named}, {"address": "aws_iam_role.b", **named}]


def test_what_is_sensitive_in_a_plan_is_masked_in_the_state() -> None:
    """By the plan's marks, by the state's own, and by the sound of a name, at any depth."""
    plan = {
        "resource_changes": [
            change("aws_x.a", "create", after_sensitive={"code": True, "tags": {}, "rows": [{"b": True}]})
        ]
    }
    assert plans.masks(plan) == {"aws_x": ["code", "rows"]}
    instance = {
        "attributes": {
            "id": "i",
            "code": "hidden",
            "own": "hidden",
            "env": [{"DB_PASSWORD": "hidden", "MODE": "fast"}],
        },
        "sensitive_attributes": [[{"type": "get_attr", "value": "own"}]],
        "private": "hidden",
    }
    state = {
        **states.EMPTY,
        "outputs": {"a": {"value": "hidden", "sensitive": True}, "b": {"value": 1}},
        "resources": [{"mode": "managed", "type": "aws_x", "name": "a", "instances": [instance]}],
    }
    shown = json.dumps(states.masked(state, plans.masks(plan)))
    assert "hidden" not in shown
    assert '"MODE": "fast"' in shown
    assert states.outputs(state) == {"values": {"a": None, "b": 1}, "sensitive": ["a"]}


def test_a_copy_of_what_is_sensitive_is_masked_too() -> None:
    """A provider writes a value where no mark is: as it is, or inside another; a short one counts where it is all."""
    attributes = {
        "input": ["hidden-word", "ab"],
        "output": {"value": "x hidden-word", "type": "string"},
        "id": "ab",
        "n": "abc",
    }
    instance = {"attributes": attributes, "sensitive_attributes": [[{"type": "get_attr", "value": "input"}]]}
    resource = {"mode": "managed", "type": "t", "name": "a", "instances": [instance]}
    state = {**states.EMPTY, "outputs": {"o": {"value": "hidden-too", "sensitive": True}}, "resources": [resource]}
    other = {"attributes": {"url": "https://a:hidden-too@b"}}
    state["resources"] = [resource, {"mode": "managed", "type": "t", "name": "b", "instances": [other]}]
    [[one], [two]] = [row["instances"] for row in states.masked(state, {})["resources"]]
    assert one["attributes"] == {"input": None, "output": {"value": None, "type": "string"}, "id": None, "n": "abc"}
    assert two["attributes"] == {"url": None}


def test_addresses_of_a_state() -> None:
    """Modules, counts and keys as Terraform writes them; what is only read is no resource."""
    rows: list[dict[str, Any]] = [
        {"mode": "managed", "module": 'module.m["k"]', "type": "t", "name": "n", "instances": [{"index_key": 0}]},
        {"mode": "managed", "type": "t", "name": "n", "instances": [{"index_key": 'a"b', "status": "tainted"}]},
        {"mode": "data", "type": "t", "name": "d", "instances": [{}]},
    ]
    state = {**states.EMPTY, "resources": rows}
    assert [address for address, _, _ in states.instances(state)] == ['module.m["k"].t.n[0]', 't.n["a\\"b"]']
    assert states.tainted(state) == ['t.n["a\\"b"]']


@pytest.mark.parametrize("rest", ['{"version": 4, "ser', ""])
def test_a_state_that_was_cut_off_is_put_back(tmp_path: Path, rest: str) -> None:
    """Terraform writes it in place; a kill in the middle of that leaves half of it."""
    place = Place(tmp_path)
    place.state.parent.mkdir()
    place.state.write_text(json.dumps({**states.EMPTY, "serial": 3}))
    states.snapshot(place, 1)
    place.state.write_text(rest)
    assert "put back to 000000001.tfstate" in states.mend(place, tmp_path)
    assert states.read(place.state)["serial"] == 3
    assert states.mend(place, tmp_path) == ""


@pytest.mark.parametrize(
    ("lineage", "serial", "is_taken"), [("ours", 4, True), ("ours", 2, False), ("other", 4, False)]
)
def test_what_could_not_be_saved_is_taken_from_beside_the_code(
    tmp_path: Path, lineage: str, serial: int, is_taken: bool
) -> None:
    """Terraform leaves errored.tfstate there when the disk is full; one of another state, or an older one, is none."""
    place, root = Place(tmp_path), tmp_path / "root"
    place.state.parent.mkdir()
    root.mkdir()
    place.state.write_text(json.dumps({**states.EMPTY, "serial": 3, "lineage": "ours"}))
    (root / "errored.tfstate").write_text(json.dumps({**states.EMPTY, "serial": serial, "lineage": lineage}))
    assert ("errored.tfstate" in states.mend(place, root)) == is_taken
    assert states.read(place.state)["serial"] == (4 if is_taken else 3)


def test_thirty_snapshots_stay(tmp_path: Path) -> None:
    """The last thirty."""
    place = Place(tmp_path)
    for number in range(1, 34):
        states.snapshot(place, number)
    assert [int(path.stem) for path in states.numbered(place)] == list(range(4, 34))


def test_what_was_merely_read_back_is_no_drift() -> None:
    """Null that comes back as empty is what it was; a tag, a number or a thing that is gone is not."""
    before = {"name": "n", "tags": None, "days": 7, "rules": [{"on": None}], "all": {"a": "b"}}
    after = {"name": "n", "tags": {}, "days": 7, "rules": [{"on": False}], "all": {"a": "b"}}
    rows = [
        change("t.same", "update", before=before, after=after),
        change("t.days", "update", before=before, after={**after, "days": 0}),
        change("t.tags", "update", before=before, after={**after, "tags": {"by": "hand"}}),
        change("t.untagged", "update", before=before, after={**after, "all": {}}),
        change("t.gone", "delete", before=before, after=None),
    ]
    assert plans.drifted({"resource_drift": rows}) == ["t.days", "t.tags", "t.untagged", "t.gone"]
    assert plans.drifted({}) == []
