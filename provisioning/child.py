"""The wrapper of a Terraform child: runs the steps of one phase of a job, and outlives the service that started it.

`python child.py FOLDER`, as a session of its own. It writes `job.pid` first, and stops if there is one: a phase is run
once. Output of the steps is appended to `job.jsonl`, never to a pipe; how they ended goes into `job.rc`.
It stands alone: only what Python brings, and no import of ours.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
CANCELLED = 130


def start_time(pid: int) -> int:
    """When a process began, in ticks since the boot; -1 if it has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return -1


def boot_id() -> str:
    """Which boot of the machine this is."""
    return BOOT_ID.read_text().strip()


def claim(folder: Path) -> bool:
    """Write `job.pid` in one step, with this process in it; False if somebody did before."""
    pid = os.getpid()
    document = {"pid": pid, "started": start_time(pid), "boot": boot_id()}
    own = folder / f"job.pid.{pid}"
    _write(own, json.dumps(document))
    try:
        os.link(own, folder / "job.pid")
    except FileExistsError:
        return False
    finally:
        own.unlink()
    return True


def main(folder: Path) -> int:
    """Run the steps; the first that ends as it should not is the last."""
    os.umask(0o077)
    if not claim(folder):
        return 1
    steps = json.loads((folder / "steps.json").read_text())
    code, codes = 0, {}
    with (folder / "job.jsonl").open("ab", buffering=0) as log:
        for step in steps:
            if (folder / "cancel").exists():
                code = CANCELLED
                break
            log.write(json.dumps({"type": "step", "step": step["name"]}).encode() + b"\n")
            code = codes[step["name"]] = run_locked(folder, step, log)
            if code not in step["fine"]:
                break
        else:
            code = 0
    _write(folder / "job.rc.new", json.dumps({"code": code, "codes": codes}))
    (folder / "job.rc.new").rename(folder / "job.rc")
    return 0


def run_locked(folder: Path, step: dict, log) -> int:  # type: ignore[no-untyped-def, type-arg]
    """Run one step, and no other child meanwhile one with the same lock."""
    if "lock" not in step:
        return run(folder, step, log)
    with open(step["lock"], "a") as lock:  # noqa: PTH123
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run(folder, step, log)


def run(folder: Path, step: dict, log) -> int:  # type: ignore[no-untyped-def, type-arg]
    """Run one step to its end; gives its exit code, negative for a signal."""
    out = log
    if "out" in step:
        out = os.fdopen(os.open(folder / step["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    try:
        process = subprocess.Popen(step["command"], cwd=step["cwd"], stdin=subprocess.DEVNULL, stdout=out, stderr=log)
    except OSError as error:
        log.write(json.dumps({"type": "log", "@level": "error", "@message": str(error)}).encode() + b"\n")
        return 127
    finally:
        if out is not log:
            out.close()
    code = process.wait()
    is_signal = step.get("is_caged") and code > 128  # which the cage gives as a shell does
    return 128 - code if is_signal else code


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
