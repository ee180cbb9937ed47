"""The modules as they are compiled for a board, with their short names, pass the tests of their sources."""

import re
import shutil
import subprocess
from pathlib import Path

from firmware import build
from tests.vm.micropython_vm import PORTABLE, ROOT, portable_modules, written
from tests.vm.native.board import HERE, micropython

SLOW = {"test_outbox", "test_power_cut", "test_gateway_moments", "test_flow_watch", "test_gateway_fallback"}
TESTS = ("tests/vm/native", "tests/vm/fakes", "tests/vm", "tests/vm/portable", "")


def test_portable_tests_pass_with_short_names(tmp_path: Path) -> None:
    """Compiled as for a board, all but the names that the tests themselves know are short; those that take long not."""
    modules = portable_modules() - SLOW
    short = build.names(*sorted(PORTABLE.glob("*.py")))
    assert len(short.short) > len(build.names().short) / 2
    for source, _ in build.sources():
        target = tmp_path / source.relative_to(ROOT).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        build.compile_module(source, target, short)
    for name in (*build.AS_SOURCE, "setup_page.py", build.SETUP_TEXT, "config_example.json", "pins_example.json"):
        shutil.copy(build.FIRMWARE / name, tmp_path / "firmware")
    shutil.copytree(ROOT / "protocol" / "examples", tmp_path / "protocol" / "examples")
    places = [str(tmp_path / path) for path in ("firmware/lib", "firmware", "")] + [str(ROOT / path) for path in TESTS]
    done = subprocess.run(
        [*micropython(), "-X", "heapsize=32m", str(HERE / "run_tests.py"), *sorted(modules)],
        env={"MICROPYPATH": ":".join([*places, ".frozen"])},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    [count] = re.findall(r"^(\d+) tests ran, 0 failed$", done.stdout, re.MULTILINE) or [done.stdout]
    assert count == str(written(modules)), done.stdout
