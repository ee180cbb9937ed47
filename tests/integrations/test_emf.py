"""CloudWatch's embedded metrics: each line is what CloudWatch takes, and says what happened."""

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

from compute_service.domain.ports import JournalRow
from integrations.emf.__main__ import main
from integrations.emf.lines import line
from tests.compute_service.bench import NOON
from tests.integrations.conftest import Farm

# The schema of CloudWatch's user guide ("Embedded metric format specification"), and its other rules below.
TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": TEXT,
        "Dimensions": {"type": "array", "minItems": 1, "items": {"type": "array", "maxItems": 30, "items": TEXT}},
        "Metrics": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["Name"],
                "properties": {"Name": TEXT, "Unit": {"enum": ["Count", "Seconds", "None"]}},
            },
        },
    },
}
SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {"type": "array", "items": DIRECTIVE},
            },
        }
    },
}


def check(document: dict[str, Any]) -> None:
    """Raise unless CloudWatch makes metrics of it."""
    Draft7Validator(SCHEMA).validate(document)
    assert len(json.dumps(document)) < 256 * 1024
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            assert isinstance(document[metric["Name"]], int | float)
        for dimension in [name for names in directive["Dimensions"] for name in names]:
            assert isinstance(document[dimension], str)
            assert 0 < len(document[dimension]) <= 1024


def test_a_run_and_its_alarm_are_lines(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """The end of a run with its litres and seconds, a command that nobody answered, the alarm that follows."""
    farm.hear_ack(farm.water("a"), "done")
    farm.water("b")
    for _ in range(30):
        farm.tick(60)
    assert main(["--store", str(farm.path), "--after", "0", "--once"]) == 0
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    for document in lines:
        check(document)
    runs = [document for document in lines if document["kind"] == "ack"]
    assert [(document["State"], document.get("Water"), document["zone"]) for document in runs] == [
        ("done", 300, "plot-1a"),
        ("expired", None, "plot-1b"),
    ]
    assert {document["Farm"] for document in lines} == {"test farm"}
    assert [document["Alarm"] for document in lines if document.get("Alarms")] != []


@pytest.mark.parametrize(("state", "value"), [("opened", 1), ("ended", 0)])
def test_an_alarm_begins_and_ends(state: str, value: int) -> None:
    """1 as it is raised, 0 as it ends, by farm, kind, severity and zone; that somebody has seen it is no metric."""
    body = {"alarm_id": "A1", "kind": "gateway_silent", "place": "g", "severity": "critical", "since": NOON}
    row: JournalRow = {
        "seq": 1,
        "at": NOON,
        "kind": "alarm",
        "zone_id": "plot-1a",
        "gateway_id": "g",
        "body": {**body, "values": {"minutes": 5}, "state": state},
    }
    document = line(row, "farm")
    assert document is not None
    check(document)
    assert document["Alarms"] == value
    assert document["_aws"]["Timestamp"] == NOON * 1000
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Farm", "Severity", "Alarm", "Zone"]]
    row["body"]["state"] = "acknowledged"
    assert line(row, "farm") is None


def test_what_is_no_news_has_no_line(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    """Decisions and statuses are no metrics, and without --after only what comes is told."""
    farm.water("a")
    farm.hear_ack(farm.commands()[0], "done")
    assert main(["--store", str(farm.path), "--once"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["--store", f"{farm.path}-none", "--once"]) == 2
