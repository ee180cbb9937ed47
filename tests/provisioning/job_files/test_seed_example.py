"""The example of the seed's guide, to the letter where its text is literal."""

import json
import re
from pathlib import Path

import hcl2
import pytest

from provisioning.job_files.command import main
from tests.provisioning.job_files.files import EXAMPLES

JOB = EXAMPLES / "jobs" / "acme" / "hubspot_contacts.yaml"
OVERRIDES = EXAMPLES / "jobs" / "acme" / "hubspot_contacts_overridden.yaml"
# As the seed prints it; in business_tags alone a space stands for its comma, which ECS refuses.
SEED_TAGS = """
    tenant_id                = "acme"
    environment              = "prod"
    asset_name               = "hubspot_contacts"
    asset_version            = "1.0"
    finops_cost_center       = "ENG-001"
    finops_business_tags     = "sales crm"
    compliance_classification = "PII"
    governance_owner          = "data-team@acme.com"
"""
OVERRIDDEN = (
    [
        "finops_cost_center = ENG-003",
        "  from infrastructure.metadata.cost_center",
        "  overrides ENG-002 from finops.cost_center",
        "  overrides ENG-001 from finops.cost_center",
    ],
    ["environment = production", "  from infrastructure.metadata.environment", "  overrides prod from environment"],
    [
        "governance_owner = sales-team@company.com",
        "  from governance_overrides.owner",
        "  overrides data-team@acme.com from team.owner",
    ],
    [
        "governance_retention_days = 730",
        "  from governance_overrides.retention_days",
        "  overrides 365 from compliance.retention_days",
    ],
    [
        "compliance_classification = PII SENSITIVE",
        "  from classification_overrides",
        "  overrides PII from compliance.classification",
    ],
)


def generated(folder: Path, form: str) -> Path:
    words = [str(JOB), "--cloud", "aws", "--resource-type", "ecs_fargate", "--output-dir", str(folder)]
    assert main([*words, "--root", str(EXAMPLES), "--format", form]) == 0
    (file,) = folder.iterdir()
    return file


def squeezed(text: str) -> list[str]:
    return [re.sub(r" += ", " = ", line.strip()) for line in text.strip().splitlines()]


def test_the_hcl_of_the_seed(tmp_path: Path) -> None:
    """File name, locals, resource and `tags = local.common_tags` are those of the seed's text."""
    file = generated(tmp_path, "hcl")
    assert file.name == "acme-hubspot-contacts.tf"
    text = file.read_text()
    lines = squeezed(text)
    at = lines.index("common_tags = {")
    assert lines[at - 1] == "locals {"
    assert set(squeezed(SEED_TAGS)) <= set(lines[at:])
    assert lines[at + 1 : at + 6] == squeezed(SEED_TAGS)[:5]
    assert 'resource "aws_ecs_task_definition" "hubspot_contacts" {' in text
    document = hcl2.loads(text)
    taggable = [body for row in document["resource"] for kind in row.values() for body in kind.values()]
    assert {body.get("tags") for body in taggable} <= {"${local.common_tags}", None}


def test_the_json_of_the_seed(tmp_path: Path) -> None:
    """The other syntax has the same name, locals and resource."""
    file = generated(tmp_path, "json")
    assert file.name == "acme-hubspot-contacts.tf.json"
    document = json.loads(file.read_text())
    wanted = dict(line.split(" = ") for line in squeezed(SEED_TAGS))
    tags = document["locals"]["common_tags"]
    assert {key: f'"{tags[key]}"' for key in wanted} == wanted
    assert document["resource"]["aws_ecs_task_definition"]["hubspot_contacts"]["tags"] == "${local.common_tags}"


def test_the_seeds_second_command_names_both_remedies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--cloud gcp` on a job of AWS is refused in one line; nothing is written."""
    words = [str(JOB), "--cloud", "gcp", "--resource-type", "cloud_run", "--output-dir", str(tmp_path / "out")]
    assert main([*words, "--root", str(EXAMPLES)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{JOB}:12: infrastructure, runtime, type: 'aws_ecs_fargate': ")
    assert "--cloud aws --resource-type ecs_fargate" in line
    assert line.endswith("or write type: gcp_cloud_run in another file")
    assert not (tmp_path / "out").exists()


def test_the_five_overrides_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the seed says of each override stands in `--explain`, with where both values were written."""
    assert main([str(OVERRIDES), "--root", str(EXAMPLES), "--output-dir", str(tmp_path), "--explain"]) == 0
    said = re.sub(r" \(\S+:\d+\)", "", capsys.readouterr().out)
    for lines in OVERRIDDEN:
        assert "\n".join(f"  {line}" for line in lines) in said
    assert "was [sales, crm]: a comma is refused by ECS" in said
