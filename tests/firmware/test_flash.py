"""`python -m firmware flash` against simulated boards, with the real mpremote and the real esptool."""

import fcntl
import json
import os
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware import __main__ as command_line
from firmware import build, flash
from gateway.errors import ConfigError
from tests.firmware.rom import Rom
from tests.firmware.serial_board import carrying, pseudo_terminal, serial_board

FIRMWARE = Path(flash.__file__).parent
NAME = "irrigation-gateway-1"
EXAMPLES = ["--config", str(FIRMWARE / "config_example.json"), "--pins", str(FIRMWARE / "pins_example.json")]
OUR_STORE = {"store/valves.a": b'{"epochs": {"plot-1a": 7}}', "store/outbox.0": b"[1]\n"}
SHUT = [(33, 0), (25, 0), (26, 0), (27, 1), (27, 0)]  # pump, relay, and a closing pulse: pins_example.json


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated board starts faster than a real one."""
    monkeypatch.setattr(flash, "BETWEEN_S", 0.8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What esptool takes for a program of an ESP32: its header, and bytes that do not compress away."""
    header = bytes([0xE9, 1, 2, 0x20, 0x00, 0x10, 0x08, 0x40, 0xEE]) + bytes(8) + b"\xff\xff" + bytes(5)
    file = tmp_path / "micropython.bin"
    file.write_bytes(header + bytes(number * number % 251 for number in range(30_000)))
    return file


def order(port: Path, identity: Path, **more: Any) -> flash.Order:
    files = {"config": FIRMWARE / "config_example.json", "pins": FIRMWARE / "pins_example.json"}
    return flash.Order(**{"port": str(port), "certs": identity, **files, **more})


def few(folder: Path) -> list[build.Built]:
    """As deep as a whole firmware, but quickly copied."""
    names = "board.mpy", "lib/gateway/valves.mpy", "lib/protocol/topics.mpy", "certs/root_ca.der"
    put(folder, {name: name.encode() * 30 + bytes(range(256)) for name in names})
    put(folder, {"boot.py": b"print('boots')\n", "main.py": b"print('works')\n", "pins.json": b"{}"})
    put(folder, {"setup_page.mpy": b"serves", "setup_page.html": b"<p>"})
    put(folder, {flash.MARK: b"of folders", flash.UPDATE_KEYS: b"[]"})
    put(folder, {"config.json": json.dumps({"gateway_id": NAME}).encode()})
    return build.listing(folder)


