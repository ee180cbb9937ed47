"""The other ways to a board: frozen into a MicroPython of one's own, or fetched by mip. Neither misses a module."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from mpremote import mip  # type: ignore[import-untyped]  # it ships no types

from firmware import build, flash

FIRMWARE = build.FIRMWARE
MODULES = {target.removeprefix("lib/").replace(".mpy", ".py"): source for source, target in build.sources()}


class Manifest:
    """What MicroPython's build does with a manifest: `package` takes the .py files of a folder, `module` one file."""

    def __init__(self, file: Path) -> None:
        self.folder = file.parent
        self.included: list[str] = []
        self.frozen: dict[str, Path] = {}
        self.opts: set[int] = set()
        exec(file.read_text(), {"include": self.included.append, "package": self.package, "module": self.module})

    def package(self, name: str, files: tuple[str, ...] = (), base_path: str = ".", opt: int = 0) -> None:
        base = (self.folder / base_path).resolve()
        self.opts.add(opt)
        paths = [base / name / file for file in files] or (base / name).rglob("*.py")
        self.frozen |= {path.relative_to(base).as_posix(): path for path in paths}

    def module(self, name: str, opt: int = 0) -> None:
        self.opts.add(opt)
        self.frozen[name] = self.folder / name


class Board:
    """What mip asks of a board."""

    def __init__(self) -> None:
        self.folders: set[str] = set()
        self.files: dict[str, bytes] = {}

    def fs_exists(self, path: str) -> bool:
        return path in self.folders

    def fs_mkdir(self, path: str) -> None:
        self.folders.add(path)

    def fs_writefile(self, path: str, data: bytes, progress_callback: Any = None) -> None:
        self.files[path] = data


def test_the_manifest_freezes_every_module() -> None:
    """Just those that are otherwise compiled and copied, beside what the ESP32 port freezes itself, and as small."""
    manifest = Manifest(FIRMWARE / "manifest.py")
    assert manifest.included == ["$(PORT_DIR)/boards/manifest.py"]
    assert manifest.frozen == MODULES
    assert manifest.opts == {3}


def test_mip_fetches_every_module(tmp_path: Path) -> None:
    """mip itself, with the package as it is in the repository, writes each of them where MicroPython looks for it."""
    board = Board()
    mip._install_json(board, str(FIRMWARE / "package.json"), "", "/lib", None, False)
    assert board.files == {f"/lib/{name}": source.read_bytes() for name, source in MODULES.items()}


def test_the_versions_agree() -> None:
    """Package, firmware and project carry one version."""
    package = json.loads((FIRMWARE / "package.json").read_text())
    project = tomllib.loads((build.ROOT / "pyproject.toml").read_text())["project"]
    assert package["version"] == project["version"]
    assert f'FIRMWARE = "pythoflow {project["version"]}"' in (FIRMWARE / "board.py").read_text()


def test_board_and_flash_know_psram_by_the_same_sign() -> None:
    """A board that gets its modules as files is one that then also keeps a long outbox."""
    assert f"\nPSRAM_BYTES = {flash.PSRAM_BYTES:_}\n" in (FIRMWARE / "board.py").read_text()


@pytest.mark.parametrize("name", ["boot.py", "main.py"])
def test_what_stays_a_file_is_not_frozen(name: str) -> None:
    """The board's own valves are in boot.py, and main.py can be held back."""
    assert name not in Manifest(FIRMWARE / "manifest.py").frozen
