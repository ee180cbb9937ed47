#!/usr/bin/env bash
# A copy of a state that is put back where there is none: after a bucket was lost, or on the way to another one.
#
# Expected: `terraform state push` writes the state that it is given, with its serial and its lineage, into an empty
#          backend of S3 as into an empty folder; `-force` matters only where there is a state.
# Happens: into a folder it does. Into S3 the state arrives with serial 1 and a lineage that Terraform has just made up,
#          exit code 0, with `-force` as well, so that every older copy is from then on the state of something else.
#          Only a second push with `-force`, over the first one, keeps the lineage (and raises the serial by one).
# Versions: Terraform 1.11.4, moto 5.2.5 as S3. Date: 2026-11-28.
# Here: a restore compares lineages itself, with those of all its copies, before it pushes with `-force`.
set -euo pipefail

folder="$(mktemp -d)"
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
command -v terraform >/dev/null || exit 2
[ "$(terraform version 2>/dev/null | head -n 1)" = "Terraform v1.11.4" ] || exit 2
"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "moto[server]==5.2.5" || exit 2

export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1 TF_IN_AUTOMATION=1
cat >"$folder/serve.py" <<'PYTHON'
import sys
import time
import urllib.request

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/states", method="PUT"))
print(port, flush=True)
time.sleep(600)
PYTHON
"$folder/venv/bin/python" "$folder/serve.py" >"$folder/port" 2>"$folder/moto.log" &
server=$!
for _ in $(seq 300); do [ -s "$folder/port" ] && break || sleep 0.1; done
port="$(cat "$folder/port")"
[ -n "$port" ] || exit 2

cat >"$folder/copy.json" <<'JSON'
{"version": 4, "terraform_version": "1.11.4", "serial": 9, "lineage": "11111111-2222-3333-4444-555555555555",
 "outputs": {"a": {"value": 1, "type": "number"}}, "resources": [], "check_results": null}
JSON

pushed() { # NAME BACKEND [-force] [twice]
	mkdir "$folder/$1"
	printf '%s\n' "$2" >"$folder/$1/main.tf"
	(
		cd "$folder/$1"
		terraform init -input=false >init.log 2>&1 || exit 2
		for _ in one ${4:+two}; do terraform state push ${3:+"$3"} "$folder/copy.json" >push.log 2>&1; done
		terraform state pull 2>/dev/null
	) | "$folder/venv/bin/python" -c 'import json, sys; row = json.load(sys.stdin); print(row["serial"], row["lineage"])'
}

s3() { # KEY
	cat <<HCL
terraform {
  backend "s3" {
    bucket                      = "states"
    key                         = "$1"
    region                      = "us-east-1"
    endpoints                   = { s3 = "http://127.0.0.1:$port" }
    use_path_style              = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
    skip_metadata_api_check     = true
  }
}
HCL
}

copy="9 11111111-2222-3333-4444-555555555555"
local_state="$(pushed folder 'output "a" { value = 1 }')"
plain="$(pushed plain "$(s3 plain)")"
forced="$(pushed forced "$(s3 forced)" -force)"
twice="$(pushed twice "$(s3 twice)" -force twice)"
terraform version 2>/dev/null | head -n 1
printf '%-28s %s\n' "the copy" "$copy" "in a folder" "$local_state" "in S3" "$plain" "in S3, with -force" "$forced" \
	"in S3, with -force, twice" "$twice"
[ "$local_state" = "$copy" ] && [ "$twice" = "10 ${copy#* }" ] || exit 1
for one in "$plain" "$forced"; do [ "${one%% *}" = 1 ] && [ "${one#* }" != "${copy#* }" ] || exit 1; done
