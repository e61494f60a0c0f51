# Sourced by the peer tests: starts and ends a world, counts what passed.
passed=0
failed=0
check() { # check SENTENCE COMMAND…
  local sentence=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok    $sentence"
  else
    failed=$((failed + 1))
    echo "FAIL  $sentence"
    echo "$output" | sed 's/^/      /' | head -n 20
  fi
}
refuses() { # refuses TEXT COMMAND…: the command fails and says TEXT
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then echo "it was not refused: $output"; return 1; fi
  case $output in *"$text"*) return 0 ;; *) echo "$output"; return 1 ;; esac
}
says() { # says TEXT COMMAND…: the command succeeds and says TEXT
  local text=$1 output
  shift
  output=$("$@" 2>&1) || { echo "$output"; return 1; }
  case $output in *"$text"*) return 0 ;; *) echo "$output"; return 1 ;; esac
}
world_up() { # world_up EXECUTABLES DATA [ARGUMENTS…]
  local executables=$1 data=$2
  shift 2
  "$executables/mint" up --data "$data" "$@" >"$data.log" 2>&1 &
  world_pid=$!
  for _ in $(seq 1 1200); do
    [ ! -e "$data/endpoints.json" ] || return 0
    kill -0 "$world_pid" 2>/dev/null || { tail -n 60 "$data.log" >&2; return 1; }
    sleep 0.1
  done
  echo "the world is not up after 120 s" >&2
  tail -n 60 "$data.log" >&2
  return 1
}
world_down() {
  kill -TERM "$world_pid" 2>/dev/null || return 0
  wait "$world_pid" || true
}
world_delivered() { # world_delivered COUNT: waits until so many applications are delivered, prints their ids
  local found
  for _ in $(seq 1 120); do
    found=$("$executables/mint" status --data "$data" --output json 2>/dev/null | python3 -c '
import json, sys
print(" ".join(a["id"] for a in json.load(sys.stdin)["applications"] if a["state"] == "delivered"))') || true
    [ "$(echo "$found" | wc -w)" != "$1" ] || break
    sleep 1
  done
  echo "$found"
}
endpoint() { python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); [v := v[k] for k in sys.argv[2:]]; print(v)' "$data/endpoints.json" "$@"; }
finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
