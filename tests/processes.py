"""How a test ends a process that it began, in good order."""

import signal
import subprocess
from pathlib import Path

import psutil


def end(process: subprocess.Popen[bytes], patience_s: float = 120) -> None:
    """Ask it until it has ended: mosquitto loses a SIGTERM between its port being open and its main loop.

    Raises subprocess.TimeoutExpired.
    """
    for _ in range(int(2 * patience_s)):
        process.terminate()
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
        return
    raise subprocess.TimeoutExpired(process.args, patience_s)


def has_ended(pid: int) -> bool:
    """True once it runs no more, also if init, whose child it became, has not looked after it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def catches(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """True once it has a handler of its own for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (number - 1) & 1)
