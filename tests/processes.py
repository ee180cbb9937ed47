"""How a test ends a process that it began."""

import subprocess


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
