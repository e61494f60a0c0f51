#!/usr/bin/env bash
# Walks users, clients and tokens of a Glewlwyd and prints what it answered, without what differs by nature. Run it
# against the sandbox and against a fresh real server (plugin `oidc`, `multiple_passwords`, scope `app.read`) and diff.
# usage: glewlwyd_transcript.sh BASE_URL KEY_FILE COOKIE_JAR      (BASE_URL ends in /api; the jar is an administrator's)
set -uo pipefail
base=${1:?base url} key_file=${2:?key file} jar=${3:?cookie jar}
key="Authorization: token $(cat "$key_file")"
json='content-type: application/json'
lists='"redirect_uri":["http://127.0.0.1/cb"],"authorization_type":["password","client_credentials","refresh_token"],"token_endpoint_auth_method":["client_secret_basic"]'

admin() { # METHOD PATH [BODY]
  printf '%s %s %s -> ' "$1" "$2" "${3:-}"
  curl -s -w ' %{http_code}\n' -H "$key" -H "$json" -X "$1" "$base$2" ${3:+-d "$3"}
}
shown() { curl -s -H "$key" "$base$1" | jq -cS 'del(.client_secret)'; }
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
token() { # CURL-ARGUMENTS
  printf '%s -> ' "$*"
  curl -s -w ' %{http_code}\n' "$@" "$base/oidc/token" | sed -E 's/^\{.*access_token.*\}/TOKEN/'
}
standing() { curl -s "$@" | jq -cS 'del(.iat, .exp, .nbf, .jti, .sub)'; }
logins() {
  for password in "$@"; do
    printf '%s=%s ' "$password" "$(status -u svc2:s -d "grant_type=password&username=u2&password=$password&scope=app.read" "$base/oidc/token")"
  done
  echo
}
secrets() { # PUTs svc9 and tries every secret
  admin PUT /client/svc9 "$1" >/dev/null
  for secret in s only-cs pw-only zz yy; do
    printf '%s: cc=%s password=%s introspect=%s; ' "$secret" \
      "$(status -u "svc9:$secret" -d 'grant_type=client_credentials&scope=app.read' "$base/oidc/token")" \
      "$(status -u "svc9:$secret" -d 'grant_type=password&username=u2&password=r&scope=app.read' "$base/oidc/token")" \
      "$(status -u "svc9:$secret" -d token=x "$base/oidc/introspect")"
  done
  echo; shown /client/svc9
}

echo '== places of passwords'
admin POST /client/ "{\"client_id\":\"svc2\",\"confidential\":true,\"password\":\"s\",\"scope\":[\"app.read\"],$lists}"
admin POST /user/ '{"username":"u2","enabled":true,"password":["a","b","c"],"scope":["app.read"],"name":"n"}'
for places in '["a","b","c"]' '["",null,""]' '["new",""]' '["",null]' '["e","f"]' '["f",""]' '["same","same"]' \
  '["x","y","z"]' '["","p",""]' '["","","",""]' '[]' '[null,null]' '["",5]' '["h","i"]' null '"str"' '["q"]' \
  '["","r"]' '[null,""]'; do
  admin PUT /user/u2 "{\"scope\":[\"app.read\"],\"enabled\":true,\"password\":$places}"
  shown /user/u2; logins a b c new e f same x y z p h i str q r
done

echo '== other changes of a user'
for body in '{"enabled":true,"name":"noscope"}' '{"password":["","s"]}' '{"enabled":false}' '{"name":"x"}' \
  '{"enabled":"yes"}' '{"name":null,"email":null}' '{"scope":"app.read"}' '[]' notjson '{"bogus":1}' '{"bogus":"1"}' \
  '{"scope":[],"enabled":true}' '{"scope":[1]}' '{"scope":["app.read"],"enabled":true}'; do
  admin PUT /user/u2 "$body"; shown /user/u2; logins r s
done
admin PUT /user/nobody '{}'; admin POST /user/ '{"enabled":true}'; admin POST /user/ '{"username":"u3"}'
admin POST /user/ '{"username":"u3"}'; admin POST /user/ '{"username":"u4","password":"x"}'; admin POST /user/ notjson

