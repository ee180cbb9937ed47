"""docs/costs.md and docs/screen.md name what the code has."""

import re
from pathlib import Path

from provisioning.costs.rules import RULES
from provisioning.costs.usage import DEFAULTS
from provisioning.screen import folder, modules, rules
from provisioning.screen.types import FILE_NAMES, OTHER_SOURCES, PROVIDER_ARGUMENTS, REFUSED_FUNCTIONS

DOCS = Path(__file__).parents[2] / "docs"


def test_every_amount_is_told_with_its_default() -> None:
    """The table of usage, and the list of types with a price."""
    text = (DOCS / "costs.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert {kind: rows.get(kind) for kind in DEFAULTS} == {
        kind: ", ".join(f"`{name}` {amount.default} ({amount.what})" for name, amount in amounts.items())
        for kind, amounts in DEFAULTS.items()
    }
    [priced] = re.findall(r"These types have a price: (.+)\.$", text, re.MULTILINE)
    assert priced == ", ".join(f"`{kind}`" for kind in sorted(RULES))


def test_what_is_refused_is_told() -> None:
    """Names and limits, as the code has them."""
    text = (DOCS / "screen.md").read_text(encoding="utf-8")
    names = {*folder.NAMES, *FILE_NAMES, *REFUSED_FUNCTIONS, *OTHER_SOURCES} - {"local_sensitive_file"}
    names |= {name for arguments in PROVIDER_ARGUMENTS.values() for name in arguments}
    assert {name for name in names if f"`{name}`" not in text} == set()
    for limit in (folder.MOST_FILES, modules.MOST_BLOCKS, rules.MOST_CALLS):
        assert f"{limit:,}" in text
    assert (folder.MOST_BYTES, folder.MOST_CODE_FILE_BYTES, folder.MOST_CODE_BYTES) == (10**8, 10**6, 4 * 10**6)
