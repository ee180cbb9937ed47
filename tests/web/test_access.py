"""Users, sessions and tokens: who is let in, until when, and what the file shows a thief."""

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.web.site_under_test import PASSWORD, QUICK, Clock, Farm, at_once
from web.access import DAY_S, IDLE_S, LONGEST_BY_PROVIDER_S, LONGEST_S, Access
from web.database import SCHEMA
from web.errors import AccessError, FileError, LoginError
from web.passwords import LONGEST, SHORTEST, Passwords
from web.roles import Role

HERE, THERE = "192.0.2.1", "192.0.2.2"
OTHER = "another long password"


def fail(access: Access, name: str = "see", address: str = HERE) -> None:
    with pytest.raises(LoginError, match="do not fit"):
        access.log_in(name, "a wrong password", address)


def test_a_user_logs_in_and_out(access: Access) -> None:
    """A session knows its user, and knows nobody once they have logged out; a second one goes on."""
    first, second = (access.log_in("operate", PASSWORD, HERE).secret for _ in range(2))
    person = access.of_session(first)
    assert person is not None
    assert (person.name, person.role, person.by) == ("operate", Role.OPERATE, f"user {person.user_id}")
    access.log_out(first)
    assert access.of_session(first) is None
    assert access.of_session(second) == person


@pytest.mark.parametrize("name", ["see", "nobody", "", "see\x00", "\ud800", "x" * 10_000])
def test_a_wrong_login_says_the_same_for_everybody(access: Access, name: str) -> None:
    """Neither the sentence nor its kind tells whether there is such a user."""
    with pytest.raises(LoginError) as refusal:
        access.log_in(name, "a wrong password", HERE)
    assert str(refusal.value) == "name and password do not fit"


