#!/usr/bin/env bash
# A key that first stands far down in a file of JSON lines.
#
# Expected: `polars.read_ndjson` gives a column for every key in the file, or says that it met one it does not know.
# Happens: it looks at the first 100 rows. A key that first comes in row 101 has no column, and nothing says so;
#          in row 100 it has one. A schema, or `infer_schema_length=None`, keeps it.
# Versions: polars 2.1.0. Date: 2026-11-27.
# Here: the aggregate function reads with a schema. Whoever reads raw lines by hand can meet it: the quantity of a probe
#       that was added in the afternoon is not in the table of the day.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 || exit 2

cat >"$folder/look.py" <<'PYTHON'
import json
import sys
from pathlib import Path

import polars

print("polars", polars.__version__)
file = Path(sys.argv[1], "readings.jsonl")


def write(row_of_the_new_key):
    rows = [{"vwc": 0.2} for _ in range(150)]
    rows[row_of_the_new_key - 1]["rain_mm"] = 4.5
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


write(100)
in_row_100 = polars.read_ndjson(file).columns
write(101)
in_row_101 = polars.read_ndjson(file).columns
asked_for_all = polars.read_ndjson(file, infer_schema_length=None)
with_schema = polars.read_ndjson(file, schema={"vwc": polars.Float64, "rain_mm": polars.Float64})

print("first in row 100:", in_row_100)
print("first in row 101:", in_row_101)
print("first in row 101, infer_schema_length=None:", asked_for_all.columns)
print("first in row 101, with a schema:", with_schema.columns, "sum of rain_mm:", with_schema["rain_mm"].sum())

unchanged = (
    in_row_100 == ["vwc", "rain_mm"]
    and in_row_101 == ["vwc"]
    and asked_for_all["rain_mm"].sum() == with_schema["rain_mm"].sum() == 4.5
)
sys.exit(0 if unchanged else 1)
PYTHON
"$folder/venv/bin/python" -I "$folder/look.py" "$folder"
