#!/usr/bin/env bash
# Stops the cluster that postgres-up.sh started: usage: postgres-down.sh DIRECTORY
set -euo pipefail
directory=${1:?directory}
binaries=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
if [ "$(id -u)" = 0 ]; then cd / && runuser -u postgres -- "$binaries/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null
else "$binaries/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null; fi
