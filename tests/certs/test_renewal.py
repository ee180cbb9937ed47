"""A board renews its identity: spare keys, the next certificate, and which of them counts."""

import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import errors
from certs.authority import REVOKED, REVOKED_KEYS, Identity
from certs.renewal import RenewingAuthority

NOW = datetime(2026, 4, 1, tzinfo=UTC)
GATEWAY = "irrigation-gateway-1"


@pytest.fixture
def farm(tmp_path: Path) -> RenewingAuthority:
    """A CA whose time is NOW, with one gateway."""
    farm = at(tmp_path, NOW)
    farm.issue(GATEWAY)
    return farm


def at(folder: Path, now: datetime) -> RenewingAuthority:
    return RenewingAuthority(folder, now=lambda: now)


def flashed(farm: RenewingAuthority) -> dict[int, ec.EllipticCurvePrivateKey]:
    """The gateway's board has its spares; gives what is on it."""
    farm.make_spares(GATEWAY)
    keys = {}
    for path in (farm.folder / GATEWAY / "spares").glob("*.der"):
        key = serialization.load_der_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        keys[int(path.stem.removeprefix("spare_"))] = key
    farm.hand_over(GATEWAY)
    return keys


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())


def of(farm: RenewingAuthority) -> Identity:
    [identity] = [each for each in farm.identities() if each.name == GATEWAY]
    return identity


def revoked(farm: RenewingAuthority) -> set[str]:
    return {path.stem for path in (farm.folder / REVOKED).glob("*.pem")}


# Spares


def test_spares_are_what_a_board_reads_and_only_its_owner_does(farm: RenewingAuthority) -> None:
    """Five pairs of P-256: SEC1 of 121 bytes for the board, which only the owner may read, and the public key."""
    farm.make_spares(GATEWAY)
    folder = farm.folder / GATEWAY / "spares"
    assert sorted(files(folder)) == sorted(f"spare_{n}.{kind}" for n in range(1, 6) for kind in ("der", "pem"))
    for number in range(1, 6):
        path = folder / f"spare_{number}.der"
        assert (len(path.read_bytes()), stat.S_IMODE(path.stat().st_mode)) == (121, 0o600)
        key = serialization.load_der_private_key(path.read_bytes(), None)
        assert key.public_key() == serialization.load_pem_public_key((folder / f"spare_{number}.pem").read_bytes())
        assert isinstance(key.public_key(), ec.EllipticCurvePublicKey)


def test_no_private_spare_stays_after_the_hand_over(farm: RenewingAuthority) -> None:
    """Only public keys are kept, and nothing of what a crash has left of a private one; again, it does nothing."""
    farm.make_spares(GATEWAY)
    folder = farm.folder / GATEWAY / "spares"
    (folder / ".spare_3.der.4711").write_bytes(b"half a key")
    public = {name: content for name, content in files(folder).items() if name.endswith(".pem")}
    assert farm.hand_over(GATEWAY).unsent == ()
    assert files(folder) == public
    assert farm.hand_over(GATEWAY).spares == (1, 2, 3, 4, 5)


def test_spares_in_use_are_never_overwritten(farm: RenewingAuthority) -> None:
    """Made again they stay as they are; once a board has them, only `again` makes others, for a board flashed anew."""
    farm.make_spares(GATEWAY, 2)
    folder = farm.folder / GATEWAY / "spares"
    first = files(folder)
    farm.make_spares(GATEWAY, 3)
    assert {name: content for name, content in files(folder).items() if name in first} == first
    assert len(files(folder)) == 6
    farm.hand_over(GATEWAY)
    public = files(folder)
    with pytest.raises(errors.SparesError, match=r"its board has its spares, 1, 2, 3; .*--again"):
        farm.make_spares(GATEWAY)
    assert files(folder) == public
    assert farm.make_spares(GATEWAY, again=True).unsent == (1, 2, 3, 4, 5)
    assert not set(files(folder).values()) & set(public.values())


def test_spares_can_be_made_where_the_board_is(farm: RenewingAuthority, tmp_path: Path) -> None:
    """In a folder that was fetched, without a CA; of a thing that has no identity there, they are refused."""
    shutil.copytree(farm.folder / GATEWAY, tmp_path / "fetched" / GATEWAY)
    there = at(tmp_path / "fetched", NOW)
    assert there.make_spares(GATEWAY, 1).spares == (1,)
    assert not (tmp_path / "fetched" / "ca").exists()
    with pytest.raises(errors.UnknownThingError):
        there.make_spares("irrigation-gateway-2")
    with pytest.raises(errors.UnknownThingError):
        there.hand_over("irrigation-gateway-2")
    with pytest.raises(errors.SparesError, match="no spare was made"):
        farm.hand_over(GATEWAY)


