#!/usr/bin/env bash
# Every delivered application of the example fetches its files with the AWS SDK for Python and logs in with curl's request,
# and is refused everything else: usage: foreign_sdk.sh EXECUTABLES PYTHON
set -euo pipefail
executables=${1:?directory of the executables}
python=${2:?python with boto3}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
directory=$(mktemp -d)
data=$directory/world
trap 'world_down; rm -rf "$directory"' EXIT
world_up "$executables" "$data"
delivered() {
  "$executables/mint" status --data "$data" --output json 2>/dev/null | python3 -c '
import json, sys
print(" ".join(a["id"] for a in json.load(sys.stdin)["applications"] if a["state"] == "delivered"))'
}
for _ in $(seq 1 120); do
  delivered=$(delivered || true)
  [ "$(echo "$delivered" | wc -w)" != 30 ] || break
  sleep 1
done
check "thirty applications are delivered" [ "$(echo "$delivered" | wc -w)" = 30 ]
other=$(set -- $delivered; echo "$1")
for application in $delivered; do
  as_application() { (set -a; . "$data/applications/$application/env"; exec "$python" "$here/application.py" "$(endpoint token_url)" "$1"); }
  check "$application fetches its files, logs in, and is refused the rest" as_application "$([ "$application" = "$other" ] && echo "${delivered##* }" || echo "$other")"
done
finish
