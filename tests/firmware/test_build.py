"""From the sources to a flash: what is in it, and that it keeps its budgets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware import __main__ as command_line
from firmware import build, heap

ROOT = build.ROOT
PINS = json.loads((build.FIRMWARE / "pins_example.json").read_text())


def test_everything_a_board_imports_is_there(tmp_path: Path) -> None:
    """boot.py, slots.py and main.py as they are written, all else compiled; nothing of the host."""
    files = {file.path for file in build.build(tmp_path / "flash")}
    assert {path for path in files if path.endswith(".py")} == {"boot.py", "main.py", "slots.py"}
    assert {"setup_page.mpy", "setup_page.html"} <= files
    assert {"board.mpy", "config.mpy", "net.mpy", "drivers/valve.mpy", "lib/gateway/gateway.mpy"} <= files
    assert not [path for path in files if "flash" in path or "build" in path or "manifest" in path]
    assert (tmp_path / "flash" / "main.py").read_bytes() == (build.FIRMWARE / "main.py").read_bytes()


def test_boot_gets_the_boards_own_valves(tmp_path: Path) -> None:
    """As the copy for the day that pins.json cannot be read: the valves and the pump, not the probes."""
    build.build(tmp_path / "flash", PINS)
    text = (tmp_path / "flash" / "boot.py").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("PINS = ")]
    assert eval(line.removeprefix("PINS = ")) == {"valves": PINS["valves"], "master": PINS["master"]}
    compile(text, "boot.py", "exec")


def test_a_boot_without_a_place_for_them_is_refused() -> None:
    """Else the copy would be missing, and nobody would know."""
    with pytest.raises(build.BuildError, match="has no line PINS"):
        build.with_pins("import machine\n", PINS)


def test_a_source_that_does_not_compile(tmp_path: Path) -> None:
    """Its name is told, after mpy-cross's own message."""
    source = ROOT / "build" / "wrong.py"
    source.parent.mkdir(exist_ok=True)
    source.write_text("def broken(:\n")
    try:
        with pytest.raises(build.BuildError, match=r"wrong\.py: mpy-cross cannot compile it"):
            build.compile_module(source, tmp_path / "wrong.mpy")
    finally:
        source.unlink()


def test_a_breach_is_named(tmp_path: Path) -> None:
    """A module that is too large, and all of them together."""
    large = [build.Built(f"lib/part{number}.mpy", 9000, "") for number in range(10)]
    assert list(build.breaches(large)) == ["the board's modules: 90000 bytes compiled, at most 81920"]
    alone = [build.Built("lib/all.mpy", 10_241, ""), build.Built("main.py", 99_999, "")]
    assert list(build.breaches(alone)) == ["lib/all.mpy: 10241 bytes compiled, at most 10240"]


def test_the_command_builds_and_keeps_the_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how large the flash is, also in size.json for machines, and ends well."""
    pins = tmp_path / "pins.json"
    pins.write_text(json.dumps(PINS))
    assert command_line.main(["build", "--no-heap", "--out", str(tmp_path / "flash"), "--pins", str(pins)]) == 0
    shown = capsys.readouterr().out.splitlines()
    report = json.loads((tmp_path / "flash" / "size.json").read_text())
    assert " ".join(shown[0].split()) == f"all modules, compiled {report['mpy_bytes']:,} bytes, at most 81,920"
    assert len(shown) == 3
    assert report["modules"]["board.mpy"] == (tmp_path / "flash" / "board.mpy").stat().st_size
    assert report["mpy_bytes"] == sum(report["modules"].values()) <= report["mpy_bytes_allowed"]


FIGURES: dict[str, Any] = {
    "heap_capped_at": 57_344,
    "live_heap_bytes": {"frozen": 39_000, "copied": 90_000},
    "live_heap_bytes_later": {"frozen": 39_500},
    "messages": 10_000,
    "growth_bytes": 0,
}


def test_the_command_gates_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was measured is shown beside its budget, and in size.json; one byte more, and it is a breach."""
    words = ["build", "--out", str(tmp_path / "flash")]
    monkeypatch.setattr(heap, "measured", lambda: FIGURES)
    assert command_line.main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in shown[2:7]] == [
        "live heap, modules frozen 39,000 bytes, at most 40,000",
        "live heap, modules copied 90,000 bytes",
        "live heap later, modules frozen 39,500 bytes, at most 40,000",
        "heap, modules frozen, capped at 57,344 bytes",
        "growth over 10,000 messages 0 bytes, at most 128",
    ]
    report = json.loads((tmp_path / "flash" / "size.json").read_text())
    assert {name: report[name] for name in FIGURES} == FIGURES
    assert report["live_heap_bytes_allowed"] == {"frozen": 40_000}
    too_much = {"live_heap_bytes": {"frozen": 40_001}, "live_heap_bytes_later": {"frozen": 40_002}, "growth_bytes": 129}
    monkeypatch.setattr(heap, "measured", lambda: {**FIGURES, **too_much})
    assert command_line.main(words) == 1
    assert capsys.readouterr().err.splitlines() == [
        "live heap, frozen: 40001 bytes, at most 40000",
        "live heap later, frozen: 40002 bytes, at most 40000",
        "live heap after 10000 messages: 129 bytes more, at most 128",
    ]


def test_what_the_measuring_lacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As without Node, or without the tests: one line with the remedy, and code 2."""
    monkeypatch.setattr(heap, "BENCH", "tests.nowhere")
    assert command_line.main(["build", "--out", str(tmp_path / "flash")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "live heap: not measured" in line
    assert "tests.nowhere" in line
    assert "--no-heap" in line


def test_a_firmware_that_needs_more_than_the_board_has_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It did not do its work in the heap that it was given: that is no want of tools, and code 2 as well."""
    says = f"import sys; sys.exit(print('a board\\nno memory', file=sys.stderr) or {heap.FAILED})"
    monkeypatch.setattr(sys, "executable", _program(tmp_path / "python", says))
    assert command_line.main(["build", "--out", str(tmp_path / "flash")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("firmware: live heap: no memory; ")


def _program(path: Path, code: str) -> str:
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


def test_the_command_checks_without_a_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The examples are right; a wrong entry is one line and code 2."""
    config, pins = (str(build.FIRMWARE / f"{name}_example.json") for name in ("config", "pins"))
    assert command_line.main(["check", "--config", config, "--pins", pins]) == 0
    first, *wiring = capsys.readouterr().out.splitlines()
    assert first == "irrigation-gateway-1: 2 valves, 7 sensors, all well"
    assert [(line.split()[1], "to ground" in line) for line in wiring] == [(n, True) for n in ("25", "26", "27", "33")]
    active_low = json.loads((build.FIRMWARE / "pins_example.json").read_text())
    active_low["valves"][0]["on"] = 0
    (tmp_path / "low.json").write_text(json.dumps(active_low))
    assert command_line.main(["check", "--config", config, "--pins", str(tmp_path / "low.json")]) == 0
    assert "GPIO 25 (plot-1a): 10 kOhm to 3.3 V" in capsys.readouterr().out
    wrong = tmp_path / "pins.json"
    wrong.write_text(json.dumps(PINS | {"light": 6}))
    assert command_line.main(["check", "--config", config, "--pins", str(wrong)]) == 2
    assert capsys.readouterr().err == "firmware: pins.json light: GPIO 6 belongs to the flash chip; use another\n"


def test_the_help_names_every_command() -> None:
    """`python -m firmware --help` from a shell."""
    words = [sys.executable, "-m", "firmware", "--help"]
    text = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for command in ("build", "check", "flash"):
        assert command in text
