"""Root modules of Terraform from job files, as `python -m provisioning generate` makes them: docs/job-files.md.

python3 scripts/generate_terraform.py jobs/irrigation/aggregate.yaml --output-dir build/aggregate
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
sys.path.insert(0, str(ROOT))

try:
    from provisioning.job_files.command import main
except ModuleNotFoundError as error:  # of the Python that was called, which has none of the packages
    if Path(sys.prefix) == PYTHON.parent.parent or not PYTHON.exists():
        sys.exit(f"{error}; remedy: python3 scripts/setup.py demo")
    os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606 - no shell: the same words, to the checkout's own Python

if __name__ == "__main__":
    sys.exit(main(prog="generate_terraform.py"))
