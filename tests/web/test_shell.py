"""Users and tokens from a shell: the password is asked for twice, and everything else is one sentence."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import LAST_RESORT_S
from tests.web import server_process
from tests.web.site_under_test import PASSWORD, Clock
from web.access import Access
from web.roles import Role

PROGRAM = [sys.executable, "-m", "tests.web.server_process"]


def run(folder: Path, words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """One command, as from a script, with lines on its standard input."""
    command = [*PROGRAM, *words.split(), "--access", str(folder / "a.sqlite")]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=LAST_RESORT_S, check=False)


def at_a_terminal(folder: Path, words: str, *lines: str) -> tuple[int, str]:
    """One command at a terminal, with a person who types these lines when asked; gives what the terminal shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*PROGRAM, *words.split(), "--access", str(folder / "a.sqlite")])
    shown = b""
    answers = list(lines)
    while True:
        try:
            piece = os.read(terminal, 1024)
        except OSError:  # Linux's way to say that nobody holds the other end any more
            piece = b""
        if not piece:
            break
        shown += piece
        if shown.endswith(b": ") and answers:
            os.write(terminal, answers.pop(0).encode() + b"\n")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_a_user_is_made_at_a_terminal(tmp_path: Path) -> None:
    """The password is asked for twice and never shown; two that differ make nobody."""
    code, shown = at_a_terminal(tmp_path, "user add ana --role manage", PASSWORD, PASSWORD)
    assert code == 0, shown
    assert "ana may manage; journals know them as user 1" in shown
    assert PASSWORD not in shown
    code, shown = at_a_terminal(tmp_path, "user add rui --role see", PASSWORD, f"{PASSWORD}!")
    assert (code, "the two passwords differ" in shown) == (2, True)
    access = Access(tmp_path / "a.sqlite", Clock())
    assert [(user.name, user.role) for user in access.users()] == [("ana", Role.MANAGE)]
    assert access.log_in("ana", PASSWORD, "here").person.user_id == 1
    access.close()


def test_a_user_is_made_by_a_script(tmp_path: Path) -> None:
    """Which pipes the password in; none in a pipe, or a short one, makes nobody."""
    assert run(tmp_path, "user add ana --role see", f"{PASSWORD}\n").returncode == 0
    for typed in ("", "short\n"):
        result = run(tmp_path, "user add rui --role see", typed)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert "at least 12" in result.stderr
    assert "ana" in run(tmp_path, "user list").stdout


def test_a_password_is_no_argument(tmp_path: Path) -> None:
    """Arguments stand in the list of processes and in the shell's history."""
    result = run(tmp_path, "user add ana --role see --password secret-secret")
    assert result.returncode == 2
    assert "unrecognized arguments" in result.stderr
    assert not (tmp_path / "a.sqlite").exists()


def said(folder: Path, words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints that asks for nothing."""
    server_process.main([*words.split(), "--access", str(folder / "a.sqlite")])
    output = capsys.readouterr()
    return output.out + output.err


def test_users_are_listed_changed_and_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says what is so now; the last deletion says who gets in then."""
    access = Access(tmp_path / "a.sqlite", Clock())
    access.add_user("ana", PASSWORD, Role.SEE)
    session = access.log_in("ana", PASSWORD, "here")
    assert said(tmp_path, "user list", capsys) == "   1  see     2027-01-15  ana\n"
    assert said(tmp_path, "user role ana --role manage", capsys) == "ana may manage\n"
    assert access.of_session(session.secret) is None
    assert "no user 'rui'; known are ana" in said(tmp_path, "user delete rui", capsys)
    assert "no user 'rui'; known are ana" in said(tmp_path, "user password rui", capsys)
    assert "journals know them as user 1\nnobody may log in any more" in said(tmp_path, "user delete ana", capsys)
    assert access.users() == []
    access.close()


def test_tokens_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The secret alone on standard output, for a file; the list has it not."""
    server_process.main(["token", "add", "bridge", "--role", "operate", "--access", str(tmp_path / "a.sqlite")])
    output = capsys.readouterr()
    assert "shown once" in output.err
    secret = output.out.strip()
    access = Access(tmp_path / "a.sqlite", Clock())
    assert access.of_token(secret) is not None
    table = said(tmp_path, "token list", capsys)
    assert "bridge  used 2027-01-15  valid" in table
    assert secret not in table
    assert said(tmp_path, "token revoke bridge", capsys) == "the token bridge opens nothing any more\n"
    assert access.of_token(secret) is None
    assert "valid are none" in said(tmp_path, "token revoke bridge", capsys)
    assert "revoked 20" in said(tmp_path, "token list", capsys)
    access.close()