# The next certificate


def test_only_its_own_ca_renews_a_board(farm: RenewingAuthority, tmp_path: Path) -> None:
    """In a folder that was fetched no CA is made for it, and the CA of another farm signs nothing."""
    flashed(farm)
    for name in ("fetched", "theirs"):
        shutil.copytree(farm.folder / GATEWAY, tmp_path / name / GATEWAY)
    at(tmp_path / "theirs", NOW).issue("irrigation-compute")
    for name in ("fetched", "theirs"):
        with pytest.raises(errors.ForeignIdentityError, match=f"was not issued by the CA of .*{name}"):
            at(tmp_path / name, NOW).renew(GATEWAY)
        assert not (tmp_path / name / GATEWAY / "next").exists()
    assert not (tmp_path / "fetched" / "ca").exists()


def test_the_next_certificate_is_for_a_spare_and_says_the_same(farm: RenewingAuthority) -> None:
    """Same subject, extensions, CA and length of life as an issued one; another key, which the board has."""
    keys = flashed(farm)
    before = files(farm.folder / GATEWAY)
    later = at(farm.folder, NOW + timedelta(days=600))
    identity = later.renew(GATEWAY)
    old, new = certificate(farm.folder / GATEWAY), certificate(farm.folder / GATEWAY / "next")
    assert (identity.spare, identity.expires_at) == (1, NOW + timedelta(days=600 + 730))
    assert new.public_key() == keys[1].public_key() != old.public_key()
    assert new.subject == old.subject
    own = (x509.SubjectKeyIdentifier.oid,)
    extensions = [[each for each in cert.extensions if each.oid not in own] for cert in (old, new)]
    assert extensions[0] == extensions[1]
    new.verify_directly_issued_by(certificate(farm.folder / "ca"))
    assert {name: content for name, content in files(farm.folder / GATEWAY).items() if name in before} == before
    assert x509.load_der_x509_certificate((farm.folder / GATEWAY / "next" / "certificate.der").read_bytes()) == new
    assert (farm.folder / GATEWAY / "next" / "spare.txt").read_text() == "1"


def test_a_second_next_is_refused_and_the_first_one_named(farm: RenewingAuthority) -> None:
    """What is not settled stays as it is: spare, serial and end are told."""
    flashed(farm)
    following = farm.renew(GATEWAY)
    before = files(farm.folder)
    for refusal in (farm.renew, farm.rotate, farm.make_spares):
        with pytest.raises(errors.PendingRenewalError, match=f"spare 1, serial {following.serial}, until 2028-03-31"):
            refusal(GATEWAY)
    assert files(farm.folder) == before


def test_a_spare_that_is_still_here_is_not_certified(farm: RenewingAuthority) -> None:
    """Whoever reads this machine must not have the key of a certificate: hand the spares over first."""
    farm.make_spares(GATEWAY)
    with pytest.raises(errors.SparesError, match=r"spares 1, 2, 3, 4, 5 are here still.*--handed-over"):
        farm.renew(GATEWAY)


def test_without_a_spare_the_remedy_is_told(farm: RenewingAuthority) -> None:
    """None was ever made, or all are used: a new key by USB."""
    remedy = r"no spare is left; .*certs rotate irrigation-gateway-1.*then flash it"
    with pytest.raises(errors.SparesError, match=remedy):
        farm.renew(GATEWAY)
    farm.make_spares(GATEWAY, 1)
    farm.hand_over(GATEWAY)
    farm.settle(GATEWAY, farm.renew(GATEWAY).serial)
    with pytest.raises(errors.SparesError, match=remedy):
        farm.renew(GATEWAY)
    with pytest.raises(errors.UnknownThingError):
        farm.renew("irrigation-gateway-2")


# A revoked thing


def test_a_revoked_thing_is_not_renewed(farm: RenewingAuthority, tmp_path: Path) -> None:
    """Its spares are gone with it; and with its folder back from a copy, and spares from elsewhere, it is refused."""
    flashed(farm)
    shutil.copytree(farm.folder / GATEWAY, tmp_path / "copy")
    farm.revoke(GATEWAY)
    assert not (farm.folder / GATEWAY).exists()
    with pytest.raises(errors.UnknownThingError):
        farm.renew(GATEWAY)
    shutil.copytree(tmp_path / "copy", farm.folder / GATEWAY)
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = stranger.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (farm.folder / GATEWAY / "spares" / "spare_1.pem").write_bytes(pem)
    for refusal in (farm.renew, farm.make_spares):
        with pytest.raises(errors.RevokedThingError, match="it was revoked"):
            refusal(GATEWAY)
    assert not (farm.folder / GATEWAY / "next").exists()


