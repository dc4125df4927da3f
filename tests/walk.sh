#!/usr/bin/env bash
# The walk of a newcomer's guide, as people type it: three machines, a relay, a newcomer and a removal.
# Run as: tests/walk.sh FOLDER PORT, with PYTHON set. Each machine is a directory in FOLDER.
set -euo pipefail
cd "$1"
export HOME="$1" PEERBOT_PASSPHRASE=correct-horse-battery

peerbot() { "$PYTHON" -m peerbot "$@"; }
texts() { "$PYTHON" -c 'import json, sys; print([post["text"] for post in json.load(sys.stdin)])'; }
field() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
expect() { [ "$1" = "$2" ] || { echo "expected: $2; got: $1" >&2; exit 1; }; }
here=(--circle forum --thread "Tuesday walks")

echo "== Heron founds a community"
peerbot --dir heron init --name "Open Door" --operator Kari --contact kari@example.org --town Bergen \
  --relay-url "http://127.0.0.1:$2" --pseudonym Heron --key-file heron/my.key --yes

echo "== The relay runs, and nothing else"
coproc RELAY { exec "$PYTHON" -m peerbot --dir heron serve --only relay; }
relay=$RELAY_PID
trap 'kill "$relay" 2>/dev/null || true' EXIT
read -r line <&"${RELAY[0]}"
expect "$line" "The relay listens on http://127.0.0.1:$2"

echo "== Wren joins with nobody else online"
invite=$(peerbot --dir heron invite --json)
peerbot --dir wren join "$(field link <<<"$invite")" --pseudonym Wren --key-file wren/my.key --yes
peerbot --dir heron post "${here[@]}" "I went to the café on Tuesday."
peerbot --dir wren post "${here[@]}" - <<<"I am glad you told us."
both="['I went to the café on Tuesday.', 'I am glad you told us.']"
expect "$(peerbot --dir heron read --json | texts)" "$both"
expect "$(peerbot --dir wren read --json | texts)" "$both"

echo "== Owl comes later, and reads what was before once Heron's machine has been on"
invite=$(peerbot --dir heron invite --json)
peerbot --dir owl join "$(field code <<<"$invite")" --relay-url "http://127.0.0.1:$2" --pseudonym Owl --yes
expect "$(peerbot --dir owl read --json | texts)" "[]"
peerbot --dir heron read >heron-reads
expect "$(peerbot --dir owl read --json | texts)" "$both"

echo "== Wren is removed, and can't read on"
peerbot --dir heron remove Wren --circle forum --yes
peerbot --dir heron post "${here[@]}" "Only for those who are still here."
expect "$(peerbot --dir owl read --json | texts)" "${both%]}, 'Only for those who are still here.']"
expect "$(peerbot --dir wren read --circle forum --json 2>wren-told | texts)" "$both"
grep -q "may have been removed" wren-told

echo "== The relay stops cleanly"
kill "$relay"
wait "$relay"
trap - EXIT
peerbot --dir owl read --json 2>owl-told | texts >owl-reads
grep -q "Working offline" owl-told
