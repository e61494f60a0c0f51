#!/usr/bin/env bash
# A service whose disk is full says so by its code and where it matters, does nothing, loses nothing, and goes on when
# there is room. Every service has its turn.
# usage: full_disk.sh EXECUTABLES   (root: it mounts small tmpfs)
set -euo pipefail
executables=$(cd "${1:?directory of the executables}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
directory=$(mktemp -d)
data=$directory/world
trap 'world_down; umount -l "$data"/state/* 2>/dev/null || true; rm -rf "$directory"' EXIT
for service in rotator audit distributor identity-provisioner registry-sync coordinator; do
  mkdir -p "$data/state/$service"
  mount -t tmpfs -o size=24m,mode=0700 tmpfs "$data/state/$service"
done
world_up "$executables" "$data" --min-overlap 1s
mint() { "$executables/mint" "$@" --data "$data"; }
# SELECT of the document of mint status, as lines: problems (all applications'), credential or identity (those of an
# application with and without a credential), source (the registry's), services (what a service says of itself)
status() {
  mint status --output json 2>/dev/null | python3 -c '
import json, sys
document = json.load(sys.stdin)
applications = [(a["id"], p) for a in document["applications"] for p in a["problems"]]
lines = {
    "problems": lambda: [id + " " + p["type"] for id, p in applications],
    "credential": lambda: [id + " " + p["type"] for id, p in applications if p["credential"]],
    "identity": lambda: [id + " " + p["type"] for id, p in applications if not p["credential"]],
    "source": lambda: ["registry " + p["type"] for p in (document["source"] or {}).get("problems", [])],
    "services": lambda: [s["name"] + " " + p["type"] for s in document["services"] for p in s.get("problems", [])],
}
print("\n".join(sorted(lines[sys.argv[1]]())))' "$1"
}
before=$(world_delivered 30)
first=ledger
expected=$(status problems)
# a write-ahead log reuses the room that it has, and one that was cut off must grow with the next write
fill() {
  python3 - "$data/state/$1/state.db" <<'PYTHON'
import sqlite3, sys, time
state = sqlite3.connect(sys.argv[1], timeout=30)
for _ in range(100):
    busy, _log, _moved = state.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if not busy:
        sys.exit(0)
    time.sleep(0.1)
sys.exit("the write-ahead log is never at rest")
PYTHON
  head -c 64M /dev/zero >"$data/state/$1/filler" 2>/dev/null || true
}
is_full() { [ "$(df --output=avail "$data/state/$1" | tail -n 1 | tr -d ' ')" = 0 ]; }
make_room() { rm -f "$data/state/$1/filler"; }
shows() { # shows SELECT WHO SECONDS: state_unavailable stands there in time
  for _ in $(seq 1 "$3"); do
    ! status "$1" | grep -q "^$2 state_unavailable$" || return 0
    sleep 1
  done
  status problems
  return 1
}
rotating_meets_it() {
  for _ in 1 2 3; do
    for application in $before; do mint rotate "$application" --no-wait >/dev/null 2>&1 || true; done
    ! shows credential '[a-z-]*' 10 >/dev/null || return 0
  done
  status problems
  return 1
}
is_refused_with() { # is_refused_with REASON COMMAND…: within many tries, by its code
  local reason=$1 output=
  shift
  for _ in $(seq 1 50); do
    if ! output=$("$@" 2>&1); then case $output in *"$reason"*) return 0 ;; esac; fi
  done
  echo "$output"
  return 1
}
pauses() { mint pause "$first" --reason "a disk is full" && mint resume "$first"; }
is_taken() { # is_taken COMMAND…: there is room again, so it is
  local output=
  for _ in $(seq 1 60); do
    ! output=$("$@" 2>&1) || return 0
    sleep 1
  done
  echo "$output"
  return 1
}
as_before() {
  for _ in $(seq 1 180); do
    if [ "$(status problems)" = "$expected" ] && [ -z "$(status source)$(status services)" ] &&
      [ "$(world_delivered 30)" = "$before" ]; then return 0; fi
    sleep 1
  done
  status problems
  return 1
}
logs_in() { # the files that were delivered last still open the door
  rm -rf "$directory/berry"
  (set -a; . "$data/applications/$first/env"; "$executables/mint-berry" --once "$directory/berry") || return 1
  python3 - "$directory/berry" "$(endpoint token_url)" <<'PYTHON'
import base64, json, pathlib, sys, urllib.parse, urllib.request
found = {}
for file in pathlib.Path(sys.argv[1]).glob("*.json"):
    found.update(json.loads(file.read_text()))
basic = base64.b64encode(f"{found['client_id']}:{found['client_secret'] or ''}".encode()).decode()
form = urllib.parse.urlencode({"grant_type": "password", "scope": "uid cn",
                               "username": found["application_username"], "password": found["application_password"]})
request = urllib.request.Request(sys.argv[2], form.encode(), {"authorization": f"Basic {basic}"})
assert json.load(urllib.request.urlopen(request, timeout=30))["access_token"]
PYTHON
}
sets_scopes() { mint app set "$first" "${@/#/--scope=}"; }
renames() { # renames NAME: the registry calls the first application something else
  python3 - "$(endpoint sandbox_url)/registry" "$first" "$1" <<'PYTHON'
import json, sys, urllib.request
put = {"id": sys.argv[2], "team_id": "payments", "name": sys.argv[3], "active": True}
request = urllib.request.Request(sys.argv[1], json.dumps({"put": put}).encode(), {"content-type": "application/json"})
urllib.request.urlopen(request, timeout=30)
PYTHON
}

