"""main.py around the gateway: whatever ends it, every valve is shut, and the board begins again."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from firmware import build


class Boot(ModuleType):
    """Takes the place of boot.py: what was asked of it, in order."""

    def __init__(self) -> None:
        super().__init__("boot")
        self.done: list[str] = []

    def shut_all(self) -> None:
        self.done.append("shut")

    def restart(self) -> None:
        self.done.append("restart")


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Boot:
    fake = Boot()
    monkeypatch.setitem(sys.modules, "boot", fake)
    return fake


@pytest.fixture
def main(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, as on a board whose seconds are short."""
    spec = importlib.util.spec_from_file_location("main_of_the_board", build.FIRMWARE / "main.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: boot.done.append("wait"))
    monkeypatch.setattr(sys, "print_exception", lambda error: sys.stdout.write(repr(error)), raising=False)
    yield module


def ending(main: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, feed: Callable[[], None]) -> None:
    """The gateway has run, its watchdog is armed, and this ends it."""

    async def work(watchdogs: list[Callable[[], None]]) -> None:
        watchdogs.append(feed)
        raise error

    monkeypatch.setattr(main, "main", work)


def test_an_error_is_told_and_the_board_begins_again(
    main: Any, boot: Boot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The valves first; then the pause, in which the watchdog is fed, as nothing can be open; then the restart."""
    ending(main, monkeypatch, ValueError("an unreadable certificate"), lambda: boot.done.append("feed"))
    main.guarded()
    assert boot.done == ["shut"] + ["feed", "wait"] * main.RESTART_AFTER_S + ["restart"]
    assert "an unreadable certificate" in capsys.readouterr().out


def test_ctrl_c_shuts_the_valves(main: Any, boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the loop without ending its tasks, so it is main.py that shuts them; the REPL follows."""
    ending(main, monkeypatch, KeyboardInterrupt(), lambda: boot.done.append("feed"))
    with pytest.raises(KeyboardInterrupt):
        main.guarded()
    assert boot.done == ["shut"]
