"""Set-up without a cable: the shipped flash on a native MicroPython, its page over a real socket, in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import sync_playwright

from firmware import __main__ as command_line
from tests.gateway.conftest import Broker
from tests.vm.bench.field import PINS, Commander, Identities
from tests.vm.native.board import NativeBoard, time_server
from tests.vm.test_native_board import NAME, files_of
from tests.waiting import LAST_RESORT_S, until_true

LABEL = {"name": "pythoflow-1a2b", "password": "on-its-label"}
RELAY = PINS["valves"][0]["pin"]


class Site(NamedTuple):
    """Where a board is set up: a folder, its identity, its files when it is, and who hears it at the broker."""

    folder: Path
    identity: Path
    files: dict[str, bytes]
    time_port: int
    commander: Commander

    def board(self, files: dict[str, bytes]) -> NativeBoard:
        return NativeBoard(self.folder / "board", files, self.time_port)

    def is_online(self) -> bool:
        return bool(self.commander.of("/status", NAME))


@pytest.fixture
def site(tmp_path: Path, identities: Identities, mosquitto: Broker, commander: Commander) -> Iterator[Site]:
    identity = identities.issue(NAME)
    with time_server() as port:
        yield Site(tmp_path, identity, files_of(identity, mosquitto.port), port, commander)


@pytest.fixture
def browser() -> Iterator[Any]:
    """A telephone in Brazil, without internet."""
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = program.new_context(locale="pt-BR", viewport={"width": 390, "height": 844})
        context.set_default_timeout(LAST_RESORT_S * 1000)
        yield context
        program.close()


def bare(files: dict[str, bytes]) -> dict[str, bytes]:
    """A board as the workshop gives it away: firmware and label, no set-up."""
    mine = {
        path: data for path, data in files.items() if not path.startswith(("/config.json", "/pins.json", "/certs/"))
    }
    return {**mine, "/setup.json": json.dumps(LABEL).encode()}


def said(board: NativeBoard, text: str) -> bool:
    return any(text in line for line in board.lines)


def bundle(folder: Path, identity: Path, files: dict[str, bytes]) -> Path:
    """What `python -m firmware bundle` writes for these files."""
    for name in ("config", "pins"):
        (folder / f"{name}.json").write_bytes(files[f"/{name}.json"])
    words = ["--config", str(folder / "config.json"), "--pins", str(folder / "pins.json"), "--certs", str(identity)]
    assert command_line.main(["bundle", *words, "--out", str(folder / "set-up.json")]) == 0
    assert (folder / "set-up.json").stat().st_mode & 0o777 == 0o600
    return folder / "set-up.json"


def test_a_board_is_set_up_from_a_telephone(site: Site, browser: Any) -> None:
    """Its network has the label's password; a mistake is named and nothing written; then it is that gateway."""
    made = bundle(site.folder, site.identity, site.files)
    board = site.board(bare(site.files))
    board.start()
    try:
        until_true(lambda: said(board, "set-up: network"), "its network")
        opened = board.lines.index("access point True")
        assert {"access point key on-its-label", "access point security 3"} <= set(board.lines[:opened])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{board.page_port}/")
        page.screenshot(path=site.folder / "page.png", full_page=True)
        page.fill("[name=ssid1]", "fazenda")
        page.fill("[name=password1]", "curta")
        page.set_input_files("[name=file]", made)
        page.click("button")
        assert "wifi[0] password" in page.inner_text("li")
        page.screenshot(path=site.folder / "mistake.png", full_page=True)
        assert not (board.folder / "config.json").exists() and "of-the-farm" not in page.content()
        page.fill("[name=ssid1]", "fazenda")
        page.fill("[name=password1]", "segredo-da-fazenda")
        page.set_input_files("[name=file]", made)
        page.click("button")
        assert "A configuração está gravada" in page.inner_text("body")
        until_true(lambda: said(board, "reset"), "its restart")
        for _ in range(2):  # the parts go to their places, and boot.py shuts the valves that it has now
            board.cut()
            board.start()
            until_true(lambda: board.lines[-1:] == ["reset"] or site.is_online(), "the next start")
        until_true(site.is_online, "it is online")
    finally:
        board.cut()
    assert json.loads((board.folder / "config.json").read_text())["wifi"] == [
        {"ssid": "fazenda", "password": "segredo-da-fazenda"}
    ]
    assert (board.folder / "certs" / "private_key.der").read_bytes() == site.files["/certs/private_key.der"]


@pytest.mark.parametrize("text", [None, b'{"name": "pythoflow-1a2b", "password": ""}'])
def test_without_its_label_no_network_opens(site: Site, text: bytes | None) -> None:
    """No file, or a password that WPA2 does not take: it says what is wrong, and begins again."""
    files = bare(site.files)
    del files["/setup.json"]
    board = site.board(files | ({"/setup.json": text} if text else {}))
    board.start()
    try:
        until_true(lambda: said(board, "main: restart in"), "its complaint")
    finally:
        board.cut()
    assert not said(board, "access point")
    assert said(board, "config.json: cannot be read")


@pytest.mark.parametrize("button", [{"setup_pin": 21}, {}])
def test_only_a_held_button_opens_it_on_a_board_that_is_set_up(site: Site, button: dict[str, int]) -> None:
    """Its pin at ground for three seconds; no valve has moved but to shut. Without one it works, and opens nothing."""
    own = {"/setup.json": json.dumps(LABEL).encode(), "/pins.json": json.dumps(PINS | button).encode()}
    board = site.board(site.files | own)
    board.start()
    until_true(lambda: said(board, "set-up: network") or site.is_online(), "its start")
    board.cut()
    assert said(board, "access point") == bool(button)
    assert set(board.levels(RELAY)) == {0}


def test_a_button_that_is_stuck_opens_the_page_once(site: Site) -> None:
    """When nobody came for the page's time, the board goes on with what it has, and no network opens."""
    own = {"/setup.json": json.dumps(LABEL).encode(), "/pins.json": json.dumps(PINS | {"setup_pin": 21}).encode()}
    board = site.board(site.files | own | {"/setup.left": b""})
    board.start()
    until_true(site.is_online, "it works")
    board.cut()
    assert not said(board, "access point")
    assert (board.folder / "setup.left").exists()
