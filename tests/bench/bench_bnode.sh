#!/usr/bin/env bash
# iotpki-bnode, client and node on the same cores, 8 connections on loopback, peers measured in turn with it.
#   name_show_per_s        against libmicrohttpd answering a constant of the same length (bnode_bare). Goal 0.6:
#                          a JSON library's printer alone brings it to 0.45 (33,000 of 74,000/s when it was tried).
#                          Met with 100,000 names; with a million the tree is larger than the processor's caches.
#   name_show_http_per_s   against the absolute goal of 45,000/s, twice what Emercoin Core does (design 14).
#   name_show_beside_nginx against nginx answering the same bytes by `return 200`, one worker a core. Goal 0.5; with p99 of both.
#   name_show_https_...    the same with TLS 1.3, the same key, kept connections.
#   name_show_memory       anonymous memory after a million requests against that before them. Goal: at most 1.05.
#   signed_writes_per_s    against the rate at which the same disk syncs 4 KiB writes one by one. Goal 0.4.
# The ledger has NAMES names; NAMES=100000 saves half a minute.
set -euo pipefail
NAMES=${NAMES:-1000000}
REQUESTS=${REQUESTS:-1000000}
WRITES=12000 # for one second of writing: more than any node signs off in it
SECONDS_EACH=${SECONDS_EACH:-1}
DIR=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/bench_bnode.XXXXXX")
PIDS=()
trap 'kill "${PIDS[@]}" 2>/dev/null || true; wait; rm -rf "$DIR"' EXIT
NGINX=$(PATH=$PATH:/usr/sbin command -v nginx) || true
command -v wrk > /dev/null && [ -n "$NGINX" ] || { echo "bench: bench_bnode needs wrk and nginx (packaging/packages.txt)" >&2; exit 1; }

"$BUILD/bnode/iotpki-bnode" init --dir "$DIR/node" --open > "$DIR/init"
rm -r "$DIR/node/ledger"
"$BUILD/tests/bench/bnode_fill" names "$DIR/node/ledger" "$NAMES" $((3 * WRITES)) "$DIR/updates"
split -l "$WRITES" -d -a 1 "$DIR/updates" "$DIR/updates."
mkfifo "$DIR/ready"
"$BUILD/bnode/iotpki-bnode" serve --dir "$DIR/node" --listen http://127.0.0.1:0/ --listen https://127.0.0.1:0/ \
	--ready-fd 9 9> "$DIR/ready" 2> "$DIR/log" &
