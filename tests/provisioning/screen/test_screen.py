"""The screen as its users call it: with limits, on the product's own roots, and on roots changed at random."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.screen import Limits, Refusal, screen, syntax
from provisioning.screen.rules import judge
from provisioning.screen.tree import Body
from provisioning.screen.values import inside
from tests.provisioning.screen.roots import FILES, GOOD, good, write

PRODUCT = Path(__file__).parents[3] / "terraform"
VARIABLES: dict[str, Any] = {
    "environment": "dev",
    "number_of_gateways": 2,
    "certs_dir": "certs/issued",
    "keys_in_secrets_manager": False,
}


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """The product's own root with its certificates beside it, as it is posted."""
    root = tmp_path / "terraform"
    shutil.copytree(PRODUCT, root, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "credentials"))
    things = ("irrigation-gateway-1", "irrigation-gateway-2", "irrigation-compute")
    return write(root, {f"certs/issued/{thing}/certificate.pem": "a certificate" for thing in things})


def test_the_products_own_roots_are_accepted(product: Path) -> None:
    """With the certificates in the archive, and the same with the private keys in it."""
    assert screen(product, VARIABLES) == []
    assert judge(product, VARIABLES | {"keys_in_secrets_manager": True}) == []


def test_the_products_root_with_its_certificates_elsewhere_is_refused(product: Path) -> None:
    """Its default folder of identities lies beside the root, where a job has nothing to read."""
    found = judge(product, {"environment": "dev", "number_of_gateways": 2})
    assert {each.file for each in found} == {
        "modules/iot/main.tf",
        "modules/iot/secrets.tf",
        "modules/iot/variables.tf",
    }
    assert all("outside of the root" in each.why for each in found)


def test_names_that_lead_out_are_refused_in_the_product(product: Path) -> None:
    """A gateway whose name climbs out of its folder, deep in a local's arithmetic."""
    main = product / "main.tf"
    name = '"${local.farm}-gateway-${n}"'
    main.write_text(main.read_text().replace(name, name.replace('"$', '"../$', 1)))
    assert {"modules/iot/main.tf"} <= {each.file for each in judge(product, VARIABLES)}


def test_a_text_that_hangs_the_reader_is_a_refusal(tmp_path: Path) -> None:
    """A file that takes the grammar longer than it may have."""
    root = write(tmp_path, {"main.tf": f"locals {{ a = [{'[],' * 200_000}] }}\n"})
    [refused] = screen(root, {}, limits=Limits(cpu_s=1))
    assert "could not be read within 1 s" in refused.why
    assert refused.remedy


def test_a_reader_that_waits_is_a_refusal(tmp_path: Path) -> None:
    """Time on the clock is limited, too."""
    [refused] = screen(good(tmp_path), {}, limits=Limits(wall_s=0.01))
    assert "within 0.01 s" in refused.why


def test_a_text_that_fills_memory_is_a_refusal(tmp_path: Path) -> None:
    """A file of brackets becomes more than the reader may hold."""
    assert screen(good(tmp_path / "good"), {}, limits=Limits(memory_bytes=48_000_000)) == []
    root = write(tmp_path / "large", {"main.tf": f"locals {{ a = [{'[],' * 16_000}] }}\n"})
    [refused] = screen(root, {}, limits=Limits(memory_bytes=48_000_000))
    assert "48,000,000 bytes" in refused.why


@pytest.mark.parametrize(("opens", "closes"), ["()", "[]"])
def test_a_deep_nest_is_a_refusal(tmp_path: Path, opens: str, closes: str) -> None:
    """Deeper than anybody writes."""
    [refused] = judge(write(tmp_path, {"main.tf": f"locals {{ a = {opens * 1500}1{closes * 1500} }}\n"}), {})
    assert (refused.file, refused.why) == ("main.tf", "nested too deep")


def test_a_root_without_code_is_a_refusal(tmp_path: Path) -> None:
    """Nothing to judge is not the same as nothing against it."""
    [refused] = judge(tmp_path, {})
    assert refused.why == "no .tf file in it"


def test_a_reader_that_sees_no_resource_fails_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a look-up by a name with quotation marks would: the file has blocks, the tree has none."""
    monkeypatch.setattr(syntax, "read", lambda _raw: Body())
    [refused] = judge(good(tmp_path), {})
    assert "stand in the file, the reader sees 0" in refused.why


def test_labels_that_keep_their_quotation_marks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's version 8 leaves them in; if the screen forgot it, nothing would pass rather than everything."""
    monkeypatch.setattr(syntax, "unquoted", lambda text: text)
    assert judge(good(tmp_path), {})


