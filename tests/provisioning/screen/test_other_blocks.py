"""Blocks beside resources, other letters, and texts that only read like a call: what is refused, and what must pass."""

import json
from pathlib import Path

import pytest

from provisioning.screen.rules import judge
from tests.provisioning.screen.roots import Hostile, good, in_json, main, resource, write

HOSTILE = (
    main("of another provider", 'import {\n  to = null_resource.x\n  id = "x"\n}\n', 2, "null_resource", "leave it"),
    main(
        "of another provider in a module",
        'import {\n  to = module.a["b"].module.c.kubernetes_pod.x[0]\n  id = "x"\n}\n',
        2,
        "kubernetes_pod",
        "use a type of hashicorp/aws",
    ),
    main(
        "by another provider",
        'import {\n  to = aws_x.y\n  id = "x"\n  provider = kubernetes.x\n}\n',
        4,
        "kubernetes",
        "name aws or google",
    ),
    in_json(
        "of another provider in JSON",
        {"import": [{"to": 'module.a["b.c"].null_resource.x', "id": "x"}]},
        4,
        "null_resource",
        "leave it out",
    ),
    in_json("of no address", {"import": [{"to": "a b", "id": "x"}]}, 4, "no provider that is allowed", "hashicorp/aws"),
    main(
        "by a list of files",
        'import {\n  for_each = fileset("/etc", "*")\n  to = aws_x.y[each.key]\n  id = each.key\n}\n',
        2,
        "outside of the root",
        "path.root",
    ),
    main(
        "a provisioner that repeats",
        resource('  dynamic "provisioner" {\n    for_each = [1]\n    content {}\n  }'),
        2,
        "a provisioner runs programs",
        "leave it out",
    ),
    main(
        "a provisioner of what is gone",
        'removed {\n  from = aws_x.y\n  provisioner "local-exec" {\n    when = destroy\n  }\n}\n',
        3,
        "a provisioner runs programs",
        "leave it out",
    ),
    main(
        "a check of a file", 'check "c" {\n  assert {\n    condition = fileexists("/x")\n  }\n}\n', 3, "/x", "path.root"
    ),
    main(
        "tags that hide",
        'provider "aws" {\n  alias = "b"\n  ignore_tags {\n    key_prefixes = ["Name", "provisioning_"]\n  }\n}\n',
        3,
        "ignore_tags",
        "name other tags",
    ),
    main(
        "tags that hide by a name of a variable",
        'provider "aws" {\n  alias = "b"\n  ignore_tags {\n    keys = [var.x]\n  }\n}\n',
        3,
        "ignore_tags",
        "name other tags",
    ),
    main("a tag", resource('  tags = { "provisioning_project" = "b" }'), 2, "whose a thing is", "leave it out"),
    main(
        "a tag of all",
        'provider "aws" {\n  alias = "b"\n  default_tags {\n    tags = { provisioning_farm = "b" }\n  }\n}\n',
        4,
        "whose a thing is",
        "leave it out",
    ),
    in_json(
        "a tag in JSON",
        {"resource": {"aws_x": {"y": {"tags": {"provisioning_project": "b"}}}}},
        5,
        "whose a thing is",
        "leave it out",
    ),
    main("a name in other letters", 'resource "aws_x" "região" {}\n', 1, "ASCII letters", "fmt"),
    main(
        "a folder of this process", resource('  content = file("${path.cwd}/x")'), 2, "cannot be followed", "path.root"
    ),
    main(
        "another folder made whole", resource('  content = file(abspath("../x"))'), 2, "../x lies outside", "path.root"
    ),
    main("a core function", resource('  content = core::file("/etc/passwd")'), 2, "not HCL", "fmt"),
    main(
        "a call after a line of text",
        'locals {\n  a = "a file (of a kind)"\n  b = [file("/etc/passwd")]\n}\n',
        3,
        "/etc/passwd",
        "path.root",
    ),
)

HARMLESS = {
    "moved": 'moved {\n  from = aws_s3_bucket.old\n  to = aws_s3_bucket.this["field"]\n}\n',
    "moved from another provider": "moved {\n  from = null_resource.x\n  to = terraform_data.x\n}\n",
    "removed": "removed {\n  from = aws_s3_bucket.old\n  lifecycle {\n    destroy = false\n  }\n}\n",
    "import": "import {\n  for_each = local.names\n  to = aws_s3_bucket.this[each.key]\n  id = each.key\n}\n",
    "check": 'check "c" {\n  data "aws_caller_identity" "me" {}\n  assert {\n    condition = true\n  }\n}\n',
    "ephemeral": 'ephemeral "aws_secretsmanager_secret_version" "s" {\n  secret_id = "s"\n}\n',
    "a function of the provider": 'output "a" {\n  value = provider::aws::arn_parse("arn:aws:s3:::a").service\n}\n',
    "data that holds": 'resource "terraform_data" "a" {\n  input = "local-exec"\n}\n',
    "a description": 'output "a" {\n  description = "reads a file (see docs)"\n  value = 1\n}\n',
    "a comment": '# file("/etc/passwd")\n/* provisioner "local-exec" {} */\n',
    "names": 'resource "aws_s3_bucket" "external" {\n  tags = { provisioner = "me", file = "/etc" }\n}\n',
    "tags of others": 'provider "aws" {\n  alias = "b"\n  ignore_tags {\n    keys = ["k8s"]\n  }\n}\n',
    "a script": 'resource "aws_instance" "a" {\n  user_data = <<-EOT\n    provisioner --file x\n  EOT\n}\n',
    "this folder's name": 'output "a" {\n  value = basename(abspath(path.root))\n}\n',
}


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_it_is_refused_at_its_line(tmp_path: Path, hostile: Hostile) -> None:
    """With the reason and the remedy, and nothing else is."""
    found = judge(write(good(tmp_path), hostile.files), {})
    assert {each.file for each in found} == {hostile.file}
    assert any(
        each.line == hostile.line and hostile.why in each.why and hostile.remedy in each.remedy for each in found
    ), [str(each) for each in found]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_hostile_passes(tmp_path: Path, name: str) -> None:
    """It runs nothing and opens nothing."""
    assert judge(write(good(tmp_path), {"extra.tf": HARMLESS[name]}), {}) == []


def test_a_text_of_json_that_is_no_template_is_no_call(tmp_path: Path) -> None:
    """Comments and descriptions; as a template the same is one."""
    texts = {"//": "file(x)", "output": {"a": {"description": "a file (see docs)", "value": 1}}}
    assert judge(write(good(tmp_path), {"extra.tf.json": json.dumps(texts)}), {}) == []
    texts["output"] = {"a": {"value": '${file("/etc/passwd")}'}}
    assert judge(write(good(tmp_path), {"extra.tf.json": json.dumps(texts)}), {})
