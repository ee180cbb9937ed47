#!/usr/bin/env bash
# A farm that lies on a whole degree of latitude.
#
# Expected: refet takes the latitude 9 degrees south as it takes 9.0 degrees south.
# Happens: a latitude without a decimal point is refused, alone, in a list or in an array, by an error of numpy's that
#          names neither the argument nor the remedy ("Cannot cast ufunc 'multiply' ..."): it is converted to radians
#          in place, in an array of integers. All other arguments may be whole numbers.
# Versions: refet 0.5.0, numpy 2.4.6. Date: 2026-11-28.
# Here: whoever checks our ET0 against refet writes `float(latitude)`.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check refet==0.5.0 numpy==2.4.6 || exit 2

cat >"$folder/look.py" <<'PYTHON'
import sys

import numpy as np
import refet


def eto(latitude: object) -> str:
    day = {"tmin": 20, "tmax": 32, "ea": 2, "rs": 24, "uz": 2, "zw": 2, "elev": 370, "doy": 280}
    try:
        return f"{refet.Daily(lat=latitude, **day).eto()[0]:.3f} mm"
    except Exception as error:
        return type(error).__name__


print("refet", refet.__version__, "numpy", np.__version__)
cases = {"-9.0": -9.0, "-9": -9, "[-9]": [-9], "array of int": np.array([-9]), "array of float": np.array([-9.0])}
told = {name: eto(latitude) for name, latitude in cases.items()}
for name, answer in told.items():
    print(f"{name:15} {answer}")
whole = {told["-9"], told["[-9]"], told["array of int"]}
right = {told["-9.0"], told["array of float"]}
sys.exit(0 if all("Error" in one for one in whole) and len(right) == 1 and "mm" in right.pop() else 1)
PYTHON

"$folder/venv/bin/python" "$folder/look.py"