@pytest.mark.parametrize("name", ["see", "nobody"])
def test_a_hash_is_verified_for_everybody(access: Access, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A stranger cannot tell a name by the time of the answer: as much is computed for a user as for none."""
    hashes: list[str] = []
    verify = type(QUICK).verify

    def counted(hasher: object, password_hash: str, password: bytes) -> bool:
        hashes.append(password_hash)
        return verify(QUICK, password_hash, password)

    monkeypatch.setattr(type(QUICK), "verify", counted)
    fail(access, name)
    [one] = hashes
    assert one.split("$")[:4] == QUICK.hash("x").split("$")[:4]


@pytest.mark.parametrize(
    "password", ["", "short", "a" * 40, "x" * (LONGEST + 1), "new user name".replace("new ", "NEW ")]
)
def test_a_bad_password_is_refused(access: Access, password: str) -> None:
    """Too short, too long, one letter, or the name itself: one sentence, and no user."""
    with pytest.raises(AccessError, match="password"):
        access.add_user("new user name", password, Role.SEE)
    assert "new user name" not in [user.name for user in access.users()]


def test_a_password_may_be_of_any_script(access: Access) -> None:
    """Composed or not, an é is an é; and half a character, which only JSON can bring, is an ordinary wrong password."""
    access.add_user("josé", "cafe\u0301 com água", Role.SEE)
    assert access.log_in("josé", "caf\u00e9 com água", HERE).person.name == "josé"
    with pytest.raises(LoginError):
        access.log_in("josé", "\ud800" * SHORTEST, HERE)


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 64, "<b>", "a,b", "\ud800"])
def test_a_bad_name_is_refused(access: Access, name: str) -> None:
    """A name is letters, digits and a little between them: it stands on pages and in lines."""
    with pytest.raises(AccessError, match="no name of a user"):
        access.add_user(name, PASSWORD, Role.SEE)


def test_a_name_stands_once(access: Access) -> None:
    """Another `SEE` beside `see` would be taken for them."""
    with pytest.raises(AccessError, match="already"):
        access.add_user("SEE", PASSWORD, Role.MANAGE)


def test_an_unknown_user_is_named_with_those_known(access: Access) -> None:
    """A slip of the keyboard is told with the names there are, and changes nothing."""
    for work in (access.delete_user, access.user, lambda name: access.set_role(name, Role.SEE)):
        with pytest.raises(AccessError, match="no user 'seee'; known are manage, operate, see"):
            work("seee")


ENDS: dict[str, Callable[[Access, str], object]] = {
    "log-out": lambda access, secret: access.log_out(secret),
    "another password": lambda access, _: access.set_password("see", OTHER),
    "another role": lambda access, _: access.set_role("see", Role.OPERATE),
    "deletion": lambda access, _: access.delete_user("see"),
    "every session ended": lambda access, _: access.end_sessions(access.user("see").user_id),
}


@pytest.mark.parametrize("end", list(ENDS))
def test_a_session_ends(access: Access, end: str) -> None:
    """By logging out, another password, another role, or the user's deletion; others' sessions go on."""
    mine, other = access.log_in("see", PASSWORD, HERE).secret, access.log_in("manage", PASSWORD, HERE).secret
    ENDS[end](access, mine)
    assert access.of_session(mine) is None
    assert access.of_session(other) is not None


def test_the_same_role_again_ends_nothing(access: Access) -> None:
    """Nobody is thrown out by a change that is none."""
    secret = access.log_in("see", PASSWORD, HERE).secret
    access.set_role("see", Role.SEE)
    assert access.of_session(secret) is not None


def test_a_session_ends_idle(access: Access, clock: Clock) -> None:
    """It lives as long as it is used, also after a restart; looking whether it lives is no use."""
    used, unused = (access.log_in("see", PASSWORD, HERE).secret for _ in range(2))
    for _ in range(4):
        clock.now_s += IDLE_S / 2
        assert access.of_session(used) is not None
        access.of_session(unused, is_use=False)
    assert access.of_session(unused) is None


def test_a_session_ends_at_last(access: Access, clock: Clock) -> None:
    """However much it is used."""
    session = access.log_in("see", PASSWORD, HERE)
    assert session.ends_at == clock.now_s + LONGEST_S
    for _ in range(int(LONGEST_S / DAY_S) - 1):
        clock.now_s += DAY_S
        assert access.of_session(session.secret) is not None
    clock.now_s += DAY_S
    assert access.of_session(session.secret) is None


def test_ended_sessions_leave_the_file(farm: Farm) -> None:
    """The table does not grow with the years."""
    for _ in range(5):
        farm.access.log_in("see", PASSWORD, HERE)
        farm.clock.now_s += IDLE_S
    assert farm.access.end_sessions(farm.access.user("see").user_id) == 1


RACES: dict[str, Callable[[Access], object]] = {
    "another password": lambda access: access.set_password("see", OTHER),
    "another role": lambda access: access.set_role("see", Role.MANAGE),
    "deletion": lambda access: access.delete_user("see"),
}


@pytest.mark.parametrize("change", list(RACES))
def test_a_login_that_was_overtaken_begins_nothing(
    access: Access, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """While the old password is being verified the user changes: the login that comes out of it is none."""
    fits = Passwords.fits

    def slow(passwords: Passwords, password: str, password_hash: str | None) -> bool:
        judgement = fits(passwords, password, password_hash)
        changer = threading.Thread(target=RACES[change], args=(access,))
        changer.start()
        changer.join()
        return judgement

    monkeypatch.setattr(Passwords, "fits", slow)
    with pytest.raises(LoginError):
        access.log_in("see", PASSWORD, HERE)


def test_an_end_holds_whatever_is_under_way(access: Access, clock: Clock) -> None:
    """Many requests of a session at once with its end: the end is the last word, and no use brings it to life again."""
    secret = access.log_in("see", PASSWORD, HERE).secret
    clock.now_s += DAY_S

    def one(index: int) -> None:
        if index == 4:
            access.log_out(secret)
        for _ in range(20):
            access.of_session(secret)
            clock.now_s += 61

    assert at_once(9, one) == [None] * 9
    assert access.of_session(secret) is None


def test_another_process_ends_a_session(tmp_path: Path, access: Access) -> None:
    """Who was deleted at a shell is out of the running server at once."""
    secret = access.log_in("see", PASSWORD, HERE).secret
    shell = Access(tmp_path / "access.sqlite", Clock(), hasher=QUICK)
    shell.delete_user("see")
    shell.close()
    assert access.of_session(secret) is None


def test_the_file_is_its_owners_and_holds_no_secret(tmp_path: Path, access: Access) -> None:
    """A thief of the file finds neither password nor session nor token in it, and other users cannot even open it."""
    secrets = [PASSWORD, access.log_in("see", PASSWORD, HERE).secret, access.add_token("bridge", Role.OPERATE)]
    files = list(tmp_path.glob("access.sqlite*"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    content = b"".join(file.read_bytes() for file in files)
    assert b"bridge" in content
    assert [secret for secret in secrets if secret.encode() in content] == []


def test_a_file_that_others_may_read_is_shut(tmp_path: Path) -> None:
    """One that was copied carelessly is its owner's again."""
    path = tmp_path / "a.sqlite"
    Access(path, Clock()).close()
    path.chmod(0o644)
    Access(path, Clock()).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_deleted_name_leaves_the_file(tmp_path: Path, access: Access) -> None:
    """Not a byte of the name stays, and its number is never another's."""
    access.add_user("wilhelmina", PASSWORD, Role.SEE)
    number = access.log_in("wilhelmina", PASSWORD, HERE).person.user_id
    assert number is not None
    fail(access, "wilhelmina")
    assert access.names()[f"user {number}"] == "wilhelmina"
    assert access.delete_user("wilhelmina") == number
    assert f"user {number}" not in access.names()
    assert access.end_sessions(number) == 0
    assert access.add_user("wilma", PASSWORD, Role.SEE).user_id != number
    content = b"".join(file.read_bytes() for file in tmp_path.glob("access.sqlite*"))
    assert b"wilhelmina" not in content
    assert b"wilma" in content


@pytest.mark.parametrize("content", [b"no database, but more than a page" * 200, b""])
def test_what_is_no_file_of_users_is_told(tmp_path: Path, content: bytes) -> None:
    """A folder, or another file by mistake: one sentence with its path; an empty file becomes one."""
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    if content:
        with pytest.raises(FileError, match=r"a\.sqlite"):
            Access(path, Clock())
        assert path.read_bytes() == content
    else:
        Access(path, Clock()).close()
    with pytest.raises(FileError, match="check the path"):
        Access(tmp_path, Clock())


def test_a_file_of_another_version_is_told(tmp_path: Path, access: Access) -> None:
    """A newer program's file is not written to."""
    access._database.run("PRAGMA user_version=9")
    with pytest.raises(FileError, match="version 9"):
        Access(tmp_path / "access.sqlite", Clock())


def test_a_file_of_the_first_version_is_taken_along(tmp_path: Path) -> None:
    """Its users log in after an update as before, and their browsers are remembered from then on."""
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"{SCHEMA}PRAGMA user_version=1;")
        old.execute(
            "INSERT INTO users (name, role, password_hash, created_at) VALUES ('ana', 'manage', ?, 0)",
            (QUICK.hash(PASSWORD),),
        )
        old.commit()
    with closing(Access(path, Clock(), hasher=QUICK)) as access:
        device = access.log_in("ana", PASSWORD, HERE).device
        assert access.log_in("ana", PASSWORD, HERE, device).device == device


