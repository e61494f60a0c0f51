#!/usr/bin/env bash
# Drives a running constellation with the real grpcurl, as an operator would: usage: grpcurl.sh EXECUTABLES GRPCURL
set -euo pipefail
executables=$(cd "${1:?directory of the executables}" && pwd)
grpcurl=${2:?grpcurl}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/world.sh"
directory=$(mktemp -d)
data=$directory/world
trap 'world_down; rm -rf "$directory"' EXIT
world_up "$executables" "$data"

ca=$(endpoint ca)
reflect() { # reflect SERVICE ARGUMENTS…: as the operator
  local address
  address=$(endpoint services "$1")
  shift
  "$grpcurl" -max-time 20 -cacert "$ca" -cert "$(endpoint operator_cert)" -key "$(endpoint operator_key)" "${address#https://}" "$@"
}
describe() { # describe FILE SERVICE SYMBOL: writes what reflection says of a symbol
  local address
  address=$(endpoint services "$2")
  "$grpcurl" -max-time 20 -cacert "$ca" -cert "$(endpoint operator_cert)" -key "$(endpoint operator_key)" \
    -protoset-out "$directory/$1" "${address#https://}" describe "$3" >/dev/null
}
invoke() { # invoke SERVICE METHOD [JSON] [DIRECTORY OF THE IDENTITY]
  local address identity=${4:-$data/operators/operator}
  address=$(endpoint services "$1")
  # what the services are made of comes from a file: only operators may ask for reflection
  "$grpcurl" -max-time 20 -protoset "$directory/health.binpb" -protoset "$directory/mint.binpb" \
    -cacert "$ca" -cert "$identity/cert.pem" -key "$identity/key.pem" -d "${3:-{\}}" "${address#https://}" "$2"
}
list() { reflect "$1" list; }

describe health.binpb audit grpc.health.v1.Health
cp "$here/../golden/proto.binpb" "$directory/mint.binpb"
for pair in registry-sync=mint.registry.v1.RegistryService identity-provisioner=mint.identity.v1.IdentityService \
  rotator=mint.rotation.v1.RotationService distributor=mint.distribution.v1.DistributionService \
  coordinator=mint.coordination.v1.CoordinationService audit=mint.audit.v1.AuditService; do
  service=${pair%%=*}
  name=${pair#*=}
  check "$service lists its service by reflection" says "$name" list "$service"
  check "$service is SERVING as a whole" says '"SERVING"' invoke "$service" grpc.health.v1.Health/Check
  check "$service is SERVING by name" says '"SERVING"' invoke "$service" grpc.health.v1.Health/Check "{\"service\": \"$name\"}"
done
application=$(python3 -c 'import os, sys; print(sorted(os.listdir(sys.argv[1]))[0])' "$data/applications")
check "an operator lists applications" says applicationId invoke coordinator mint.coordination.v1.CoordinationService/ListApplications
check "an operator reads one application" says "$application" invoke coordinator mint.coordination.v1.CoordinationService/GetApplication "{\"application_id\": \"$application\"}"
check "an operator starts a rotation" says rotationId invoke coordinator mint.coordination.v1.CoordinationService/RotateApplication "{\"application_id\": \"$application\"}"
check "the audit log tells of it" says rotation.request invoke audit mint.audit.v1.AuditService/ListEntries '{"page_size": 1000, "action": "rotation.request"}'
check "an unknown application has a coded answer" refuses NotFound invoke coordinator mint.coordination.v1.CoordinationService/GetApplication '{"application_id": "no-such-application"}'
check "an operator cannot make the rotator act" refuses PermissionDenied invoke rotator mint.rotation.v1.RotationService/Create '{}'
check "an operator cannot append to the log" refuses PermissionDenied invoke audit mint.audit.v1.AuditService/Append '{}'
check "an application may ask for health" says '"SERVING"' invoke coordinator grpc.health.v1.Health/Check '{}' "$data/applications/$application"
check "an application cannot list applications" refuses PermissionDenied invoke coordinator mint.coordination.v1.CoordinationService/ListApplications '{}' "$data/applications/$application"
anonymous() { local address; address=$(endpoint services coordinator); "$grpcurl" -max-time 20 -cacert "$ca" "${address#https://}" list; }
check "without a client certificate there is no conversation" refuses "" anonymous
finish
