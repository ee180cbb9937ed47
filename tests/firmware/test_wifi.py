"""`python -m firmware wifi` against simulated boards, with the real mpremote."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from firmware import __main__ as command_line
from firmware import flash, wifi
from gateway.errors import ConfigError
from tests.firmware.serial_board import SerialBoard, serial_board

EXAMPLE = json.loads((Path(flash.__file__).parent / "config_example.json").read_text())
TWO = [{"ssid": "barn", "password": "a-new-one-ç"}, {"ssid": "farm", "password": "change-me-please"}]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated board starts faster than a real one."""
    monkeypatch.setattr(flash, "BETWEEN_S", 0.8)


def own(folder: Path, **changes: Any) -> Path:
    path = folder / "own.json"
    path.write_text(json.dumps({**EXAMPLE, "zones": [], "sample_interval_s": 60, "wifi": TWO, **changes}))
    return path


def put(folder: Path, text: str) -> None:
    (folder / "flash").mkdir()
    (folder / "flash" / "config.json").write_text(text)
    (folder / "flash" / "main.py").write_text("")


def on_board(board: SerialBoard) -> Any:
    return json.loads(board.files()["config.json"])


def test_only_the_wifi_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest of one's own config.json is not copied, numbers stay as they were written, the board starts again."""
    zones = [{**EXAMPLE["zones"][0], "litres_per_minute": 35.7}]
    put(tmp_path, json.dumps({**EXAMPLE, "zones": zones}))
    with serial_board(tmp_path, watchdog_ms=8000) as board:
        assert command_line.main(["wifi", "--port", str(board.port), "--config", str(own(tmp_path))]) == 0
        board.await_event({"main": True})
        assert board.boots[-1] == "reset"
    assert on_board(board) == {**EXAMPLE, "zones": zones, "wifi": TWO}
    assert board.files().keys() == {"config.json", "main.py"}
    said = capsys.readouterr().out
    assert said == "the board joins barn, then farm; nothing else on it was changed\n"


def test_another_board_is_left_alone(tmp_path: Path) -> None:
    """The names are compared before anything is written."""
    put(tmp_path, json.dumps({**EXAMPLE, "gateway_id": "irrigation-gateway-2"}))
    with (
        serial_board(tmp_path) as board,
        pytest.raises(
            flash.FlashError, match=r"is irrigation-gateway-2, .* is for irrigation-gateway-1; name the right"
        ),
    ):
        wifi.change(str(board.port), own(tmp_path))
    assert on_board(board)["wifi"] == EXAMPLE["wifi"]


def test_a_board_without_a_set_up(tmp_path: Path) -> None:
    """It is told, and what to do."""
    put(tmp_path, '{"gateway_')
    with (
        serial_board(tmp_path) as board,
        pytest.raises(flash.FlashError, match=r"cannot be read .* flash the board anew"),
    ):
        wifi.change(str(board.port), own(tmp_path))


def test_a_wrong_entry_never_gets_there(tmp_path: Path) -> None:
    """The port is not even opened."""
    with pytest.raises(ConfigError, match=r"wifi\[0\] password"):
        wifi.change("none", own(tmp_path, wifi=[{"ssid": "barn", "password": "short"}]))


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_cable_that_is_pulled(tmp_path: Path, changes: int) -> None:
    """The board has its old Wi-Fi or the new one, whole."""
    put(tmp_path, json.dumps(EXAMPLE))
    with serial_board(tmp_path, cut_after=changes) as board, contextlib.suppress(flash.FlashError):
        wifi.change(str(board.port), own(tmp_path))
    assert on_board(board)["wifi"] == (TWO if changes > 2 else EXAMPLE["wifi"])
