"""What an error says to do is done, to the letter: the commands that it names run, and then the first one works."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import certs.__main__
import firmware.__main__
import updates.__main__
from certs.authority import Authority
from certs.renewal import RenewingAuthority
from updates.connection import _tls
from updates.errors import IdentityError

THING = "irrigation-gateway-3"
ROOT = Path(__file__).parents[2]
USUAL, ELSEWHERE = Path("certs/issued"), Path("farm/keys")
BUNDLE = "python -m firmware bundle --out set-up.json --certs {folder}"
RENEW, OFFER = "python -m certs renew {thing}{out}", "python -m updates renew {thing} --certs {certs}"
COMMAND = re.compile(r"python -m [^,;]+?(?=[,;]|$| again$)")

Run = Callable[[str], tuple[int, str]]
Damage = Callable[[Path], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty folder with a board's configuration; gives its code and what it says on errors."""
    monkeypatch.chdir(tmp_path)
    config = json.loads((ROOT / "firmware" / "config_example.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "gateway_id": THING}))
    shutil.copy(ROOT / "firmware" / "pins_example.json", tmp_path / "pins.json")

    def certs_main(words: list[str]) -> int:
        monkeypatch.setattr(sys, "argv", ["certs", *words])
        return certs.__main__.main()

    rooms = {"certs": certs_main, "firmware": firmware.__main__.main, "updates": updates.__main__.main}

    def one(line: str) -> tuple[int, str]:
        _, _, room, *words = shlex.split(line)
        code = rooms[room](words)
        return code, capsys.readouterr().err.strip()

    return one


def follow(run: Run, line: str, steps: int) -> list[str]:
    """Give the command, and do what each refusal says, until it works; gives the commands that were named."""
    done: list[str] = []
    for _ in range(steps + 1):
        code, text = run(line)
        if code == 0:
            assert done, "the damage was none"
            return done
        named = [one.strip() for one in COMMAND.findall(text)]
        assert named, text
        for command in named:
            assert run(command) == (0, ""), f"{text}\nof which {command!r}"
        done += named
    pytest.fail(f"{line}: after {done} it says {run(line)[1]}")


def nothing(_folder: Path) -> None:
    """There is no identity."""
    shutil.rmtree(_folder)


def without_key(folder: Path) -> None:
    (folder / "private_key.pem").unlink()


def damaged(folder: Path) -> None:
    (folder / "certificate.pem").write_text("x")


def of_another_key(folder: Path) -> None:
    shutil.copy(Authority(folder.parent).issue("other") / "private_key.pem", folder / "private_key.pem")


def ended(folder: Path) -> None:
    then = datetime.now(UTC) - timedelta(days=800)
    shutil.rmtree(folder)
    shutil.rmtree(folder.parent / "ca")
    Authority(folder.parent, lambda: then).issue(folder.name)


def begins_later(folder: Path) -> None:
    shutil.rmtree(folder)
    Authority(folder.parent, lambda: datetime.now(UTC) + timedelta(days=2)).issue(folder.name)


def handed_over(folder: Path) -> None:
    authority = RenewingAuthority(folder.parent)
    authority.make_spares(folder.name)
    authority.hand_over(folder.name)


def renewed(folder: Path) -> None:
    """The board has its second certificate, and its key is nowhere else."""
    handed_over(folder)
    authority = RenewingAuthority(folder.parent)
    authority.settle(folder.name, authority.renew(folder.name).serial)


def with_spares_and(damage: Damage) -> Damage:
    def both(folder: Path) -> None:
        handed_over(folder)
        damage(folder)

    return both


def renewed_and_damaged(folder: Path) -> None:
    renewed(folder)
    damaged(folder)


def a_spare_is_damaged(folder: Path) -> None:
    RenewingAuthority(folder.parent).make_spares(folder.name)
    (folder / "spares" / "spare_2.der").write_text("x")


@pytest.mark.parametrize("certs_folder", [USUAL, ELSEWHERE], ids=str)
@pytest.mark.parametrize(
    ("damage", "commands"),
    [
        (nothing, ["issue"]),
        (without_key, ["issue"]),
        (damaged, ["issue"]),
        (of_another_key, ["issue"]),
        (ended, ["issue"]),
        (begins_later, ["rotate"]),
        (renewed, ["rotate", "spares"]),
        (renewed_and_damaged, ["rotate", "spares"]),
        (with_spares_and(without_key), ["rotate", "spares"]),
        (with_spares_and(damaged), ["rotate", "spares"]),
        (a_spare_is_damaged, ["spares"]),
    ],
    ids=[
        *("nothing", "no key", "damaged", "another key", "ended", "begins later", "renewed", "renewed and damaged"),
        *("spares on the board and no key", "spares on the board and damaged", "a spare is damaged"),
    ],
)
def test_a_board_can_be_flashed(run: Run, certs_folder: Path, damage: Damage, commands: list[str]) -> None:
    """Whatever is wrong with its identity here, also with that of a board that has renewed itself."""
    folder = Authority(certs_folder).issue(THING)
    damage(folder)
    done = follow(run, BUNDLE.format(folder=folder), 1)
    assert [command.split()[3] for command in done] == commands


def test_a_set_up_file_is_not_written_over(run: Run) -> None:
    """It may be another board's: which one to delete is for a person to say."""
    Authority(USUAL).issue(THING)
    line = BUNDLE.format(folder=USUAL / THING)
    assert run(line)[0] == 0
    assert run(line) == (2, "firmware: set-up.json is there already; delete it, or name another file with --out")


def test_another_gateways_folder_is_not_the_boards(run: Run) -> None:
    """To issue the right one there again would be no help: it has a folder of its own."""
    Authority(USUAL).issue("other")
    code, text = run(BUNDLE.format(folder=USUAL / "other"))
    assert (code, "name its own folder with --certs" in text) == (2, True)
    assert run(f"python -m certs issue --things {THING}")[0] == 0
    assert run(BUNDLE.format(folder=USUAL / THING))[0] == 0


def test_a_fetched_identity_is_fetched_again(run: Run) -> None:
    """An authority of one's own there would make one that AWS does not know."""
    folder = Authority("certs/fetched").issue(THING)
    without_key(folder)
    assert f"fetch it again: python -m certs fetch {THING}" in run(BUNDLE.format(folder=folder))[1]


def unsent(folder: Path) -> None:
    RenewingAuthority(folder.parent).make_spares(folder.name)


def no_spare(_folder: Path) -> None:
    """It was flashed without any."""


def a_stolen_boards_spares(folder: Path) -> None:
    """They came back from a copy, after a new identity was issued."""
    handed_over(folder)
    shutil.copytree(folder / "spares", "copy")
    authority = RenewingAuthority(folder.parent)
    authority.revoke(folder.name)
    authority.issue(folder.name)
    shutil.copytree("copy", folder / "spares")


@pytest.mark.parametrize("certs_folder", [USUAL, ELSEWHERE], ids=str)
@pytest.mark.parametrize("damage", [unsent, no_spare, a_stolen_boards_spares])
def test_a_certificate_can_be_renewed(run: Run, certs_folder: Path, damage: Damage) -> None:
    """By what each refusal says, one after the other."""
    folder = Authority(certs_folder).issue(THING)
    damage(folder)
    out = "" if certs_folder == USUAL else f" --out {certs_folder}"
    follow(run, RENEW.format(thing=THING, out=out), 3)


def not_renewed(folder: Path) -> None:
    handed_over(folder)


def pending_and(damage: Damage) -> Damage:
    def both(folder: Path) -> None:
        handed_over(folder)
        RenewingAuthority(folder.parent).renew(folder.name)
        damage(folder)

    return both


def next_damaged(folder: Path) -> None:
    damaged(folder / "next")


def spare_damaged(folder: Path) -> None:
    (folder / "next" / "spare.txt").write_text("two")


@pytest.mark.parametrize("certs_folder", [USUAL, ELSEWHERE], ids=str)
@pytest.mark.parametrize(
    "damage",
    [not_renewed, pending_and(next_damaged), pending_and(spare_damaged), pending_and(damaged)],
    ids=["not renewed", "next damaged", "spare damaged", "own damaged"],
)
def test_a_renewal_can_be_offered(run: Run, certs_folder: Path, damage: Damage) -> None:
    """Whatever lies in the folder of the next certificate: it is given up, and made again."""
    folder = Authority(certs_folder).issue(THING)
    damage(folder)
    follow(run, OFFER.format(thing=THING, certs=certs_folder), 2)


def test_a_settle_that_was_cut_off_comes_to_its_end(run: Run) -> None:
    """Nothing is left to offer then, and the offer says what ends it."""
    folder = Authority(USUAL).issue(THING)
    handed_over(folder)
    RenewingAuthority(USUAL).renew(THING)
    shutil.copy(folder / "next" / "certificate.pem", folder / "certificate.pem")
    text = run(OFFER.format(thing=THING, certs=USUAL))[1]
    [command] = COMMAND.findall(text)
    assert run(command) == (0, "")
    assert not (folder / "next").exists()


def test_a_next_certificate_that_was_given_up_is_not_settled(run: Run) -> None:
    """It came back from a copy: what is said then is not to issue an identity that is well."""
    folder = Authority(USUAL).issue(THING)
    handed_over(folder)
    authority = RenewingAuthority(USUAL)
    identity = authority.renew(THING)
    shutil.copytree(folder / "next", "copy")
    authority.withdraw(THING, authority.identities()[-1].serial)
    shutil.copytree("copy", folder / "next")
    text = run(f"python -m certs settle {THING} --seen {identity.serial}")[1]
    [command] = COMMAND.findall(text)
    assert run(command) == (0, "")
    assert run(f"python -m certs renew {THING}")[0] == 0


@pytest.mark.parametrize("certs_folder", [USUAL, ELSEWHERE], ids=str)
def test_an_identity_of_the_updates_is_issued(run: Run, certs_folder: Path) -> None:
    """With the name that it is asked for, where it is looked for."""
    folder = certs_folder / "irrigation-updates"
    with pytest.raises(IdentityError) as caught:
        _tls(folder)
    [command] = COMMAND.findall(str(caught.value))
    assert run(command) == (0, "")
    _tls(folder)


def test_who_has_no_key_to_sign_makes_one(run: Run) -> None:
    """By the name that it was looked for; but a damaged one is in no case replaced by another."""
    text = run("python -m firmware sign --key farm.key --version 1")[1]
    [command] = COMMAND.findall(text)
    assert run(command) == (0, "")
    Path("farm.key").write_text("x")
    assert "bring it back from its copy" in run("python -m firmware sign --key farm.key --version 1")[1]
