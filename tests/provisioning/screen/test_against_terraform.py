"""The reader against Terraform itself: what both accept, both take for the same names; else code could hide."""

import json
import random
import re
import subprocess
from pathlib import Path

import hcl2
import pytest

from provisioning.screen import syntax
from provisioning.screen.errors import UnreadableError

# Texts of which python-hcl2 alone sees fewer names than Terraform: in each, `hidden` is code.
SWALLOWED = {
    "an escape": 'locals {\n  a = "$${"\n  hidden = 1\n  c = "}"\n}\n',
    "a directive's escape": 'locals {\n  a = "%%{"\n  hidden = 1\n  c = "}"\n}\n',
    "a heredoc": "locals {\n  a = <<E\nx\nE \n  hidden = 1\n  b = <<E\nE\n}\n",
}
_TOKENS = """ " ${ } $${ %{ %%{ $ % # // /* */ { } ( ) [ ] = a 1 : ~ , x "a" "${1}" << E ? => ... "}" "$${" "%%{" """
_SPACED = (
    "\\" + '"',
    "\\\\",
    "<<E\n",
    "<<-E\n",
    "E\n",
    " E\n",
    "E \n",
    "\tE\n",
    "\n",
    "\r\n",
    '"\n',
    " if true ",
    " endif ",
)
PIECES = (*_TOKENS.split(), *_SPACED)


def names_of_terraform(folder: Path, text: str, names: list[str]) -> set[str] | None:
    """Those of the names that are locals to Terraform; None if it does not read the text."""
    (folder / "main.tf").write_bytes(text.encode())
    outputs = (f'output "{name}" {{\n  value = local.{name}\n}}\n' for name in names)
    (folder / "outputs.tf").write_text("".join(outputs))
    command = ["terraform", "validate", "-json"]
    told = json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout)
    errors = [each for each in told["diagnostics"] if each["severity"] == "error"]
    if any(each.get("range", {}).get("filename") == "main.tf" for each in errors):
        return None
    unknown = {name for each in errors for name in re.findall(r'with the name "(\w+)"', each.get("detail", ""))}
    return set(names) - unknown


@pytest.mark.parametrize("name", SWALLOWED)
def test_what_the_grammar_takes_for_text_is_code_to_terraform(tmp_path: Path, name: str) -> None:
    """So such a text is refused; if the grammar learns better one day, the refusal may go."""
    text = SWALLOWED[name]
    assert "hidden" in (names_of_terraform(tmp_path, text, ["hidden"]) or set())
    assert "hidden" not in hcl2.loads(text)["locals"][0]
    with pytest.raises(UnreadableError):
        syntax.read(text.encode())


def a_text(chance: random.Random, count: int) -> str:
    """So many locals with values of loose pieces, and a plain one after each."""
    lines = []
    for n in range(count):
        pieces = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 12)))
        value = chance.choice([f'"{pieces}"', f"<<E\n{pieces}\nE", pieces])
        lines.append(f'  v{n} = {value}\n  c{n} = "{chance.choice(["x", "}", "$", "E"])}"\n')
    return f"locals {{\n{''.join(lines)}}}\n"


@pytest.mark.soak
def test_both_see_the_same_names(tmp_path: Path) -> None:
    """Five hundred texts of loose pieces that the reader accepts."""
    chance = random.Random(1)
    compared = 0
    while compared < 500:
        count = chance.randint(1, 4)
        text = a_text(chance, count)
        try:
            body = syntax.read(text.encode())
        except (UnreadableError, RecursionError):
            continue
        names = [f"{letter}{n}" for n in range(count) for letter in "vc"]
        expected = names_of_terraform(tmp_path, text, names)
        if expected is not None:
            compared += 1
            assert {name for block in body.blocks for name in block.body.attributes} == expected, text
