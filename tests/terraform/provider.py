"""Terraform's AWS provider, started once for many commands: its start is most of what a short command costs."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from demo.deploy.provider import GOGC, REATTACH, installed
from tests.processes import end


class Provider:
    """A running provider. `variables` lead a `terraform` to it, which then starts none of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", variables: dict[str, str]) -> None:
        self.variables = variables
        self._process = process

    def cpu_s(self) -> float:
        """Seconds of CPU that it has taken since its start."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(data: Path, environment: Mapping[str, str]) -> Iterator[Provider]:
    """Start the provider that `terraform init` left under `data`, its TF_DATA_DIR; end it afterwards.

    The environment counts from its start on: a test that changes the account needs a provider of its own.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:  # a short path, for its socket
        process = subprocess.Popen(
            [installed(data), "-debug"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={"GOGC": GOGC, **environment, "TMPDIR": folder},
        )
        try:
            assert process.stdout is not None
            found = next(filter(None, (REATTACH.search(line.decode()) for line in process.stdout)), None)
            errors.seek(0)
            assert found, errors.read().decode(errors="replace")
            yield Provider(process, {found[1]: found[2]})
        finally:
            end(process)
            if process.stdout is not None:
                process.stdout.close()
