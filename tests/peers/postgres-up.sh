#!/usr/bin/env bash
# Starts a private PostgreSQL cluster on loopback in DIRECTORY and prints the URL of its superuser: usage: postgres-up.sh DIRECTORY
set -euo pipefail
directory=${1:?directory}
binaries=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$directory"
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }
[ "$(id -u)" != 0 ] || chown postgres "$directory"
as_postgres "$binaries/initdb" -D "$directory/data" -U postgres -A trust --no-sync >"$directory.log" 2>&1
as_postgres "$binaries/pg_ctl" -D "$directory/data" -w -t 30 -l "$directory/server.log" \
  -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$directory -c max_connections=200" start >>"$directory.log" 2>&1
echo "postgres://postgres@127.0.0.1:$port/postgres"