for service in rotator distributor; do
  fill "$service"
  check "the disk of $service is full" is_full "$service"
  check "a rotation that $service cannot write down is a coded problem of that credential" rotating_meets_it
  check "what was delivered still logs in" logs_in
  make_room "$service"
  check "with room again every rotation goes through and the problems are gone" as_before
  check "and what is delivered then logs in" logs_in
done

fill audit
check "the disk of audit is full" is_full audit
check "an act that cannot be announced is refused by its code" is_refused_with AUDIT_UNAVAILABLE pauses
make_room audit
check "with room again the act is taken" is_taken mint resume "$first"
check "and nothing was lost" as_before

fill identity-provisioner
check "the disk of identity-provisioner is full" is_full identity-provisioner
check "an owner asks for other scopes" sets_scopes ledger.read ledger.write full.disk
check "an identity that cannot be written down is a coded problem of the application, and of no credential" shows identity "$first" 60
check "what was delivered still logs in" logs_in
make_room identity-provisioner
check "with room again the scopes are granted and the problem is gone" as_before

fill registry-sync
check "the disk of registry-sync is full" is_full registry-sync
check "settings that cannot be written down are refused by their code" is_refused_with STATE_UNAVAILABLE sets_scopes ledger.read ledger.write
check "the registry changes" renames "Ledger of a full disk"
check "a registry that cannot be followed is a coded problem of the source" shows source registry 120
check "what was delivered still logs in" logs_in
make_room registry-sync
check "with room again the settings are taken" is_taken sets_scopes ledger.read ledger.write
check "the catalog follows the registry and nothing was lost" as_before
check "and knows its new name" is_taken sh -c "'$executables/mint' app show '$first' --data '$data' | grep -q 'Ledger of a full disk'"

fill coordinator
check "the disk of coordinator is full" is_full coordinator
check "an order that cannot be written down is refused by its code" is_refused_with STATE_UNAVAILABLE pauses
check "mint status says so of the coordinator itself" shows services coordinator 60
check "what was delivered still logs in" logs_in
make_room coordinator
check "with room again the order is taken" is_taken mint resume "$first"
check "a rotation goes through" is_taken mint rotate "$first"
check "and nothing was lost" as_before
finish
