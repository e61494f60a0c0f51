#!/usr/bin/env bash
# A standby that was promoted may have lost what was written last: a service on it does nothing, says why, and goes on
# only after an administrator accepted it by its name. With the audit log, which needs nobody else.
# usage: failover.sh EXECUTABLES   (PostgreSQL 15; root or a user who may run it)
set -euo pipefail
executables=$(cd "${1:?directory of the executables}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
directory=$(mktemp -d)
chmod 711 "$directory"
data=$directory/world
audit_pid=
down() {
  [ -z "$audit_pid" ] || { kill "$audit_pid" 2>/dev/null || true; wait "$audit_pid" 2>/dev/null || true; }
  world_down
  for cluster in primary standby; do
    [ ! -e "$directory/$cluster/data" ] || control "$cluster" -m immediate stop >/dev/null 2>&1 || true
  done
  rm -rf "$directory"
}
trap down EXIT
binaries=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }
control() { # control CLUSTER ARGUMENTS…
  local cluster=$directory/$1
  shift
  as_postgres "$binaries/pg_ctl" -D "$cluster/data" -w -t 30 -l "$cluster/server.log" "$@"
}
starts() { # starts CLUSTER PORT
  control "$1" -o "-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$directory/$1 -c max_connections=200" start
}
audit() ( # audit STATE-URL ARGUMENTS…: the service, on PostgreSQL, with what the embedded world laid out for it
  export MINT_AUDIT__STATE__URL=$1
  shift
  exec timeout --foreground "${limit:-1h}" "$executables/mint-audit" --config "$data/run/audit.toml" "$@"
)
migrates() ( # migrates [ORIGIN]: as the owner of the schema, who may accept an origin
  [ -z "${1:-}" ] || export MINT_AUDIT__STATE__ACCEPT_ORIGIN=$1
  audit "$owner" migrate
)
starts_in_vain() ( limit=20 audit "$service" )
accepts_by_itself() ( export MINT_AUDIT__STATE__ACCEPT_ORIGIN; MINT_AUDIT__STATE__ACCEPT_ORIGIN=$(origin); starts_in_vain )
serves() {
  MINT_AUDIT__STATE__URL=$service "$executables/mint-audit" --config "$data/run/audit.toml" >>"$directory/audit.log" 2>&1 &
  audit_pid=$!
}
lists() { "$executables/mint" audit list --data "$data"; }
in_time() { # in_time COMMAND…: within a minute
  local output=
  for _ in $(seq 1 60); do
    ! output=$("$@" 2>&1) || return 0
    sleep 1
  done
  echo "$output"
  tail -n 20 "$directory/audit.log"
  return 1
}

world_up "$executables" "$data"
cp "$data/endpoints.json" "$directory/endpoints.json"
world_down
cp "$directory/endpoints.json" "$data/endpoints.json"

owner=$("$here/postgres-up.sh" "$directory/primary")
port=${owner##*:} port=${port%%/*}
service=postgres://mint_audit@127.0.0.1:$port/postgres
grants=$here/../../services/audit/permissions/postgres.sql
granted() { psql -q -v ON_ERROR_STOP=1 -f "$grants" "$owner"; }
check "the administrator makes the role and the schema" granted
check "the owner migrates" migrates
check "the administrator grants what was made" granted
serves
check "the log answers" in_time lists

mkdir "$directory/standby"
[ "$(id -u)" != 0 ] || chown postgres "$directory/standby"
check "a standby follows" as_postgres "$binaries/pg_basebackup" -D "$directory/standby/data" -R -c fast -d "$owner"
check "the primary dies" control primary -m immediate stop
check "the standby takes its place" starts standby "$port"
check "and is promoted" control standby promote
check "the service that is running notices and refuses" in_time refuses quarantined lists
kill "$audit_pid"; wait "$audit_pid" || true
check "a service that is started there refuses too, and names the next step" refuses accept_origin starts_in_vain
# as an administrator learns it: the refusal names it last
origin() { starts_in_vain 2>&1 | grep -oE '[0-9]{10,}/[0-9]+' | tail -n 1; }
check "an origin by another name is not accepted" refuses quarantined migrates 1/1
check "the service itself cannot accept it" refuses accept_origin accepts_by_itself
check "the administrator accepts it" migrates "$(origin)"
serves
check "the log answers again" in_time lists
finish
