"""No value gets out of its quotes: what both syntaxes say is what the tree holds, as Terraform reads it."""

import json
import os
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from provisioning.job_files import hcl, terraform_json
from provisioning.job_files.tree import Encoded, Expression, Root, block
from tests.provisioning.job_files.files import ROOT

MARKS = st.text('"\\\n\r\t$%{}~a é\x00\x1f\u2028/#*', max_size=12)
SIGNS = MARKS | st.text(st.characters(codec="utf-8"), max_size=12)
NASTY = (
    *(
        '"',
        "\\",
        '\\"',
        "a\nb",
        "\r\n",
        "\t",
        "${var.x}",
        "%{ if true }",
        "$${x}",
        "$$${x}",
        "%%{x}",
        "$",
        "$$",
        "%{",
        "${",
    ),
    *("$%{", "%${", "${~", "\\${", '"}', "<<EOT", "# no", "/* no", "é ü 水", "\u2028", "\x7f", "", " ", "null", "true"),
    *("$$$${", "\\u0041", "\ra$%{b", "a\r\r%%{", "$${x}\r", "\n\r$${x}", "\r${"),
)
VALUE = {"text": "x", "list": ["a", {"b": [1, 2.5, True, None]}], "odd key ${x}": {"1": "y"}}


def root(value: Any) -> Root:
    return Root(("A header.",), (block("output", "it", value=value),))


def quotes_alike(text: str) -> None:
    """Without quotes and escapes, both hold the same template, of which nothing is evaluated but marks."""
    assert json.loads(terraform_json.text(root(text)))["output"]["it"]["value"] == terraform_json.quoted(text)
    line = hcl.quoted(text)
    assert line[0] == line[-1] == '"'
    assert unquoted(line[1:-1]) == hcl.without_templates(text)


@pytest.mark.timeout(3600)  # a hundred thousand examples on a busy machine
@pytest.mark.parametrize("examples", [200, pytest.param(100_000, marks=pytest.mark.soak)])
def test_json_and_hcl_quote_alike(examples: int) -> None:
    """Whatever the text."""
    settings(max_examples=examples, deadline=None)(given(SIGNS)(quotes_alike))()


def unquoted(line: str) -> str:
    """What stands in the quotes of HCL, read sign by sign; a quote or a break that is not escaped would end them."""
    found, rest = "", line
    while rest:
        if rest.startswith("\\u"):
            found, rest = found + chr(int(rest[2:6], 16)), rest[6:]
        elif rest[0] == "\\":
            found, rest = found + {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}[rest[1]], rest[2:]
        elif rest.startswith(('${"$"}', '${"%"}')):
            found, rest = found + rest[:6], rest[6:]
        else:
            assert rest[0] not in '"\n\r', line
            found, rest = found + rest[0], rest[1:]
    return found


def applied(made: Root, form: Any, folder: Path) -> Any:
    """The outputs that Terraform has of a root."""
    name = "main.tf" if form is hcl else "main.tf.json"
    (folder / name).write_text(form.text(made), encoding="utf-8")
    command = [str(ROOT / "scripts" / "terraform"), f"-chdir={folder}"]
    variables = {**os.environ, "TF_DATA_DIR": str(folder / ".data")}
    for words in (["fmt", "-check"], ["apply", "-auto-approve", "-input=false"]):
        done = subprocess.run([*command, *words], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads((folder / "terraform.tfstate").read_text())["outputs"]


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", [hcl, terraform_json], ids=["hcl", "json"])
def test_terraform_reads_a_hundred_thousand_texts_back(form: Any, tmp_path: Path) -> None:
    """Each in an output, equal but for letters and their accents, of which Terraform makes one sign."""
    texts: list[str] = []

    def note(text: str) -> None:
        texts.append(text)

    settings(max_examples=100_000, deadline=None, phases=[Phase.generate])(given(SIGNS)(note))()
    assert len(texts) >= 100_000
    outputs = applied(root(texts), form, tmp_path)
    assert outputs["it"]["value"] == [unicodedata.normalize("NFC", text) for text in texts]


@pytest.mark.parametrize("form", [hcl, terraform_json], ids=["hcl", "json"])
def test_terraform_reads_every_text_back(form: Any, tmp_path: Path) -> None:
    """Real Terraform, on texts that try to end their quotes or to begin a template."""
    deep = {f"k{number} {text}": text for number, text in enumerate(NASTY)}
    blocks = tuple(block("output", f"o{number}", value=text) for number, text in enumerate(NASTY))
    more = (block("output", "deep", value=deep), block("output", "encoded", value=Encoded([deep, VALUE])))
    made = Root(("# ${no} \\",), (*blocks, *more, block("output", "value", value=VALUE)))
    outputs = applied(made, form, tmp_path)
    assert [outputs[f"o{number}"]["value"] for number in range(len(NASTY))] == list(NASTY)
    assert outputs["deep"]["value"] == deep
    assert json.loads(outputs["encoded"]["value"]) == [deep, VALUE]
    assert outputs["value"]["value"] == VALUE


def test_expressions_stay_expressions() -> None:
    """A reference is one in both, and a second reader of HCL sees the same tree."""
    made = root(Expression("var.x"))
    assert json.loads(terraform_json.text(made))["output"]["it"]["value"] == "${var.x}"
    assert hcl2.loads(hcl.text(made))["output"][0]['"it"']["value"] == "${var.x}"
