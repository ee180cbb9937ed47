import re
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest

from certs.__main__ import main
from certs.authority import Authority

ROOT = Path(__file__).parents[2]


def certs(*arguments: str | Path, preexec: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "certs", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=preexec)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command writes."""
    assert result.returncode == 2, result
    [line] = result.stderr.splitlines()
    return line


def test_a_farm_of_gateways_is_issued_once(tmp_path: Path) -> None:
    """`issue --gateways` makes gateways, compute and gate, prints the folders, and a second time keeps them."""
    first = certs("issue", "--gateways", "2", "--out", tmp_path)
    assert first.returncode == 0, first.stderr
    printed = [Path(line).name for line in first.stdout.splitlines()]
    assert printed == ["irrigation-gateway-1", "irrigation-gateway-2", "irrigation-compute"]
    assert (tmp_path / "localhost" / "certificate.pem").is_file()
    shown = certs("show", "--out", tmp_path).stdout
    certs("issue", "--gateways", "2", "--things", "irrigation-gateway-1", "--out", tmp_path)
    assert certs("show", "--out", tmp_path).stdout == shown
    assert [line.split()[0] for line in shown.splitlines()] == sorted([*printed, "ca", "localhost"])


def test_rotate_changes_the_certificate(tmp_path: Path) -> None:
    """After `rotate`, the thing's certificate id in `show` is another, and the others' are the same."""
    certs("issue", "--things", "a", "b", "--out", tmp_path)
    before = certs("show", "--out", tmp_path).stdout.splitlines()
    assert certs("rotate", "a", "--out", tmp_path).returncode == 0
    after = certs("show", "--out", tmp_path).stdout.splitlines()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["issue"], "--gateways N, or --things NAME"),
        (["issue", "--things", "a.b"], "'a.b'"),
        (["rotate", "nobody"], "'nobody'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], names: str) -> None:
    """A mistake in the command ends with code 2 and one line that names it."""
    assert names in refused(certs(*arguments, "--out", tmp_path / "issued"))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file where the folder should be, or a file system that takes no folder, is named in the one line."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    for place in (in_the_way, Path("/dev/null/issued")):
        assert str(place) in refused(certs("issue", "--gateways", "1", "--out", place))


def test_show_of_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    """`show` where nothing was issued says so."""
    assert str(tmp_path / "nowhere") in refused(certs("show", "--out", tmp_path / "nowhere"))


def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    """When the disk takes no more bytes, the command ends with one line and no temporary file stays."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))  # the key fits, the certificate does not

    result = certs("issue", "--gateways", "1", "--out", tmp_path, preexec=full)
    assert str(tmp_path / "ca") in refused(result)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {".lock", "private_key.pem"}


def test_an_absurd_number_of_gateways_is_refused(tmp_path: Path) -> None:
    """`--gateways 0` and letters are refused by the command line, with code 2."""
    for number in ("0", "-1", "many"):
        assert certs("issue", "--gateways", number, "--out", tmp_path).returncode == 2


def test_a_person_renews_a_board(tmp_path: Path) -> None:
    """Spares, the hand-over, the next certificate, the settle: what each prints, and what `show` makes of it."""
    certs("issue", "--things", "pump", "--out", tmp_path)

    def said(*arguments: str) -> str:
        done = certs(*arguments, "--out", tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(str(tmp_path), "OUT")

    def shown() -> list[str]:
        """What stands behind the ids."""
        return [re.sub(r"^.*[0-9a-f]{64}", "", line) for line in said("show").splitlines()[1:]]

    assert shown() == [""]
    assert said("spares", "pump", "--count", "2") == "pump: spares 1, 2 in OUT/pump/spares\n"
    assert shown() == ["  spares not handed over: 1, 2"]
    assert "--handed-over" in refused(certs("renew", "pump", "--out", tmp_path))
    assert said("spares", "pump", "--handed-over") == "pump: spares 1, 2 are on its board alone\n"
    assert shown() == ["  spares left: 1, 2"]
    renewed = re.fullmatch(
        r"pump: next certificate, spare 1, serial ([0-9A-F]+)\nOUT/pump/next/certificate.pem\n", said("renew", "pump")
    )
    assert renewed is not None
    assert shown() == ["  spares left: 2", f"  serial {renewed[1]}"]
    assert said("show").splitlines()[2].startswith("  next, spare 1, not settled     until ")
    assert "is not its next one" in refused(certs("settle", "pump", "--seen", "0", "--out", tmp_path))
    assert said("settle", "pump", "--seen", renewed[1]).startswith(f"pump: {renewed[1]} is its only certificate, until")
    assert shown() == ["  key on its board alone  spares left: 2"]
    said("renew", "pump")
    kept = said("withdraw", "pump", "--seen", renewed[1])
    assert kept.startswith(f"pump: {renewed[1]} stays its certificate, until ")
    assert shown() == ["  key on its board alone  spares left: none"]


@pytest.mark.parametrize(
    ("days", "mark"), [(60, ""), (59, "  ENDS IN 59 DAYS"), (0, "  ENDS IN 0 DAYS"), (-1, "  ENDED")]
)
def test_what_runs_out_is_marked(
    tmp_path: Path, days: int, mark: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 60 days of its end an identity is marked, and the CA as well: then all of them have to be issued anew."""
    for end, names in ((730, ["pump"]), (3652, ["ca"])):
        begin = repeat(datetime.now(UTC) - timedelta(days=end - days) + timedelta(hours=1))
        Authority(tmp_path / str(end), now=begin.__next__).issue("pump")
        monkeypatch.setattr(sys, "argv", ["certs", "show", "--out", str(tmp_path / str(end))])
        assert main() == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if line.split()[0] in names]
        assert [re.sub(r"^.*[0-9a-f]{64}", "", line) for line in lines] == [mark]