echo '== the token endpoint'
for form in 'grant_type=password&username=u2&password=r' 'grant_type=password&username=u2&password=r&scope=app.read+nope' \
  'grant_type=password&username=u2&scope=app.read' grant_type=bogus '' 'grant_type=client_credentials&scope=app.read' \
  grant_type=client_credentials 'grant_type=client_credentials&scope=nope' \
  'grant_type=refresh_token&refresh_token=nope' grant_type=refresh_token \
  'grant_type=password&username=u2&password=WRONG&scope=app.read' \
  'grant_type=password&username=nobody&password=r&scope=app.read' 'grant_type=password&username=u2&password=r&scope=nope'; do
  for client in svc2:s svc2:bad nobody:s; do token -u "$client" -d "$form"; done
  for client in 'client_id=svc2&client_secret=s' 'client_id=svc2&client_secret=bad' client_id=svc2; do token -d "$client&$form"; done
done

echo '== secrets of a client'
admin POST /client/ '{"client_id":"svc9","scope":["app.read"]}'
for body in "{\"confidential\":true,\"password\":\"pw-only\",$lists}" "{\"client_secret\":\"only-cs\",$lists}" \
  "{\"client_secret\":\"zz\",\"password\":\"yy\",$lists}" "{\"client_secret\":\"\",$lists}" "{\"password\":\"\",$lists}" \
  "{\"password\":\"pw-only\",$lists}" "{\"confidential\":false,$lists}" "{\"confidential\":true,$lists}" \
  '{"authorization_type":["password"],"token_endpoint_auth_method":["client_secret_basic"]}' \
  '{"authorization_type":["client_credentials","password"]}' '{}' "{\"scope\":[],$lists}" \
  "{\"scope\":[\"app.read\"],\"enabled\":false,$lists}" "{\"enabled\":true,$lists}" '{"enabled":"bad"}' \
  '{"authorization_type":"bad"}' '{"password":null}' '{"bogus":["ok"]}' '{"client_secret":5}' '{"scope":"a"}' \
  "{\"client_secret\":\"zz\",$lists}"; do
  secrets "$body"
done
secrets "$(curl -s -H "$key" "$base/client/svc9" | jq -c '.password="yy"')"
admin POST /client/ '{"client_id":5}'; admin POST /client/ '{"client_id":"svc2"}'
admin GET /client/nope; admin PUT /client/nope '{}'; admin DELETE /client/nope

echo '== tokens'
granted=$(curl -s -u svc2:s -d 'grant_type=password&username=u2&password=r&scope=app.read' "$base/oidc/token")
refresh=$(jq -r .refresh_token <<<"$granted") access=$(jq -r .access_token <<<"$granted")
jq -cS keys <<<"$granted"
curl -s -u svc2:s -d "grant_type=refresh_token&refresh_token=$refresh" "$base/oidc/token" | jq -cS keys
standing -u svc2:s -d "token=$refresh" "$base/oidc/introspect"; standing -u svc2:s -d "token=$access" "$base/oidc/introspect"
standing -u svc9:zz -d "token=$access" "$base/oidc/introspect"
listed=$(curl -s -b "$jar" "$base/oidc/token?impersonate=u2&limit=1&sort=issued_at&desc")
jq -cS '.[0] | {enabled, rolling_expiration, client_id, authorization_type, keys: keys}' <<<"$listed"
hash=$(jq -r '.[0].token_hash | @uri' <<<"$listed")
for query in impersonate=nobody impersonate=u2; do status -b "$jar" "$base/oidc/token?$query"; echo; done
status -H "$key" "$base/oidc/token?impersonate=u2"; echo; status "$base/oidc/token"; echo
for path in "$hash" "$hash?impersonate=u2" "$hash?impersonate=u2" 'nope?impersonate=u2'; do status -b "$jar" -X DELETE "$base/oidc/token/$path"; echo; done
for form in '' token=nope "token=$access"; do for client in svc2:s svc2:bad; do status -u "$client" -d "$form" "$base/oidc/revoke"; echo; done; done
standing -u svc2:s -d "token=$access" "$base/oidc/introspect"
curl -s -u svc2:s -d "grant_type=refresh_token&refresh_token=$refresh" -w '%{http_code}\n' "$base/oidc/token"
admin DELETE /user/u2; admin DELETE /user/u2; admin DELETE /client/svc2; logins r
