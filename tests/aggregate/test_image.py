"""The function in the layout of its image: its folder and the protocol at the root, the repository nowhere."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.path[:] = [sys.argv[1]] + [place for place in sys.path if place not in ("", sys.argv[2])]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
import index
print(index.commit.__name__, index.commit.__file__)
index.handler({}, None)
"""


def test_it_runs_from_the_root(tmp_path: Path) -> None:
    """Lambda imports `index` itself: the same files work without the repository around them."""
    shutil.copytree(ROOT / "lambda_functions/aggregate", tmp_path, dirs_exist_ok=True)
    shutil.copytree(ROOT / "protocol", tmp_path / "protocol")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert done.stdout.split() == ["lake.commit", str(tmp_path / "lake/commit.py")]
    assert done.stderr.strip().endswith("ConfigError: SOURCE_BUCKET: missing in the environment")
