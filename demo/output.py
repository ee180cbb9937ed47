"""The folder in which a run leaves what stays of it."""

import shutil
from collections.abc import Iterable
from pathlib import Path


def fresh_folder(out: Path, patterns: Iterable[str]) -> Path:
    """Make the folder, without what an earlier run left under these names; gives its absolute path. Raises OSError.

    Nothing else in it is touched: the folder may be anyone's.
    """
    out.mkdir(parents=True, exist_ok=True)
    for pattern in patterns:
        for path in out.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return out.resolve()
