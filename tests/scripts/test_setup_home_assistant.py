"""Setting up keeps of a release of Home Assistant what its schemas need, and nothing else."""

import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

SETUP = Path(__file__).parents[2] / "scripts" / "setup.py"


@pytest.fixture
def setup() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("setup_script", SETUP)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_what_is_needed_is_unpacked(setup: ModuleType, tmp_path: Path) -> None:
    """Of two thousand components a handful, of other packages all, and only Python."""
    kept = {
        "homeassistant/const.py",
        "homeassistant/helpers/template/__init__.py",
        "homeassistant/components/__init__.py",
        "homeassistant/components/mqtt/discovery.py",
        "homeassistant/components/valve/const.py",
        "voluptuous/schema_builder.py",
    }
    others = {
        "homeassistant/components/zwave_js/api.py",
        "homeassistant/components/mqtt/strings.json",
        "homeassistant-2026.2.3.dist-info/METADATA",
    }
    wheel = tmp_path / "one.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in kept | others:
            archive.writestr(name, "")
    setup.unpack(wheel, tmp_path / "folder")
    folder = tmp_path / "folder"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()} == kept


def test_what_is_there_is_not_fetched_again(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A release whose pins are those of last time is left alone, without a word and without the network."""
    (tmp_path / "requirements").mkdir()
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "HOME_ASSISTANT", tmp_path / ".home-assistant")
    pins = tmp_path / "requirements" / "home-assistant-2026.2.txt"
    pins.write_text("homeassistant==2026.2.3\n")
    folder = tmp_path / ".home-assistant" / "2026.2"
    folder.mkdir(parents=True)
    (folder / ".ready").write_text(setup.hashlib.sha256(pins.read_bytes()).hexdigest())
    setup.fetch_home_assistant()
    assert capsys.readouterr().err == ""
    assert (folder / ".ready").exists()