def flashed(wanted: flash.Order, folder: Path) -> list[str]:
    return list(flash.flash(wanted, folder, few(folder)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def used(folder: Path, gateway_id: str = NAME) -> dict[str, bytes]:
    """A board that runs an older firmware of ours, as one of the name."""
    old = {
        **dict.fromkeys(("boot.py", "main.py", "board.py", "lib/gateway/old.mpy", "net.mpy"), b"print('old')\n"),
        "certs/certificate.pem": b"old",
        "drivers/old/deep.mpy": b"old",
        "lib/umqtt.py": b"old",
        "config.json": json.dumps({"gateway_id": gateway_id}).encode(),
        **OUR_STORE,
    }
    put(folder / "flash", old)
    return old


def test_a_new_board_gets_it_all(tmp_path: Path, identity: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command: each file arrives, compared by hash on the board; then it starts, and shuts its valves first."""
    put(tmp_path / "flash", {"boot.py": b"# This file is executed on every boot\n"})
    with serial_board(tmp_path) as board:
        assert command_line.main(["flash", "--port", str(board.port), "--certs", str(identity), *EXAMPLES]) == 0
        board.await_event({"main": True})
        assert board.boots[-1] == "reset"
        assert board.pins == SHUT
    flash.lay_out(order(board.port, identity), tmp_path / "out")
    label = json.loads(board.files()["setup.json"])
    assert board.files().keys() == contents(tmp_path / "out").keys()
    assert {**board.files(), "setup.json": b""} == {**contents(tmp_path / "out"), "setup.json": b""}
    assert {
        "boot.py",
        "main.py",
        "slots.py",
        "mark.0",
        "a/board.mpy",
        "a/lib/gateway/valves.mpy",
        "certs/private_key.der",
    } <= board.files().keys()
    steps = capsys.readouterr().out.splitlines()
    assert steps[0] == "board held"
    assert (steps[-3], steps[-1]) == ("main.py copied, everything verified", "board started")
    assert re.fullmatch(r"pythoflow-[0-9a-f]{4}", label["name"]) and len(label["password"]) == 12
    assert f"set-up network {label['name']}, password {label['password']};" in steps[-2]


def test_a_label_that_is_stuck_on_stays_true(tmp_path: Path, identity: Path) -> None:
    """A board that is flashed again keeps its network of the set-up, and its password is not said."""
    mine = json.dumps({"name": "pythoflow-1a2b", "password": "on-its-label"}).encode()
    used(tmp_path)
    put(tmp_path / "flash", {"setup.json": mine})
    put(tmp_path / "out", {"setup.json": b"another one"})
    with serial_board(tmp_path) as board:
        steps = flashed(order(board.port, identity), tmp_path / "out")
    assert board.files()["setup.json"] == mine
    assert "its set-up network stays as on its label" in steps and not [step for step in steps if "password" in step]


def test_spares_go_to_the_board(tmp_path: Path, identity: Path) -> None:
    """The spare keys that lie in an identity's folder are copied with it, and leave; a broken one is refused."""
    mine = shutil.copytree(identity, tmp_path / NAME)
    (mine / "spares").mkdir()
    der, form = serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(der, form, serialization.NoEncryption())
    (mine / "spares" / "spare_2.der").write_bytes(key)
    (mine / "spares" / "spare_2.pem").write_bytes(b"public")
    flash.lay_out(order(tmp_path / "tty", mine), tmp_path / "out")
    assert (tmp_path / "out" / "certs" / "spare_2.der").read_bytes() == key
    flash.forget_spares(mine)
    assert [path.name for path in (mine / "spares").iterdir()] == ["spare_2.pem"]
    (mine / "spares" / "spare_3.der").write_bytes(key[:50])
    with pytest.raises(flash.FlashError, match=r"spare_3.der: no key .* python -m certs spares"):
        flash.lay_out(order(tmp_path / "tty", mine), tmp_path / "out")


def test_a_mistake_is_one_line(tmp_path: Path, identity: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, with exit code 2."""
    for words in (["--certs", str(tmp_path)], ["--certs", str(identity), "--pins", str(tmp_path / "none.json")]):
        assert command_line.main(["flash", "--port", "none", *EXAMPLES, *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("firmware: ")


def test_a_running_gateway_is_held(tmp_path: Path, identity: Path) -> None:
    """Its watchdog, shorter than the copying takes, ends nothing; what it has stored stays, its old modules do not."""
    used(tmp_path)
    with serial_board(tmp_path, watchdog_ms=1500) as board:
        flashed(order(board.port, identity), tmp_path / "out")
        board.await_event({"main": True})
    assert board.boots.count("power on") == 1
    assert "watchdog" not in board.boots
    assert board.files() == {**contents(tmp_path / "out"), **OUR_STORE}


def test_the_watchdog_of_the_simulation_bites(tmp_path: Path, identity: Path) -> None:
    """Who interrupts main.py and does not hold the board loses it: what the test before relies on."""
    used(tmp_path)
    with serial_board(tmp_path, watchdog_ms=1500) as board:
        flash.mpremote(order(board.port, identity), "eval", "1")
        board.await_event({"main": True})
    assert board.boots == ["power on", "soft", "watchdog"]


def test_a_board_whose_image_holds_the_modules_gets_none(tmp_path: Path, identity: Path) -> None:
    """One in the flash would be found before the frozen one, and cost the memory that freezing saves."""
    used(tmp_path)
    with serial_board(tmp_path, frozen=True, psram=False) as board:
        steps = flashed(order(board.port, identity, version=7), tmp_path / "out")
        board.await_event({"main": True})
    files = contents(tmp_path / "out").items()
    sent = {path: data for path, data in files if path == "setup_page.mpy" or not path.endswith(".mpy")}
    rest = {"boot.py", "main.py", "setup_page.mpy", "setup_page.html", "config.json", "pins.json", "certs/root_ca.der"}
    assert sent.keys() == {*rest, flash.MARK, flash.UPDATE_KEYS}
    assert json.loads(sent[flash.MARK][32:])["document"] == {"good": {"folder": "", "version": 7}}
    assert board.files() == {**sent, **OUR_STORE}
    assert "the modules are in the board's image" in steps


def test_a_board_without_room_for_the_modules_is_refused(tmp_path: Path, identity: Path) -> None:
    """Without PSRAM, and without an image that holds them: it would come to its end, somewhere on a field."""
    with (
        serial_board(tmp_path, psram=False) as board,
        pytest.raises(flash.FlashError, match=r"without PSRAM .* write an image to it that holds them"),
    ):
        flashed(order(board.port, identity), tmp_path / "out")
    assert "main.py" not in board.files()


def test_another_gateways_store_goes(tmp_path: Path, identity: Path) -> None:
    """A board that was another gateway does not publish that one's readings, nor keep its epochs."""
    used(tmp_path, "irrigation-gateway-2")
    with serial_board(tmp_path) as board:
        flashed(order(board.port, identity), tmp_path / "out")
    assert board.files() == contents(tmp_path / "out")


def test_the_image_comes_first(tmp_path: Path, identity: Path, image: Path) -> None:
    """With an image: erased, written where an ESP32 starts, verified by esptool; then the files, over the same port."""
    rom = Rom()
    with serial_board(tmp_path, rom) as board:
        steps = flashed(order(board.port, identity, image=image), tmp_path / "out")
        assert board.files() == contents(tmp_path / "out")
    assert rom.done == ["erase", "write"]
    written = image.read_bytes()
    assert rom.flash[0x1000 : 0x1000 + len(written)] == written
    assert set(rom.flash[:0x1000]) == {0xFF}
    assert steps[:3] == ["flash erased", "micropython.bin written", "board held"]


def test_a_chip_of_another_kind_is_left_alone(tmp_path: Path, identity: Path, image: Path) -> None:
    """An ESP32-S2 has other pins: nothing is erased."""
    rom = Rom("ESP32-S2")
    with serial_board(tmp_path, rom) as board, pytest.raises(flash.FlashError, match="ESP32-S2"):
        flashed(order(board.port, identity, image=image), tmp_path / "out")
    assert rom.done == []


def test_a_worn_out_flash(tmp_path: Path, identity: Path, image: Path) -> None:
    """What does not read back as it was written is a failure, and no file is copied."""
    with (
        serial_board(tmp_path, Rom(forget=True)) as board,
        pytest.raises(flash.FlashError, match=r"esptool: .*written flash region is empty"),
    ):
        flashed(order(board.port, identity, image=image), tmp_path / "out")
    assert board.files() == {}


def test_a_file_that_arrives_otherwise(tmp_path: Path, identity: Path) -> None:
    """The hash of each file is taken on the board: one wrong byte, and nothing is started, now or later."""
    with serial_board(tmp_path, spoil="/lib/gateway/valves.mpy") as board:
        with pytest.raises(flash.FlashError, match=r"lib/gateway/valves.mpy is not on the board .* flash again"):
            flashed(order(board.port, identity), tmp_path / "out")
        assert {"main": True} not in board.events
    assert "main.py" not in board.files()


@pytest.mark.parametrize("changes", [1, 12, 25])
def test_a_cable_that_is_pulled(tmp_path: Path, identity: Path, changes: int) -> None:
    """Wherever it ends, while clearing or copying: the board starts nothing."""
    used(tmp_path)
    with (
        serial_board(tmp_path, cut_after=changes) as board,
        pytest.raises(flash.FlashError, match="is the board on this port"),
    ):
        flashed(order(board.port, identity), tmp_path / "out")
    assert "main.py" not in board.files()


def test_flashing_once_more_makes_it_whole(tmp_path: Path, identity: Path) -> None:
    """After one that was cut short, whatever it left behind."""
    put(tmp_path / "flash", {"boot.py": b"print('bo", "lib/gateway/valves.mpy": b"half", "config.json": b'{"gat'})
    with serial_board(tmp_path) as board:
        flashed(order(board.port, identity), tmp_path / "out")
    assert board.files() == contents(tmp_path / "out")


def test_a_port_that_is_not_there(tmp_path: Path, identity: Path, image: Path) -> None:
    """Both programs say so, in one line."""
    for more in ({}, {"image": image}):
        with pytest.raises(flash.FlashError, match=r"ttyNONE.*is the board on this port") as caught:
            flashed(order(tmp_path / "ttyNONE", identity, **more), tmp_path / "out")
        assert "\n" not in str(caught.value)


def test_a_port_that_is_busy(tmp_path: Path, identity: Path) -> None:
    """Another program has it."""
    with serial_board(tmp_path) as board:
        descriptor = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(flash.FlashError, match=r"in use by another program.*no other program"):
            flashed(order(board.port, identity), tmp_path / "out")
        os.close(descriptor)


def test_a_mute_board(tmp_path: Path, identity: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that never answers is told, and not waited for without end."""
    monkeypatch.setattr(flash, "ATTEMPTS", 1)
    with (
        pseudo_terminal(tmp_path / "tty") as line,
        carrying(line, len),
        pytest.raises(flash.FlashError, match="raw repl"),
    ):
        flashed(order(tmp_path / "tty", identity), tmp_path / "out")


def test_mistakes_are_found_before_the_board_is_touched(tmp_path: Path, identity: Path) -> None:
    """A wrong configuration or identity: the port is not even opened."""
    wrong = tmp_path / "config.json"
    wrong.write_text((FIRMWARE / "config_example.json").read_text().replace(NAME, "field one"))
    with pytest.raises(ConfigError, match="gateway_id"):
        flash.lay_out(order(tmp_path / "tty", identity, config=wrong), tmp_path / "out")
    with pytest.raises(flash.FlashError, match="no usable identity"):
        flash.lay_out(order(tmp_path / "tty", tmp_path), tmp_path / "out")


def test_the_log_is_followed(tmp_path: Path) -> None:
    """What the board says is shown as it comes, and does not disturb it; Ctrl-X ends that."""
    put(tmp_path / "flash", {"main.py": b""})
    order = "flash.Order(port=sys.argv[1], config='a', pins='b', certs='c')"
    code = f"import sys; from firmware import flash; sys.exit(flash.follow({order}))"
    with serial_board(tmp_path, says="event: a line of the gateway") as board:
        command = [sys.executable, "-c", code, str(board.port)]
        ours, theirs = os.openpty()
        process = subprocess.Popen(command, cwd=FIRMWARE.parent, stdin=theirs, stdout=theirs)
        shown = b""
        while b"a line of the gateway" not in shown and select.select([ours], [], [], 20)[0]:
            shown += os.read(ours, 1000)
        os.write(ours, b"\x18")
        try:
            assert process.wait(120) == 0, shown
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)
        assert b"a line of the gateway" in shown
        assert board.boots == ["power on"]
        assert {"main": False} not in board.events