# Tokens


def test_a_token_opens_until_it_is_revoked(access: Access, clock: Clock) -> None:
    """Its secret is shown once; a revoked one opens nothing; its name can have another, and both stay on the list."""
    old = access.add_token("bridge", Role.OPERATE)
    person = access.of_token(old)
    assert person is not None
    assert (person.by, person.role, person.is_machine) == ("bridge", Role.OPERATE, True)
    with pytest.raises(AccessError, match="already"):
        access.add_token("bridge", Role.SEE)
    access.revoke_token("bridge")
    assert access.of_token(old) is None
    new = access.add_token("bridge", Role.SEE)
    assert access.of_token(new) is not None
    assert [(token.role, token.used_at, token.revoked_at) for token in access.tokens()] == [
        (Role.OPERATE, clock.now_s, clock.now_s),
        (Role.SEE, clock.now_s, None),
    ]


def test_a_session_is_no_token_and_a_token_no_session(access: Access) -> None:
    """Each opens its own door."""
    assert access.of_token(access.log_in("see", PASSWORD, HERE).secret) is None
    assert access.of_session(access.add_token("bridge", Role.SEE)) is None


@pytest.mark.parametrize("name", ["", "user 7", "local", "7", "A", "x" * 64, "a b", "\ud800"])
def test_a_token_cannot_be_named_as_somebody_else(access: Access, name: str) -> None:
    """In a journal its name stands beside `user 7` and `local`."""
    with pytest.raises(AccessError, match="no name of a token"):
        access.add_token(name, Role.SEE)


def test_an_unknown_token_is_told(access: Access) -> None:
    """With those that are valid."""
    access.add_token("bridge", Role.SEE)
    with pytest.raises(AccessError, match="no valid token 'brigde'; valid are bridge"):
        access.revoke_token("brigde")


# By an identity provider


def test_a_provider_brings_a_user_of_its_own(access: Access, clock: Clock) -> None:
    """One who calls himself as a user here does not become that user; has no password; and stays the same next time."""
    first = access.log_in_by_provider("https://id.example", "1", "manage", Role.SEE)
    second = access.log_in_by_provider("https://id.example", "1", "other name", Role.SEE)
    assert (first.person.name, first.person.role) == ("manage 2", Role.SEE)
    assert second.person == first.person
    assert first.ends_at == clock.now_s + LONGEST_BY_PROVIDER_S
    fail(access, "manage 2")
    with pytest.raises(AccessError, match="identity provider"):
        access.set_password("manage 2", PASSWORD)


def test_a_providers_other_role_ends_what_the_old_one_began(access: Access) -> None:
    """Who may less now may less everywhere."""
    old = access.log_in_by_provider("https://id.example", "1", "ana", Role.MANAGE)
    new = access.log_in_by_provider("https://id.example", "1", "ana", Role.SEE)
    assert access.of_session(old.secret) is None
    assert access.of_session(new.secret) == new.person
    assert new.person.role is Role.SEE


@pytest.mark.parametrize(
    ("claim", "name"), [("<script>", "script"), ("", "user"), ("\n..\ud800", "user"), ("Ana B", "Ana B")]
)
def test_a_providers_names_are_made_plain(access: Access, claim: str, name: str) -> None:
    """Whatever stands there."""
    assert access.log_in_by_provider("https://id.example", "1", claim, Role.SEE).person.name == name
