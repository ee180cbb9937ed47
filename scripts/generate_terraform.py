"""Root modules of Terraform from job files, as `python -m provisioning generate` makes them: docs/job-files.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from provisioning.job_files.command import main  # noqa: E402  # it is there only from the line before on

if __name__ == "__main__":
    sys.exit(main(prog="generate_terraform.py"))
