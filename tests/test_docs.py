"""The documents are true: links lead somewhere, commands exist, tables name what the code has."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from protocol import messages, topics

ROOT = Path(__file__).parents[1]
ROOMS = (
    *(
        "compute_service",
        "gateway_sim",
        "local_cloud",
        "lambda_functions",
        "certs",
        "firmware",
        "notices",
        "integrations",
        "updates",
        "provisioning",
    ),
    "benchmarks",
)
TRANSLATED = ("README.md", "README.pt-BR.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
MODULE = re.compile(rf"python -m ((?:{'|'.join(ROOMS)})(?:\.[a-z_.]+)?)(?: ([a-z][a-z_-]*))?")
TARGET = re.compile(r"(?:^|`)make ([a-z][a-z-]*)", re.MULTILINE)
VARIABLE = re.compile(r"\b([A-Z]+)=")

FIELDS: dict[str, dict[str, Any]] = vars(messages)["_FIELDS"]  # by kind of message, then by name

SUMMARY: dict[str, Any] = {
    "scenario": "drummondville",
    "gateways": 8,
    "zones": 24,
    "field_days": 5,
    "seed": 1,
    "broker": "embedded",
    "faults": 0,
    "seconds": 61.4,
    "messages_published": 4210,
    "messages_acked": 4210,
    "samples_taken": 15360,
    "samples_in_lake": 15360,
    "samples_quarantined": 0,
    "samples_dropped_by_outbox": 0,
    "samples_lost": 0,
    "duplicates_dropped": 12,
    "commands_sent": 40,
    "commands_done": 40,
    "commands_rejected": 0,
    "commands_expired": 0,
    "valve_bound_violations": 0,
    "litres_delivered": 118250.5,
    "water_by_calendar_l": 253571.4,
    "zones_below_wilting_point": 0,
    "water_balance_error_mm": 0.0,
    "glue_database": "pythoflow_demo",
    "glue_tables": ["samples", "windows"],
    "parquet_dir": "demo-output/lake",
    "events_jsonl": "demo-output/events.jsonl",
    "report": "demo-output/report.html",
    "lake_sha256": "5f" * 32,
}


def documents() -> list[str]:
    """Every document of the project, as a path from its root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "findings").glob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def anchors(document: Path) -> set[str]:
    """The names under which a document's headings can be reached, as GitHub makes them."""
    headings = HEADING.findall(document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def quoted_commands() -> list[tuple[str, str]]:
    """Each `python -m MODULE [COMMAND]` that a document quotes."""
    text = "\n".join((ROOT / document).read_text(encoding="utf-8") for document in documents())
    return sorted(set(MODULE.findall(text)))


def test_the_documents_are_found() -> None:
    """The walk sees the documents: an empty walk would also find no mistake."""
    expected = {*TRANSLATED, "CONTRIBUTING.md", "CHANGELOG.md", "docs/flow.md", "docs/glossary.md"}
    assert set(documents()) > expected
    assert ("certs", "issue") in quoted_commands()


@pytest.mark.parametrize("document", documents())
def test_every_link_leads_somewhere(document: str) -> None:
    """A relative link leads to a file of the project, and its anchor to a heading in it."""
    here = ROOT / document
    for link in LINK.findall(here.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (here.parent / path).resolve() if path else here
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", documents())
def test_every_make_target_exists(document: str) -> None:
    """`make something` in a document is a target of the Makefile, and its variables are the Makefile's."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert set(TARGET.findall(text)) <= targets()
    known = set(re.findall(r"^([A-Z]+) [?:]?=", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in re.findall(r"`make [^`]+`", text):
        assert set(VARIABLE.findall(line)) <= known, line


# One process asks a room for the help of each of its commands, and prints every answer as a line of JSON: its imports
# cost far more than the answers. The room is loaded anew each time, as whoever types the command loads it.
ASK = """
import contextlib, io, json, runpy, sys, warnings
warnings.simplefilter("ignore", RuntimeWarning)  # a module of the room that another command has loaded already
module, *commands = sys.argv[1:]
for command in commands:
    sys.argv, said = [module, *command.split(), "--help"], io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
    print(json.dumps([command, code, said.getvalue()]), flush=True)
"""


@cache
def answers(module: str) -> tuple[dict[str, tuple[int, str]], str]:
    """Exit code and output by command, and what went to stderr."""
    commands = [command for room, command in quoted_commands() if room == module]
    words = [sys.executable, "-c", ASK, module, *commands]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    told = map(json.loads, done.stdout.splitlines())
    return {command: (code, output) for command, code, output in told}, done.stderr


@pytest.mark.parametrize(("module", "command"), quoted_commands())
def test_every_quoted_command_exists(module: str, command: str) -> None:
    """`python -m module command` in a document explains itself when asked for help."""
    told, trouble = answers(module)
    assert command in told, trouble
    code, output = told[command]
    assert code == 0, trouble
    assert f"usage: python -m {module} {command}".strip() in output


def test_the_translation_says_the_same() -> None:
    """Both READMEs have the same sections, lists, links and commands."""
    english, portuguese = ((ROOT / name).read_text(encoding="utf-8") for name in TRANSLATED)
    for pattern in (r"^#+", r"^- ", r"^\d\. ", r"make [a-z]+", r"\[[^]]*\]\(((?!README)[^)]+)\)"):
        assert re.findall(pattern, portuguese, re.MULTILINE) == re.findall(pattern, english, re.MULTILINE), pattern


@pytest.mark.parametrize("document", TRANSLATED)
def test_figures_of_water_are_those_of_the_scorecard(document: str) -> None:
    """Each yield, depth and count of seasons in a README's claim stands among the two judges of docs/water.md."""
    claim = part(ROOT / document, "how-near-it-comes" if document == "README.md" else "até-onde")
    judged = part(ROOT / "docs" / "water.md", "two-judges")
    figures = re.findall(r"\d[\d.]*(?= (?:%|mm))", claim.replace(",", "."))
    assert len(figures) >= 15
    assert set(figures) <= set(re.findall(r"\d+(?:\.\d+)?", judged))


def test_the_least_water_is_an_aim() -> None:
    """No document states as a fact what its judges contradict."""
    for name in (*documents(), "Makefile", "pyproject.toml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        boasts = re.findall(r"(\w+ \w+) the least water that|(\w+) o mínimo de água que", text)
        assert set(boasts) <= {("aims at", ""), ("", "busca")}, name


@pytest.mark.parametrize("document", documents())
def test_a_live_run_keeps_the_time_of_day(document: str) -> None:
    """No recipe starts a fleet whose clock runs ahead: a compute service gives it no water."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert not re.search(r"^python -m gateway_sim.*--speed", text, re.MULTILINE)


@pytest.mark.parametrize("document", documents())
def test_a_guide_names_its_environment(document: str) -> None:
    """A document with a block of `python -m` commands says first how their environment is made."""
    text = (ROOT / document).read_text(encoding="utf-8")
    block = re.search(r"^```\w*\n(?:[^`]*\n)?python -m ", text, re.MULTILINE)
    if block:
        assert re.search(r"python3 scripts/setup.py (?:demo|dev)", text[: block.end()])


def test_the_findings_are_listed_and_run_by_hand_only() -> None:
    """findings/README.md lists each script; what CI runs does not run them."""
    scripts = sorted(path.name for path in (ROOT / "findings").glob("*.sh"))
    listed = re.findall(r"^\| \[([^]]+)\]", (ROOT / "findings" / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == scripts
    for name in scripts:
        head = (ROOT / "findings" / name).read_text(encoding="utf-8").partition("set -euo pipefail")[0]
        assert all(f"\n# {word}:" in head for word in ("Expected", "Happens", "Versions"))
        assert re.search(r"Date: \d{4}-\d\d-\d\d", head)
    rules = re.split(r"^(?=[a-z-]+:)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [rule.partition(":")[0] for rule in rules if "findings/" in rule] == ["findings"]


def test_the_flow_names_every_topic() -> None:
    """The table of topics in docs/flow.md is the protocol's own."""
    known = {
        topics.data("gateway.sensor").replace("gateway.sensor", "{sensor_id}"),
        topics.command("device_id").replace("device_id", "{device_id}"),
        topics.ack("gateway_id").replace("gateway_id", "{gateway_id}"),
        *(
            name("gateway_id").replace("gateway_id", "{gateway_id}")
            for name in (topics.status, topics.errors, topics.diagnostics)
        ),
        *(topics.updates(), *topics.UNPROVEN),
    }
    told = set(re.findall(r"^\| `(irrigation/[^`]+)`", flow(), re.MULTILINE))
    assert told == known


def test_the_flow_names_what_its_files_have() -> None:
    """A name that follows a link to a file in docs/flow.md is a function or a table of that file."""
    named = re.findall(r"\]\((\S+\.py)\)((?:,? `\w+`)+)", flow())
    assert len(named) >= 10
    for path, names in named:
        source = (ROOT / "docs" / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^ *(?:async )?def {name}\(|^{name} = ", source, re.MULTILINE), f"{path}: {name}"


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_the_flow_names_every_field(kind: str) -> None:
    """The table of messages in docs/flow.md names each field of each message, and no other."""
    [row] = [line for line in flow().splitlines() if line.lower().startswith(f"| **{kind}**")]
    told = set(re.findall(r"`([a-z0-9_]+)`", row.split("|")[2]))
    assert told == set(FIELDS[kind])


def part(document: Path, anchor: str) -> str:
    """The section whose heading's anchor begins so, without its heading."""
    sections = re.split(r"^## ", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    [found] = [text for text in sections if text.lower().replace(" ", "-").startswith(anchor)]
    return found.partition("\n")[2]


def flow() -> str:
    return (ROOT / "docs" / "flow.md").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "docs" / "summary.schema.json").read_text(encoding="utf-8"))
    return document


def test_the_summary_schema_takes_a_summary() -> None:
    """A whole summary passes; the schema itself is valid and describes every key."""
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(SUMMARY, schema())
    assert set(schema()["required"]) == set(schema()["properties"]) == set(SUMMARY)
    assert all(entry["description"] for entry in schema()["properties"].values())


@pytest.mark.parametrize(
    "change",
    [
        {"gateways": 0},
        {"samples_taken": "15360"},
        {"samples_taken": -1},
        {"commands_done": 1.5},
        {"broker": "amqtt"},
        {"litres_delivered": None},
        {"glue_tables": []},
        {"report": ""},
        {"lake_sha256": "5f"},
        {"unheard_of": 1},
    ],
)
def test_the_summary_schema_refuses_a_broken_one(change: dict[str, Any]) -> None:
    """A wrong type, an impossible number or an unknown key is found."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(SUMMARY | change, schema())


@pytest.mark.parametrize("key", sorted(SUMMARY))
def test_the_summary_schema_wants_every_key(key: str) -> None:
    """A summary without one of its keys is refused."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({name: value for name, value in SUMMARY.items() if name != key}, schema())