def test_a_spare_of_a_revoked_board_is_never_certified(farm: RenewingAuthority, tmp_path: Path) -> None:
    """Not even for the new identity of the thing, if its spares come back from a copy."""
    flashed(farm)
    farm.settle(GATEWAY, farm.renew(GATEWAY).serial)
    shutil.copytree(farm.folder / GATEWAY / "spares", tmp_path / "copy")
    farm.revoke(GATEWAY)
    assert len(list((farm.folder / REVOKED_KEYS).iterdir())) == 5
    farm.issue(GATEWAY)
    assert of(farm).spares == ()
    shutil.copytree(tmp_path / "copy", farm.folder / GATEWAY / "spares")
    with pytest.raises(errors.RevokedThingError, match="the board that has its spare 2 was revoked"):
        farm.renew(GATEWAY)


def test_revoke_takes_the_next_certificate_too(farm: RenewingAuthority) -> None:
    """Neither of the two counts any more, and nothing of the thing is left."""
    flashed(farm)
    following = farm.renew(GATEWAY)
    assert set(farm.revoke(GATEWAY)) == revoked(farm) >= {following.certificate_id}
    assert len(revoked(farm)) == 2
    assert not (farm.folder / GATEWAY).exists()


# Settled


def test_settled_the_next_is_the_only_one(farm: RenewingAuthority) -> None:
    """What counted before counts no more, rotated ones too; the key is on the board, and here is none."""
    rotated = of(farm).certificate_id
    farm.rotate(GATEWAY)
    old = of(farm).certificate_id
    keys = flashed(farm)
    following = farm.renew(GATEWAY)
    settled = farm.settle(GATEWAY, following.serial)
    assert (settled.certificate_id, settled.is_key_on_board) == (following.certificate_id, True)
    assert (settled.next, settled.spares) == (None, (2, 3, 4, 5))
    assert revoked(farm) == {rotated, old}
    assert certificate(farm.folder / GATEWAY).public_key() == keys[1].public_key()
    assert not [path for path in (farm.folder / GATEWAY).rglob("*") if "private" in path.name or path.name == "next"]


@pytest.mark.parametrize(
    "written", [str.lower, lambda serial: ":".join(serial[n : n + 2] for n in range(0, 40, 2))], ids=["lower", "colons"]
)
def test_a_settle_comes_twice(farm: RenewingAuthority, written: Callable[[str], str]) -> None:
    """Again it changes nothing, however the serial is written."""
    flashed(farm)
    serial = written(farm.renew(GATEWAY).serial)
    settled = farm.settle(GATEWAY, serial)
    before = files(farm.folder)
    assert farm.settle(GATEWAY, serial) == settled
    assert files(farm.folder) == before


def test_settle_wants_the_serial_that_was_seen(farm: RenewingAuthority) -> None:
    """A board that was not seen with the next certificate would be locked out: nothing changes."""
    with pytest.raises(errors.NothingToSettleError, match="python -m certs renew"):
        farm.settle(GATEWAY, of(farm).serial)
    flashed(farm)
    following = farm.renew(GATEWAY)
    before = files(farm.folder)
    for serial in (of(farm).serial, "00", "F" * 40):
        with pytest.raises(errors.NotSeenError, match=f"is not its next one, {following.serial}"):
            farm.settle(GATEWAY, serial)
    with pytest.raises(errors.CertsError, match="want a serial number"):
        farm.settle(GATEWAY, "the new one")
    assert files(farm.folder) == before


def test_a_next_that_was_not_taken_is_withdrawn(farm: RenewingAuthority) -> None:
    """Seen with the old one, the board keeps it; the next certificate counts no more, nor its spare."""
    flashed(farm)
    following = farm.renew(GATEWAY)
    with pytest.raises(errors.NotSeenError, match="settle it then"):
        farm.withdraw(GATEWAY, following.serial)
    kept = farm.withdraw(GATEWAY, of(farm).serial)
    assert (kept.next, kept.spares, kept.is_key_on_board) == (None, (2, 3, 4, 5), False)
    assert revoked(farm) == {following.certificate_id}
    with pytest.raises(errors.NothingToSettleError):
        farm.settle(GATEWAY, following.serial)
    assert farm.renew(GATEWAY).spare == 2


