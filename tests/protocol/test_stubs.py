"""The types beside the protocol's modules are those of the code."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TYPES_ALONE = {"events"}  # nothing of it is there when anything runs, so no board carries it


def test_stubs_match_the_code(tmp_path: Path) -> None:
    """mypy's stubtest finds no name, argument or type that differs between a `.pyi` and its module."""
    allowed = tmp_path / "allowed.txt"
    allowed.write_text("".join(f"protocol.{name}\n" for name in TYPES_ALONE))
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "protocol", "--allowlist", str(allowed)],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_protocol_module_lacks_a_stub() -> None:
    """Each module with code in it has its types."""
    modules = {path.stem for path in (ROOT / "protocol").glob("*.py")} - {"__init__"}
    assert modules | TYPES_ALONE == {path.stem for path in (ROOT / "protocol").glob("*.pyi")}
    assert not modules & TYPES_ALONE
