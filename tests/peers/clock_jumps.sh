#!/usr/bin/env bash
# The wall clocks of services jump by an hour, forth and back, apart and together, while everything rotates: no login
# fails, and everything ends as it began. The coordinator's clock does not fall back here: what it had put off by a clock
# that was ahead, it puts off until that time.
# usage: clock_jumps.sh EXECUTABLES   (needs libfaketime: apt-get install faketime)
set -euo pipefail
executables=$(cd "${1:?directory of the executables}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
library=$(find /usr/lib -name libfaketime.so.1 | head -n 1)
[ -n "$library" ] || { echo "libfaketime is missing: apt-get install faketime" >&2; exit 69; }
directory=$(mktemp -d)
data=$directory/world
services="registry-sync identity-provisioner rotator distributor coordinator audit"
loops=
trap 'touch "$directory/stop"; for pid in $loops; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; world_down; rm -rf "$directory"' EXIT

# each service's program runs under its own clock file; everything else has the machine's clock. `mint up` starts the
# programs beside its own.
mkdir "$directory/programs" "$directory/clocks"
for program in "$executables"/mint "$executables"/mint-sandbox "$executables"/mint-berry "$executables"/mint-broker; do
  cp "$program" "$directory/programs/"
done
for service in $services; do
  echo "+0" >"$directory/clocks/$service"
  cat >"$directory/programs/mint-$service" <<PROGRAM
#!/bin/sh
export LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$directory/clocks/$service FAKETIME_NO_CACHE=1
export FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_RESET=1 NO_FAKE_STAT=1
exec $executables/mint-$service "\$@"
PROGRAM
  chmod +x "$directory/programs/mint-$service"
done
jump() { # jump OFFSET SERVICES…: from now on their wall clocks are so far off
  local offset=$1 service
  shift
  for service in "$@"; do
    echo "$offset" >"$directory/clocks/$service.next"
    mv "$directory/clocks/$service.next" "$directory/clocks/$service"
  done
}
cat >"$directory/registry.yaml" <<REGISTRY
teams: [{id: team, account_id: "111122223333"}]
applications:
  - {id: split, team_id: team, name: split, settings: {buckets: [team-credentials]}}
  - {id: combined, team_id: team, name: combined, settings: {buckets: [team-credentials], layout: combined}}
  - {id: two, team_id: team, name: two, settings: {buckets: [team-credentials, team-second]}}
world: {password_grace: 1s}
REGISTRY
programs=$directory/programs
world_up "$programs" "$data" --registry "$directory/registry.yaml" --min-overlap 3s --lease 3s
mint() { "$executables/mint" "$@" --data "$data"; }
applications=$(world_delivered 3)
check "three applications are delivered" test "$(echo "$applications" | wc -w)" = 3

token_url=$(endpoint token_url)
sandbox=$(endpoint sandbox_url)
log_in_again_and_again() { # log_in_again_and_again APPLICATION: with what berry fetched a moment ago
  . "$data/applications/$1/env"
  local files=$directory/files/$1 until
  mkdir -p "$files"
  while [ ! -e "$directory/stop" ]; do
    # what is read from now on is good for an overlap at least; a machine that is slower than that is not the protocol's
    until=$(($(date +%s) + 3))
    if ! "$executables/mint-berry" --once "$files" >>"$directory/$1.berry" 2>&1; then
      echo "$1: berry could not fetch" >>"$directory/failures"
    elif python3 "$here/login.py" "$files" "$token_url" "$until" >>"$directory/failures" 2>&1; then
      echo >>"$directory/logins"
    fi
  done
}
touch "$directory/failures" "$directory/logins"
for application in $applications; do
  log_in_again_and_again "$application" &
  loops="$loops $!"
done

rotated() { # rotated COUNT: waits until every secret has so many rotations behind it and nothing is wrong
  for _ in $(seq 1 240); do
    ! mint status --output json 2>/dev/null | python3 -c '
import json, sys
for a in json.load(sys.stdin)["applications"]:
    assert a["state"] == "delivered" and not a["problems"], a
    for c in a["credentials"]:
        assert c["completed_rotations"] >= int(sys.argv[1]) and not c["rotation"], c' "$1" 2>"$directory/why" || return 0
    sleep 1
  done
  tail -n 1 "$directory/why"
  return 1
}
rotate_all() { for application in $applications; do mint rotate "$application" --no-wait >/dev/null; done; }
count=1
turn() { # turn SENTENCE OFFSET SERVICES…: jumps in the middle of rotations, and back again after every lease is over
  local sentence=$1 offset=$2
  shift 2
  count=$((count + 1))
  rotate_all
  sleep 1
  jump "$offset" "$@"
  sleep 5
  jump +0 "$@"
  check "$sentence" rotated "$count"
}
executors="audit registry-sync identity-provisioner distributor rotator"
for service in $executors; do
  turn "the clock of $service alone jumps an hour ahead in the middle of a rotation, and back" +3600 "$service"
  turn "the clock of $service alone falls an hour behind in the middle of a rotation, and comes back" -3600 "$service"
done
turn "the clocks of all executors jump an hour ahead in the middle of a rotation, and back" +3600 $executors
turn "the clocks of all executors fall an hour behind in the middle of a rotation, and come back" -3600 $executors
# who signs no request to a store does its work with a clock that is ahead. One that is behind the birth of the world's
# certificates talks to nobody.
for service in rotator coordinator; do
  jump +3600 "$service"
  count=$((count + 1))
  rotate_all
  check "everything rotates while the clock of $service is an hour ahead" rotated "$count"
done

touch "$directory/stop"
for pid in $loops; do wait "$pid" || true; done
loops=
echo "logins: $(wc -l <"$directory/logins")"
no_login_failed() { [ ! -s "$directory/failures" ] || { cat "$directory/failures"; return 1; }; }
check "no login failed" no_login_failed
check "there were logins enough to prove something" test "$(wc -l <"$directory/logins")" -ge 100
for application in $applications; do
  check "$application: one password and one client are alive at the issuer" python3 -c '
import json, sys, urllib.request
objects = json.load(urllib.request.urlopen(sys.argv[1]))["objects"]
alive = {o["object"]: len(o["versions"]) for o in objects if o["issuer"] == "service-user"}
assert alive == {"user": 1, "client": 1}, alive' "$sandbox/live?application=$application"
done
finish