@pytest.mark.parametrize("gone", ["private_key.pem", "certificate.pem", "certificate.der", "thing_name.txt"])
def test_issue_does_not_replace_what_is_on_a_board(farm: RenewingAuthority, gone: str) -> None:
    """No key here is no reason: before a settle, in the middle and after, what is missing comes back, and no more."""
    flashed(farm)
    serials = [of(farm).serial]
    for step in (lambda: None, lambda: farm.renew(GATEWAY), lambda: farm.settle(GATEWAY, serials[-1])):
        if identity := step():
            serials.append(identity.serial)
        count = of(farm).serial
        (farm.folder / GATEWAY / gone).unlink(missing_ok=True)
        farm.issue(GATEWAY)
        assert of(farm).serial == count
        assert (farm.folder / GATEWAY / gone).exists() is not gone.startswith("private")
    late = at(farm.folder, NOW + timedelta(days=729))
    late.issue(GATEWAY)
    assert of(farm).serial == serials[-1]
    over = at(farm.folder, NOW + timedelta(days=731))
    over.issue(GATEWAY)
    assert of(over).serial != serials[-1]
    assert not of(over).is_key_on_board


def test_rotate_gives_a_new_board_a_key_of_its_own(farm: RenewingAuthority) -> None:
    """The board that had the key is flashed anew or replaced: key and spares are made anew, none is left of before."""
    flashed(farm)
    farm.settle(GATEWAY, farm.renew(GATEWAY).serial)
    farm.rotate(GATEWAY)
    assert (of(farm).is_key_on_board, of(farm).spares) == (False, ())
    assert (farm.folder / GATEWAY / "private_key.der").exists()
    assert not (farm.folder / GATEWAY / "spares").exists()
    assert farm.make_spares(GATEWAY).unsent == (1, 2, 3, 4, 5)


# Killed


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs after it."""


STEPS: dict[str, Callable[[RenewingAuthority], object]] = {
    "renew": lambda farm: farm.renew(GATEWAY),
    "settle": lambda farm: farm.settle(GATEWAY, serial_of_next(farm)),
    "withdraw": lambda farm: farm.withdraw(GATEWAY, of(farm).serial),
    "revoke": lambda farm: farm.revoke(GATEWAY),
}


def serial_of_next(farm: RenewingAuthority) -> str:
    following = of(farm).next
    return following.serial if following else of(farm).serial


@pytest.mark.parametrize("verb", STEPS)
def test_killed_at_any_moment_nothing_is_half(tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each change of the disk: the board's certificate is there and counts; the command again ends as if whole."""
    start = at(tmp_path / "start", NOW)
    start.issue(GATEWAY)
    flashed(start)
    if verb != "renew":
        start.renew(GATEWAY)
    before = of(start)
    board = {each.certificate_id for each in (before, before.next) if each}
    whole = at(Path(shutil.copytree(start.folder, tmp_path / "whole")), NOW)
    STEPS[verb](whole)
    for moment in range(1, 100):
        farm = at(Path(shutil.copytree(start.folder, tmp_path / str(moment))), NOW)
        with monkeypatch.context() as patch:
            deadly(patch, moment)
            try:
                STEPS[verb](farm)
                break
            except Killed:
                pass
        if verb != "revoke":
            assert board - revoked(farm), moment
            assert of(farm).certificate_id in board, moment
            farm.issue(GATEWAY)
            assert of(farm).certificate_id in board, moment
        STEPS[verb](farm)
        assert shape(farm) == shape(whole), moment
    assert moment > 3


def deadly(patch: pytest.MonkeyPatch, moment: int) -> None:
    """The process ends before its change of the disk number `moment`; the next one has another id."""
    left = iter(range(moment - 1, -1, -1))

    def guard(owner: type, name: str) -> None:
        change = getattr(owner, name)

        def counted(*arguments: object, **options: object) -> object:
            if next(left) == 0:
                raise Killed
            return change(*arguments, **options)

        patch.setattr(owner, name, counted)

    for name in ("replace", "unlink", "rmdir", "mkdir"):
        guard(Path, name)
    patch.setattr(os, "getpid", lambda: 1_000_000 + moment)


def shape(farm: RenewingAuthority) -> list[str]:
    """The files but for what a crash has left of one, with ids and serials that differ taken out."""
    names = [path for path in files(farm.folder) if not Path(path).name.startswith(".")]
    return sorted({str(Path(path).parent / "ID") if len(Path(path).stem) == 64 else path for path in names})
