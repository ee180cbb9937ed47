#!/usr/bin/env bash
# The unit in which a tensiometer speaks.
#
# Expected: pint reads `cb`, growers' short word for the centibar, as a pressure: 30 cb are 30 kPa.
# Happens: `cb` is the centibarn, an area of nuclear physics: it does not convert to kPa, but it does to m2, and 30 cb
#          are 3e-29 m2. `cbar` and `centibar` are the pressure.
# Versions: pint 0.25.3. Date: 2026-11-27.
# Here: a column in `cb` has to be given another name of its unit before pint is asked.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pint==0.25.3 || exit 2

cat >"$folder/look.py" <<'PYTHON'
import math
import sys

import pint

print("pint", pint.__version__)
units = pint.UnitRegistry()
short = units.Quantity(30, "cb")
print("30 cb:", short, "=", short.to("m^2"), "| a pressure:", short.check("[pressure]"))
long = [units.Quantity(30, name).to("kPa") for name in ("cbar", "centibar")]
print("30 cbar, 30 centibar:", *long)

unchanged = (
    not short.check("[pressure]")
    and math.isclose(short.to("m^2").magnitude, 3e-29, rel_tol=1e-9)
    and all(math.isclose(value.magnitude, 30, rel_tol=1e-9) for value in long)
)
sys.exit(0 if unchanged else 1)
PYTHON
"$folder/venv/bin/python" -I "$folder/look.py"
