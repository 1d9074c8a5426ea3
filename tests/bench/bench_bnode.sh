#!/usr/bin/env bash
# iotpki-bnode, client and node on the same cores, 8 connections, plain HTTP on loopback.
#   name_show_per_s     against libmicrohttpd answering a constant of the same length (bnode_bare). Goal 0.6:
#                       a JSON library's printer alone brings it to 0.45 (33,000 of 74,000/s when it was tried);
#                       the absolute goal, 45,000/s at a million names, is printed beside it.
#   signed_writes_per_s against the rate at which the same disk syncs 4 KiB writes one by one. Goal 0.4.
# NAMES=1000000 makes the ledger of the design's goal; 100,000 are made otherwise, for time.
set -euo pipefail
NAMES=${NAMES:-100000}
WRITES=12000 # for one second of writing: more than any node signs off in it
SECONDS_EACH=${SECONDS_EACH:-1}
DIR=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/bench_bnode.XXXXXX")
PIDS=()
trap 'kill "${PIDS[@]}" 2>/dev/null || true; wait; rm -rf "$DIR"' EXIT
command -v wrk > /dev/null || { echo "bench: bench_bnode needs wrk (packaging/packages.txt)" >&2; exit 1; }

"$BUILD/bnode/iotpki-bnode" init --dir "$DIR/node" --open > "$DIR/init"
rm -r "$DIR/node/ledger"
"$BUILD/tests/bench/bnode_fill" names "$DIR/node/ledger" "$NAMES" $((3 * WRITES)) "$DIR/updates"
split -l "$WRITES" -d -a 1 "$DIR/updates" "$DIR/updates."
mkfifo "$DIR/ready"
"$BUILD/bnode/iotpki-bnode" serve --dir "$DIR/node" --listen http://127.0.0.1:0/ --ready-fd 9 9> "$DIR/ready" 2> "$DIR/log" &
PIDS+=($!)
read -r -t 30 NODE < "$DIR/ready"
NODE=${NODE#url=}

cat > "$DIR/show.lua" <<LUA
local names = $NAMES
local head = '{"jsonrpc":"2.0","id":"000102030405060708090a0b0c0d0e0f","method":"name_show","params":["iot:'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
	return wrk.format(nil, nil, nil, head .. string.format("%08x", math.random(names) - 1) .. '-0000-4000-8000-000000000000"]}')
end
LUA
cat > "$DIR/write.lua" <<'LUA'
local lines = {}
for line in io.lines(os.getenv("UPDATES")) do lines[#lines + 1] = line end
local at = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
	at = at + 1
	if at > #lines then os.exit(1) end -- wrk would go on counting time without any work
	return wrk.format(nil, nil, nil, '{"id":1,"method":"name_submit","params":["' .. lines[at] .. '"]}')
end
LUA

# rate SECONDS SCRIPT URL: answers a second; every answer must be a good one.
rate() {
	wrk -t1 -c8 -d"$1" -s "$2" "$3" > "$DIR/wrk" 2>&1
	! grep -q 'Non-2xx\|Socket errors' "$DIR/wrk" || { cat "$DIR/wrk" >&2; exit 1; }
	awk '/^Requests\/sec/ {printf "%d\n", $2}' "$DIR/wrk"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
line() { # NAME VALUE PEER GOAL NOTE
	awk -v n="$1" -v v="$2" -v p="$3" -v g="$4" -v note="$5" \
		'BEGIN {r = v / p; printf "bench: %s ratio=%.2f goal=%s %s value=%d peer=%d %s\n", n, r, g, (r >= g ? "ok" : "short"), v, p, note}'
}

LENGTH=$(curl -sS --data-binary '{"jsonrpc":"2.0","id":"000102030405060708090a0b0c0d0e0f","method":"name_show","params":["iot:00000000-0000-4000-8000-000000000000"]}' "$NODE" | wc -c)
"$BUILD/tests/bench/bnode_bare" "$LENGTH" > "$DIR/bare.port" &
PIDS+=($!)
until [ -s "$DIR/bare.port" ]; do :; done
BARE=http://127.0.0.1:$(cat "$DIR/bare.port")/

rate 1 "$DIR/show.lua" "$NODE" > "$DIR/warm" # the ledger's pages into memory
# In turn, so that what else the machine does meets both.
for _ in 1 2 3 4 5; do
	rate "$SECONDS_EACH" "$DIR/show.lua" "$NODE" >> "$DIR/show.rates"
	rate "$SECONDS_EACH" "$DIR/show.lua" "$BARE" >> "$DIR/bare.rates"
done
line name_show_per_s "$(median < "$DIR/show.rates")" "$(median < "$DIR/bare.rates")" 0.6 "names=$NAMES connections=8 absolute_goal=45000"

for round in 0 1 2; do
	"$BUILD/tests/bench/bnode_fill" sync "$DIR" >> "$DIR/sync.rates"
	UPDATES=$DIR/updates.$round rate 1 "$DIR/write.lua" "$NODE" >> "$DIR/write.rates"
done
line signed_writes_per_s "$(median < "$DIR/write.rates")" "$(median < "$DIR/sync.rates")" 0.4 "peer: fdatasync of 4 KiB"
