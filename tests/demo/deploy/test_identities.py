"""The two ways to fetch an identity: each does what it prints, and they must agree."""

import os
import shutil
from pathlib import Path

import pytest

from demo.deploy import identities
from demo.deploy.errors import CommandError
from demo.deploy.identities import Fetching

THING = "irrigation-gateway-1"
WRITES = [f"mkdir -p {THING}", *(f"printf {name} > {THING}/{name}" for name in identities.FILES)]


@pytest.fixture
def how(tmp_path: Path) -> Fetching:
    (tmp_path / "root.pem").write_text("the gate's CA")
    return Fetching(dict(os.environ), "dev", tmp_path / "root.pem", tmp_path / "logs")


async def test_the_printed_commands_are_run_as_they_are(how: Fetching, tmp_path: Path) -> None:
    """In one shell, in the folder of all things; the gate's CA is put beside what they write."""
    await identities.by_commands({THING: WRITES}, tmp_path / "printed", how)
    folder = tmp_path / "printed" / THING
    assert {path.name for path in folder.iterdir()} == {*identities.FILES, "root_ca.pem"}
    assert (folder / "root_ca.pem").read_text() == "the gate's CA"


@pytest.mark.parametrize("broken", ["false", "false | true", 'echo "$NOT_SET"', "no-such-program"])
async def test_a_command_that_fails_is_told(how: Fetching, tmp_path: Path, broken: str) -> None:
    """Whatever stands after it: whose command it was, and where the rest is to be read."""
    with pytest.raises(CommandError, match=rf"^the printed commands of {THING} ended with \d+: .*fetch\.log\)$"):
        await identities.by_commands({THING: [broken, *WRITES]}, tmp_path / "printed", how)


@pytest.mark.parametrize("name", identities.FILES)
async def test_a_difference_is_named(how: Fetching, tmp_path: Path, name: str) -> None:
    """Both ways have to give the same file; an empty line at the end is none."""
    one, other = tmp_path / "one", tmp_path / "other"
    await identities.by_commands({THING: WRITES}, one, how)
    shutil.copytree(one, other)
    (other / THING / name).write_text(f"{name}\n\n")
    identities.compare([THING], one, other)
    (other / THING / name).write_text("another")
    with pytest.raises(CommandError, match=rf"^{THING}: .* give another {name}$"):
        identities.compare([THING], one, other)
