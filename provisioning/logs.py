"""The service's own log: `DIR/logs/terraform.log`, for its owner alone."""

import logging
import logging.handlers
import os
from pathlib import Path

MOST_BYTES = 10_000_000
FILES = 5


def write_logs(data: Path) -> None:
    """From now on what happens with jobs is written there."""
    path = data / "logs" / "terraform.log"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=FILES)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("provisioning")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
