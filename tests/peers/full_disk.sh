#!/usr/bin/env bash
# A service whose disk is full says so in a coded problem, does nothing, loses nothing, and goes on when there is room:
# usage: full_disk.sh EXECUTABLES   (root: it mounts a small tmpfs)
set -euo pipefail
executables=$(cd "${1:?directory of the executables}" && pwd)
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
problems() { # the types of every application's problems
  mint status --output json 2>/dev/null | python3 -c '
import json, sys
for application in json.load(sys.stdin)["applications"]:
    for problem in application["problems"]:
        print(application["id"], problem["type"])'
}
before=$(world_delivered 30)
expected=$(problems | sort)
fill() { head -c 64M /dev/zero >"$data/state/$1/filler" 2>/dev/null || true; }
is_full() { [ "$(df --output=avail "$data/state/$1" | tail -n 1 | tr -d ' ')" = 0 ]; }
# a write-ahead log reuses the room that it has: the disk is felt when enough was written
rotating_meets_it() {
  for _ in 1 2 3 4 5 6; do
    for application in $before; do mint rotate "$application" --no-wait >/dev/null 2>&1 || true; done
    for _ in $(seq 1 10); do
      ! problems | grep -q state_unavailable || return 0
      sleep 1
    done
  done
  problems
  return 1
}
asking_meets_it() {
  local output
  for _ in $(seq 1 400); do
    output=$(mint pause "${before%% *}" --reason "the disk of audit is full" 2>&1) || { case $output in *AUDIT_UNAVAILABLE*) return 0 ;; esac; }
    output=$(mint resume "${before%% *}" 2>&1) || { case $output in *AUDIT_UNAVAILABLE*) return 0 ;; esac; }
  done
  echo "$output"
  return 1
}
resumed() {
  for _ in $(seq 1 60); do
    ! mint resume "${before%% *}" >/dev/null 2>&1 || return 0
    sleep 1
  done
  return 1
}
as_before() {
  for _ in $(seq 1 180); do
    [ "$(problems | sort)" != "$expected" ] || [ "$(world_delivered 30)" != "$before" ] || return 0
    sleep 1
  done
  problems
  return 1
}
logs_in() { # the files that were delivered last still open the door
  local application=${before%% *}
  (set -a; . "$data/applications/$application/env"; cd "$directory"; "$executables/mint-berry" --once "$directory/berry" && test -s "$directory/berry/user.json" -o -s "$directory/berry/credentials.json")
}

fill rotator
check "the disk of rotator is full" is_full rotator
check "a rotation that the rotator cannot write down is a coded problem" rotating_meets_it
check "what was delivered is still there" logs_in
rm -f "$data/state/rotator/filler"
check "with room again every rotation goes through and the problems are gone" as_before
fill audit
check "the disk of audit is full" is_full audit
check "an act that cannot be written down is refused" asking_meets_it
rm -f "$data/state/audit/filler"
check "with room again the act is taken" resumed
check "and nothing was lost" as_before
finish