def test_a_refusal_says_all_in_one_line() -> None:
    """File, line, reason, remedy."""
    assert str(Refusal("main.tf", 3, "it is so", "do that")) == "main.tf:3: it is so; do that"


BLOCKS = GOOD.split("\n\n")
BAD = (
    'data "external" "x" {\n  program = ["id"]\n}',
    'resource "aws_s3_object" "bad" {\n  source = "/etc/passwd"\n}',
    'resource "aws_instance" "bad" {\n  provisioner "remote-exec" {}\n}',
    'locals {\n  bad = { a = [for x in [1] : "${file("/etc/passwd")}"] }\n}',
    'module "bad" {\n  source = "git::https://example.org/x"\n}',
    'output "bad" {\n  value = (true && fileexists("../x")) ? "a" : "b"\n}',
)
HARMLESS = (
    "# a comment with provisioner in it",
    "/* resource of old */",
    "",
    "// file",
    'resource "aws_sqs_queue" "more" {\n  name = "more"\n}',
    'output "more" {\n  value = "$${not} a ${local.names} of \\"quotes\\""\n}',
    "locals {\n  text = <<-EOT\n    some $${text} with ${var.region}\n  EOT\n}",
)


def root_of(folder: Path, blocks: list[str], gap: str) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return write(folder, {"main.tf": gap.join(blocks) + "\n", **FILES})


@settings(deadline=None, max_examples=25)
@given(st.permutations(BLOCKS), st.sets(st.sampled_from(HARMLESS), max_size=4), st.sampled_from(["\n", "\n\n", "\r\n"]))
def test_an_accepted_root_stays_so(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[str], more: set[str], gap: str
) -> None:
    """In whatever order, with comments, empty lines and harmless blocks between."""
    root = root_of(tmp_path_factory.getbasetemp() / "kept", [*sorted(more), *blocks], gap)
    assert judge(root, {}) == []


@settings(deadline=None, max_examples=40)
@given(st.permutations(BLOCKS), st.sampled_from(BAD), st.integers(0, len(BLOCKS)), st.sets(st.sampled_from(HARMLESS)))
def test_one_bad_block_is_found_wherever_it_stands(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[str], bad: str, place: int, more: set[str]
) -> None:
    """At its own lines."""
    blocks = [*sorted(more), *blocks[:place], bad, *blocks[place:]]
    root = root_of(tmp_path_factory.getbasetemp() / "changed", blocks, "\n\n")
    found = judge(root, {})
    first = (root / "main.tf").read_text().split(bad)[0].count("\n") + 1
    assert found
    assert all(first <= each.line <= first + bad.count("\n") for each in found)


NAMES = st.sampled_from(["..", ".", "files", "field.txt", "", "x", "~", "root"])


@settings(deadline=None, max_examples=60)
@given(st.lists(NAMES, min_size=1, max_size=6), st.sampled_from(["", "/", "${path.root}/", "${path.module}/", "./"]))
def test_a_path_is_accepted_only_within_the_root(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], front: str
) -> None:
    """Whatever a path is made of, what is accepted is in the folder, as the operating system finds it."""
    text = front + "/".join(names)
    root = tmp_path_factory.getbasetemp() / "paths" / "root"
    write(root, {"main.tf": f'output "x" {{\n  value = file("{text}")\n}}\n', **FILES})
    plain = text.replace("${path.root}", ".").replace("${path.module}", ".")
    is_within = (root / plain).resolve().is_relative_to(root.resolve()) and not plain.startswith("~")
    assert (judge(root, {}) == []) == is_within
    assert inside(root, plain) == is_within


@settings(deadline=None, max_examples=25)
@given(
    st.recursive(
        st.sampled_from(["a", '${file("/etc/x")}', 1, None]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=8,
    )
)
def test_a_call_is_found_wherever_it_stands_in_json(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    """As a value or in a list or an object, at any depth."""
    text = json.dumps({"output": {"x": {"value": value}}})
    root = write(tmp_path_factory.getbasetemp() / "json", {"main.tf.json": text})
    assert bool(judge(root, {})) == ("/etc/x" in text)