NODE_PID=$!
PIDS+=("$NODE_PID")
mapfile -t READY < "$DIR/ready"
NODE=${READY[0]#url=} NODE_TLS=${READY[1]#url=}
NODE_TLS=${NODE_TLS%% *}

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
	wrk -t1 -c8 -d"$1" --latency -s "$2" "$3" > "$DIR/wrk" 2>&1
	! grep -q 'Non-2xx\|Socket errors' "$DIR/wrk" || { cat "$DIR/wrk" >&2; exit 1; }
	awk '/^Requests\/sec/ {printf "%d\n", $2}' "$DIR/wrk"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# Microseconds, of the run that was last.
p99() {
	awk '$1 == "99%" {v = $2; sub(/[a-z]+$/, "", v); print v * ($2 ~ /us$/ ? 1 : $2 ~ /ms$/ ? 1e3 : 1e6)}' "$DIR/wrk"
}
line() { # NAME VALUE PEER GOAL NOTE
	awk -v n="$1" -v v="$2" -v p="$3" -v g="$4" -v note="$5" \
		'BEGIN {r = v / p; printf "bench: %s ratio=%.2f goal=%s %s value=%d peer=%d %s\n", n, r, g, (r >= g ? "ok" : "short"), v, p, note}'
}

LENGTH=$(curl -sS --data-binary '{"jsonrpc":"2.0","id":"000102030405060708090a0b0c0d0e0f","method":"name_show","params":["iot:00000000-0000-4000-8000-000000000000"]}' "$NODE" | wc -c)
"$BUILD/tests/bench/bnode_bare" "$LENGTH" > "$DIR/bare.port" &
PIDS+=($!)
until [ -s "$DIR/bare.port" ]; do :; done
BARE=http://127.0.0.1:$(cat "$DIR/bare.port")/

# A free port is one that was free a moment ago; with another in between nginx does not start, and the next are tried.
CONTENT=$(printf '%*s' $((LENGTH - 1)) '' | tr ' ' a)
nginx_at() { # PORT
	cat > "$DIR/nginx.conf" <<CONF
daemon off;
worker_processes $(nproc);
pid $DIR/nginx.pid;
error_log $DIR/nginx.log;
events { worker_connections 1024; }
http {
	access_log off;
	keepalive_requests 100000000;
	default_type application/json;
	ssl_protocols TLSv1.3;
	ssl_certificate $DIR/node/tls.crt;
	ssl_certificate_key $DIR/node/tls.key;
	$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $DIR/nginx.$kind;"; done)
	server {
		listen 127.0.0.1:$1;
		listen 127.0.0.1:$(($1 + 1)) ssl;
		location / { return 200 "$CONTENT\n"; }
	}
}
CONF
	"$NGINX" -p "$DIR" -c "$DIR/nginx.conf" 2> "$DIR/nginx.start" &
	NGINX_PID=$!
	until curl -sf -o "$DIR/nginx.answer" "http://127.0.0.1:$1/"; do
		kill -0 "$NGINX_PID" 2> /dev/null || return 1
	done
	PIDS+=("$NGINX_PID")
}
PORT=$((20000 + $$ % 20000))
until nginx_at "$PORT"; do
	PORT=$((PORT + 2))
	[ "$PORT" -lt 60000 ] || { cat "$DIR/nginx.start" >&2; exit 1; }
done
[ "$(wc -c < "$DIR/nginx.answer")" -eq "$LENGTH" ]
PEER=http://127.0.0.1:$PORT/ PEER_TLS=https://127.0.0.1:$((PORT + 1))/

rate 2 "$DIR/show.lua" "$NODE" > "$DIR/warm" # the ledger's pages into memory
# In turn, so that what else the machine does meets all.
for _ in 1 2 3 4 5; do
	for what in show:$NODE bare:$BARE nginx:$PEER tls:$NODE_TLS nginx_tls:$PEER_TLS; do
		rate "$SECONDS_EACH" "$DIR/show.lua" "${what#*:}" >> "$DIR/${what%%:*}.rates"
		p99 >> "$DIR/${what%%:*}.p99"
	done
done
of() { median < "$DIR/$1"; }
line name_show_per_s "$(of show.rates)" "$(of bare.rates)" 0.6 "names=$NAMES connections=8 peer: libmicrohttpd"
line name_show_http_per_s "$(of show.rates)" 45000 1.0 "names=$NAMES p99=$(of show.p99)us"
line name_show_beside_nginx "$(of show.rates)" "$(of nginx.rates)" 0.5 "p99=$(of show.p99)us nginx_p99=$(of nginx.p99)us"
line name_show_https_per_s "$(of tls.rates)" 45000 1.0 "names=$NAMES p99=$(of tls.p99)us; the goal is the one for HTTP"
line name_show_https_beside_nginx "$(of tls.rates)" "$(of nginx_tls.rates)" 0.5 "p99=$(of tls.p99)us nginx_p99=$(of nginx_tls.p99)us"

# The ledger's own pages are the kernel's and come and go: what the program took itself is what must not grow.
anonymous() { awk '/^RssAnon/ {print $2}' "/proc/$NODE_PID/status"; }
BEFORE=$(anonymous)
DONE=0
while [ "$DONE" -lt "$REQUESTS" ]; do
	rate 2 "$DIR/show.lua" "$NODE" > "$DIR/million"
	DONE=$((DONE + $(awk '/requests in/ {print $1}' "$DIR/wrk")))
done
AFTER=$(anonymous)
awk -v b="$BEFORE" -v a="$AFTER" -v n="$DONE" 'BEGIN {
	r = a / b; printf "bench: name_show_memory ratio=%.2f goal=1.05 %s before=%dKiB after=%dKiB requests=%d\n", r, (r <= 1.05 ? "ok" : "short"), b, a, n}'

for round in 0 1 2; do
	"$BUILD/tests/bench/bnode_fill" sync "$DIR" >> "$DIR/sync.rates"
	UPDATES=$DIR/updates.$round rate 1 "$DIR/write.lua" "$NODE" >> "$DIR/write.rates"
done
line signed_writes_per_s "$(median < "$DIR/write.rates")" "$(median < "$DIR/sync.rates")" 0.4 "peer: fdatasync of 4 KiB"
