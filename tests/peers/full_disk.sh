#!/usr/bin/env bash
# A service whose disk is full says so in a coded problem, does nothing, loses nothing, and goes on when there is room:
# usage: full_disk.sh EXECUTABLES   (root: it mounts a small tmpfs)
set -euo pipefail
executables=${1:?directory of the executables}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
directory=$(mktemp -d)
data=$directory/world
mkdir -p "$data/state"
trap 'world_down; umount -l "$data"/state/* 2>/dev/null || true; rm -rf "$directory"' EXIT
mkdir -p "$data/state/rotator" "$data/state/audit"
mount -t tmpfs -o size=24m,mode=0700 tmpfs "$data/state/rotator"
mount -t tmpfs -o size=24m,mode=0700 tmpfs "$data/state/audit"
world_up "$executables" "$data" --min-overlap 1s
mint() { "$executables/mint" "$@" --data "$data"; }
application=$(mint status --output json | python3 -c '
import json, sys
print([a["id"] for a in json.load(sys.stdin)["applications"] if a["state"] == "delivered"][0])')
has_problem() { # has_problem TYPE: within 60 s the application has it
  for _ in $(seq 1 60); do
    mint app show "$application" --output json 2>/dev/null | grep -q "\"$1\"" && return 0
    sleep 1
  done
  mint app show "$application" --output json
  return 1
}
has_none() {
  for _ in $(seq 1 90); do
    mint status --output json | python3 -c '
import json, sys
application = [a for a in json.load(sys.stdin)["applications"] if a["id"] == sys.argv[1]][0]
sys.exit(0 if application["state"] == "delivered" and not application["problems"] else 1)' "$application" && return 0
    sleep 1
  done
  mint app show "$application" --output json
  return 1
}
for service in rotator audit; do
  head -c 64M /dev/zero >"$data/state/$service/filler" 2>/dev/null || true
  check "rotating is asked for while the disk of $service is full" test -s "$data/state/$service/filler"
  mint rotate "$application" --kind password --no-wait >/dev/null 2>&1 || true
  if [ "$service" = rotator ]; then
    check "a full disk under $service is a coded problem of the application" has_problem state_unavailable
  else
    check "a full disk under $service refuses the operator's act" refuses AUDIT_UNAVAILABLE mint rotate "$application" --kind password --no-wait
  fi
  rm -f "$data/state/$service/filler"
  check "with room again under $service the application is delivered and has no problem" has_none
done
finish
