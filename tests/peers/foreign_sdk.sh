#!/usr/bin/env bash
# Every delivered application of the example fetches its files with the AWS SDK for Python and logs in with curl's request,
# and is refused everything else: usage: foreign_sdk.sh EXECUTABLES PYTHON
set -euo pipefail
executables=$(cd "${1:?directory of the executables}" && pwd)
python=${2:?python with boto3}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
directory=$(mktemp -d)
data=$directory/world
trap 'world_down; rm -rf "$directory"' EXIT
world_up "$executables" "$data"
delivered=$(world_delivered 30)
check "thirty applications are delivered" [ "$(echo "$delivered" | wc -w)" = 30 ]
other=$(set -- $delivered; echo "$1")
for application in $delivered; do
  as_application() { (set -a; . "$data/applications/$application/env"; exec "$python" "$here/application.py" "$(endpoint token_url)" "$1"); }
  check "$application fetches its files, logs in, and is refused the rest" as_application "$([ "$application" = "$other" ] && echo "${delivered##* }" || echo "$other")"
done
finish
