"""Configurations that must not reach `init`: each is refused, with its file, its line, the reason and the remedy."""

import json
import os
from pathlib import Path

import pytest

from provisioning.screen.rules import judge
from tests.provisioning.screen.roots import GOOD_JSON, HOSTILE, Hostile, good, write


def test_there_are_enough_of_them() -> None:
    """Thirty at least, no two of one name."""
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 30


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_root_is_refused(tmp_path: Path, hostile: Hostile) -> None:
    """Refused at the line that is at fault, and nothing is refused that was good before."""
    found = judge(write(good(tmp_path), hostile.files), {})
    assert {each.file for each in found} == {hostile.file}
    assert any(
        each.line == hostile.line and hostile.why in each.why and hostile.remedy in each.remedy for each in found
    ), [str(each) for each in found]


def test_the_root_without_them_is_accepted(tmp_path: Path) -> None:
    """Each of them stands alone: what is beside it is good."""
    assert judge(good(tmp_path), {}) == []


def test_the_same_in_json_is_accepted(tmp_path: Path) -> None:
    """JSON is held to the same rules, not to more."""
    assert judge(write(tmp_path, {"main.tf.json": json.dumps(GOOD_JSON), "files/field.txt": ""}), {}) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A symbolic link could lead anywhere, also within the folder."""
    root = good(tmp_path)
    (root / "files" / "link.txt").symlink_to("/etc/passwd")
    [found] = judge(root, {})
    assert (found.file, found.why) == ("files/link.txt", "a symbolic link, which could lead anywhere")
    assert found.remedy


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe in the archive would hold up whoever opens it."""
    root = good(tmp_path)
    os.mkfifo(root / "files" / "pipe")
    assert [each.file for each in judge(root, {})] == ["files/pipe"]


def test_a_variable_of_the_job_is_followed(tmp_path: Path) -> None:
    """The value that is given with the job decides, and a value in a file beside it counts as well."""
    text = 'variable "folder" {}\noutput "x" {\n  value = file("${var.folder}/field.txt")\n}\n'
    root = write(good(tmp_path), {"extra.tf": text})
    assert judge(root, {"folder": "files"}) == []
    assert judge(root, {"folder": str(root / "files")}) == []
    [refused] = judge(root, {"folder": "/etc"})
    assert (refused.file, refused.line) == ("extra.tf", 3)
    write(root, {"terraform.tfvars": 'folder = "../etc"\n'})
    assert judge(root, {"folder": "files"})


def test_a_default_counts_where_nothing_is_given(tmp_path: Path) -> None:
    """Also where null is given to a variable that takes its default for null."""
    text = 'variable "f" {\n  nullable = false\n  default = "/etc/x"\n}\noutput "x" {\n  value = file(var.f)\n}\n'
    root = write(good(tmp_path), {"extra.tf": text})
    assert judge(root, {})
    assert judge(root, {"f": None})
    assert judge(root, {"f": "files/field.txt"}) == []


def test_files_of_the_service_are_left_alone(tmp_path: Path) -> None:
    """What the service itself has put there is not the farm's doing."""
    root = write(good(tmp_path), {"backend.tf.json": '{"terraform": {"backend": {"s3": {}}}}'})
    assert judge(root, {})
    assert judge(root, {}, own=["backend.tf.json"]) == []


LISTED = """\
locals {
  listed = fileset("${path.module}/files", "**")
}
resource "aws_s3_object" "listed" {
  for_each = local.listed
  source   = "${path.module}/files/${each.value}"
}
resource "aws_s3_object" "mapped" {
  for_each = { for name in fileset("files", "*.txt") : name => name if name != "x" }
  content  = templatefile("files/${each.key}", {})
}
"""


def test_names_of_a_listing_may_be_parts_of_a_path(tmp_path: Path) -> None:
    """As they stand, and not in pieces; and each template among them is read."""
    root = write(good(tmp_path), {"extra.tf": LISTED})
    assert judge(root, {}) == []
    write(root, {"extra.tf": LISTED.replace("/${each.value}", "/${substr(each.value, 0, 1)}")})
    [refused] = judge(root, {})
    assert (refused.file, refused.line) == ("extra.tf", 6)
    write(root, {"extra.tf": LISTED, "files/deep/bad.txt": '${file("/etc/passwd")}'})
    assert [each.file for each in judge(root, {})] == ["files/deep/bad.txt"]


def test_a_local_may_be_a_path(tmp_path: Path) -> None:
    """Locals, conditions and repeated blocks are followed to what they are made of."""
    text = """\
locals {
  folder = startswith(var.region, "/") ? "files" : "${path.root}/files"
  rows   = { for name in local.names : name => "x" }
}
resource "aws_iot_thing" "this" {
  for_each = local.rows
  name     = each.key
}
resource "aws_iot_certificate" "this" {
  for_each        = aws_iot_thing.this
  certificate_pem = file("${local.folder}/${each.key}.txt")
  dynamic "x" {
    for_each = local.names
    iterator = it
    content {
      y = fileexists("${local.folder}/${it.value}.txt")
    }
  }
}
"""
    assert judge(write(good(tmp_path), {"extra.tf": text}), {}) == []
