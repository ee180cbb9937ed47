"""Which firmware runs: boot.py asks at each start, and no update ever changes this file.

An update writes its modules into the one of two folders, /a and /b, that does not run, and then a mark. The mark names
the last good folder, and a newer one on trial. That one has so many starts in which it has to come online, and so much
time in each; else the last good one runs again. The mark is in two files, each with its checksum: see TwoSlots in
lib/gateway/store.py.
"""

import asyncio
import hashlib
import json
import os
import sys

from machine import WDT

TYPE_CHECKING = False  # MicroPython has no `typing`; type checkers take this name as true
if TYPE_CHECKING:
    from typing import Any

ROOT = ""  # a folder in tests
FOLDERS = ("", "/a", "/b")  # "" is the root itself, as of a board that mip has filled
STARTS = 3
TRIAL_S = 1200
WATCHDOG_MS = 60_000  # as the gateway has it until it feeds


def choose() -> bool:
    """Put the folder that is to run in front of where modules are looked for. True if it is on trial."""
    newest, slot = _newest()
    mark = newest["document"]
    good, trial = mark["good"], mark.get("trial")
    if not trial:
        return _run(good["folder"])
    is_due = trial["starts"] < STARTS
    if is_due:
        trial["starts"] += 1
    else:
        mark["failed"], mark["trial"] = trial, None
    try:
        _write(newest, 1 - slot)  # a start that cannot be counted is no start of a version on trial
    except OSError as error:
        print("slots: the mark cannot be written:", error)
        is_due = False
    if not is_due:
        return _run(good["folder"])
    WDT(timeout=WATCHDOG_MS)  # even if it hangs before it has one of its own
    _run(trial["folder"])
    return True


async def trial() -> None:
    """Raise RuntimeError if the version on trial was not confirmed in time."""
    await asyncio.sleep(TRIAL_S)
    on_trial = _newest()[0]["document"].get("trial")
    if on_trial and on_trial["starts"]:
        raise RuntimeError(f"version {on_trial['version']} did not come online in {TRIAL_S} s")


def _run(folder: str) -> bool:
    if folder:
        sys.path[0:0] = [ROOT + folder, ROOT + folder + "/lib"]
    return False


def _newest() -> "tuple[dict[str, Any], int]":
    """The newest mark that can be read, and where it is; without one what was flashed is the good one."""
    flashed = "/a" if "a" in os.listdir(ROOT + "/") else ""
    newest: dict[str, Any] = {"generation": 0, "document": {"good": {"folder": flashed, "version": 0}}}
    slot = 1
    for number in (0, 1):
        try:
            with open(f"{ROOT}/mark.{number}", "rb") as file:
                data = file.read()
            content = json.loads(data[32:])
            if hashlib.sha256(data[32:]).digest() == data[:32] and content["generation"] > newest["generation"]:
                _check(content["document"])
                newest, slot = content, number
        except (OSError, ValueError, KeyError, TypeError):
            pass  # torn, worn out, or not there
    return newest, slot


def _check(mark: "dict[str, Any]") -> None:
    """Raise ValueError for a mark that cannot be followed."""
    trial = mark.get("trial") or {"folder": "", "starts": 0}
    if mark["good"]["folder"] not in FOLDERS or trial["folder"] not in FOLDERS or trial["starts"] < 0:
        raise ValueError


def _write(content: "dict[str, Any]", slot: int) -> None:
    content["generation"] += 1
    body = json.dumps(content).encode()
    path = f"{ROOT}/mark.{slot}"
    with open(path + ".new", "wb") as file:
        file.write(hashlib.sha256(body).digest() + body)
    os.rename(path + ".new", path)
