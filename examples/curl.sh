#!/usr/bin/env bash
# Consent, a call, its live events, its end and what it cost: with curl alone.
# SAPERLY_URL and SAPERLY_API_KEY say where and who; the number is the first one of the workspace.
set -euo pipefail

url=${SAPERLY_URL:-http://127.0.0.1:8080}
to=+15555550123

api() { curl -sS --fail-with-body -H "authorization: Bearer $SAPERLY_API_KEY" -H 'content-type: application/json' "$@"; }
first_id() { grep -o "\"$1_[0-9a-z]*\"" | head -n 1 | tr -d '"'; }

number=$(api "$url/numbers?limit=1" | first_id num)

api "$url/consent" -d "{
  \"numberId\": \"$number\", \"peerNumber\": \"$to\",
  \"consentType\": \"explicit_outbound\", \"source\": \"examples/curl.sh\"
}"
echo

call=$(api "$url/calls" -d "{\"fromNumberId\": \"$number\", \"to\": \"$to\"}" | first_id call)
echo "placed $call"

# The stream closes by itself once the call has ended.
api -N -H 'accept: text/event-stream' "$url/calls/$call/events" | while read -r line; do
  echo "$line"
  if [[ $line == 'event: disclosure' ]]; then
    api "$url/calls/$call/end" -d '{"durationSec": 42}' && echo
  fi
done

api "$url/calls/$call" && echo
api "$url/usage" && echo
