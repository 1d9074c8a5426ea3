#!/usr/bin/env bash
# A client of Emercoin Core reads from iotpki-bnode, with curl alone: the fields of the recorded
# answers of a real node (tests/vectors/emercoin.jsonl), its error codes and its HTTP statuses.
set -euo pipefail
BNODE=$BUILD/bnode/iotpki-bnode
TX_TOOL=$BUILD/tests/e2e/bnode/tx_tool
DIR=$(mktemp -d)
NODE=
trap '[ -z "$NODE" ] || kill "$NODE" 2>/dev/null || true; wait; rm -rf "$DIR"' EXIT
CHECKS=0

fail() {
	printf 'FAIL %s\n' "$*" >&2
	[ ! -s "$DIR/answer" ] || { head -c 2000 "$DIR/answer" >&2; echo >&2; }
	cat "$DIR/node.log" >&2
	exit 1
}
ok() { CHECKS=$((CHECKS + 1)); }

node_start() {
	mkfifo "$DIR/ready"
	"$BNODE" serve --dir "$DIR/node" --listen http://127.0.0.1:0/ --listen https://localhost:0 --ready-fd 9 \
		9> "$DIR/ready" 2>> "$DIR/node.log" &
	NODE=$!
	{ read -r -t 20 HTTP && read -r -t 20 HTTPS; } < "$DIR/ready" || fail "the node did not get ready"
	rm "$DIR/ready"
	HTTP=${HTTP#url=}
	PIN=${HTTPS##*pin=}
	HTTPS=${HTTPS#url=} HTTPS=${HTTPS%% *}
}

# ask [curl options] BODY: the answer in $DIR/answer, its status and type in STATUS and TYPE.
ask() {
	local body=${*: -1}
	read -r STATUS TYPE < <(curl -sS --max-time 20 -o "$DIR/answer" -w '%{http_code} %{content_type}\n' \
		"${@:1:$#-1}" --data-binary "$body" "$HTTP")
}
# want NAME STATUS PYTHON: of the last answer; a is the parsed JSON.
want() {
	[ "$STATUS" = "$2" ] || fail "$1: HTTP $STATUS, not $2"
	python3 -c 'import json, sys; a = json.load(open(sys.argv[1])); sys.exit(not ('"$3"'))' "$DIR/answer" || fail "$1: not $3"
	ok
}
call() { printf '{"jsonrpc":"1.0","id":1,"method":"%s","params":[%s]}' "$1" "$2"; }
submit() {
	while read -r op der txid; do
		ask "$(call name_submit "\"$der\"")"
		want "$op" 200 "a['result'] == '$txid' and a['error'] is None"
	done
}

"$BNODE" init --dir "$DIR/node" --owner "$("$TX_TOOL" "$DIR/owner" owner)" > "$DIR/init.out"
[ "$(stat -c %a "$DIR/node" "$DIR/node/tls.key" | tr '\n' ' ')" = "700 600 " ] || fail "modes of --dir and tls.key"; ok
node_start
[ "$PIN" = "$("$BNODE" pin --dir "$DIR/node")" ] || fail "the ready line's pin is not that of the key"; ok
[ "pin: $PIN" = "$(cat "$DIR/init.out")" ] || fail "init told another pin"; ok
# The pin as anybody computes it from the certificate.
[ "$PIN" = "sha256//$(openssl x509 -in "$DIR/node/tls.crt" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)" ] || fail "pin"; ok

ask "$(call getblockchaininfo "")"
want "empty" 200 "a['result']['blocks'] == 0 and a['result']['bestblockhash'] == '0' * 64"
"$TX_TOOL" "$DIR/owner" life iot:revoked > "$DIR/life"
"$TX_TOOL" "$DIR/owner" chain iot:alive 4 > "$DIR/alive"
submit < "$DIR/life"
submit < "$DIR/alive"
submit < "$DIR/alive" # the same bytes again: the same txid, nothing new

# What the real node answered to the same requests: same status, same members (and ours beside
# them), the same error object.
python3 - "$TOP/tests/vectors/emercoin.jsonl" "$HTTP" <<'PY' || fail "not as the recorded node"
import json, subprocess, sys
vectors, url = sys.argv[1:]
ours = {"name_show, never registered": "iot:unknown", "name_show, registered": "iot:alive", "jsonrpc 2.0": "iot:alive",
        "batch": "iot:alive", "name_show, hex value": "iot:alive", "unknown method": "", "malformed JSON": ""}
checked = 0
for line in open(vectors):
    seen = json.loads(line)
    if seen["step"] not in ours:
        continue
    body = seen["request"].replace("iot:3f2b6c1e-8d54-4a7b-9c0e-5a1d2e3f4b60", ours[seen["step"]])
    got = subprocess.run(["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code} %{content_type}", "--data-binary", body, url],
                         capture_output=True, text=True, check=True).stdout
    answer, status = got.rsplit("\n", 1)
    assert status == f"{seen['status']} {seen['content_type']}", (seen["step"], status)
    real, mine = json.loads(seen["response"]), json.loads(answer)
    real, mine = (real, mine) if isinstance(real, list) else ([real], [mine])
    assert len(real) == len(mine), seen["step"]
    for r, m in zip(real, mine):
        assert r["id"] == m["id"], seen["step"]
        assert r.get("error") == m.get("error"), (seen["step"], m)
        if isinstance(r.get("result"), dict):
            missing = set(r["result"]) - set(m["result"])
            types = {k for k in r["result"] if k in m["result"] and type(r["result"][k]) is not type(m["result"][k])}
            assert not missing and not types, (seen["step"], missing, types)
    checked += 1
assert checked == len(ours), checked
PY
ok

ask "$(call name_show '"iot:alive"')"
want "registered" 200 "set(a['result']) == set('name value txid address vout expires_in expires_at time status registration sequence unit tip'.split())"
want "registered, beside Emercoin's" 200 "a['result']['status'] == 'registered' and a['result']['sequence'] == 3 and a['result']['unit'] == 's' and a['result']['tip']['height'] == 8"
want "registration and txid" 200 "[a['result']['registration'], a['result']['txid']] == [l.split()[2] for l in open('$DIR/alive')][1::2]"
want "times" 200 "a['result']['expires_at'] - a['result']['time'] == 365 * 86400 and abs(a['result']['tip']['time'] + a['result']['expires_in'] - a['result']['expires_at']) <= 1"
ask "$(call name_show '"iot:revoked"')"
want "revoked" 200 "a['result']['status'] == 'revoked' and a['result']['value'].endswith('|status=revoked') and a['result']['sequence'] == 3"
# The proof is the REGISTER whose txid is the registration, and the REVOKE, as they were submitted.
want "proof" 200 "a['result']['proof'] == [l.split()[1] for l in open('$DIR/life') if l.split()[0] in ('REGISTER', 'REVOKE')]"
ask "$(call name_history '"iot:revoked",true')"
want "history" 200 "[(e['operation'], e['txid']) for e in a['result']] == list(zip(['name_new', 'name_update', 'name_update'], [l.split()[2] for l in open('$DIR/life')][1:]))"
ask "$(call name_filter '"^iot:"')"
want "filter" 200 "[e['name'] for e in a['result']] == ['iot:alive', 'iot:revoked']"
ask "$(call name_filter '"^iot:",0,"iot:alive",1')"
want "filter, next page" 200 "[e['name'] for e in a['result']] == ['iot:revoked']"
ask "$(call name_show '"iot:none"')"
want "unknown" 500 "a == {'result': None, 'error': {'code': -4, 'message': 'failed to read from name DB'}, 'id': 1}"
[ "$TYPE" = application/json ] || fail "content type $TYPE"; ok
ask '{"jsonrpc":"2.0","id":"00112233445566778899aabbccddeeff","method":"name_show","params":["iot:none"]}'
want "unknown, 2.0" 200 "a == {'jsonrpc': '2.0', 'error': {'code': -4, 'message': 'failed to read from name DB'}, 'id': '00112233445566778899aabbccddeeff'}"
ask "[$(for i in $(seq 0 99); do printf '{"id":"n-%d","method":"name_show","params":["iot:alive"]}%s' "$i" "$([ "$i" = 99 ] || echo ,)"; done)]"
want "batch of 100" 200 "[e['id'] for e in a] == ['n-%d' % i for i in range(100)] and all(e['result']['name'] == 'iot:alive' for e in a)"
ask "[$(for i in $(seq 0 100); do printf '{"id":%d,"method":"name_show"}%s' "$i" "$([ "$i" = 100 ] || echo ,)"; done)]"
want "batch of 101" 400 "a['error']['code'] == -32600"
ask '{"id":1}'
want "no request" 400 "a['error']['code'] == -32600"

# Refused transactions: the reason by name.
refused() {
	ask "$(call name_submit "\"$2\"")"
	want "$1" 500 "a['error']['code'] == -32010 and a['error']['data'] == {'reason': '$1'} and len(a['error']['message']) > 10"
}
refused bad-encoding '*'
refused bad-encoding ZGVy
"$TX_TOOL" "$DIR/stranger" chain iot:alive 3 > "$DIR/other"
refused not-allowed "$(awk '$1 == "PREORDER" {print $2}' "$DIR/other")"
"$TX_TOOL" "$DIR/owner" chain iot:new 2 > "$DIR/new"
# The operator lets the stranger in, beside the running node; the key and its pin stay.
"$BNODE" init --dir "$DIR/node" --owner "$("$TX_TOOL" "$DIR/stranger" owner)" > "$DIR/again"
cmp -s "$DIR/again" "$DIR/init.out" || fail "a second init changed the pin"; ok
submit < <(grep PREORDER "$DIR/other")
! "$BNODE" init --dir "$DIR/node" 2> "$DIR/again" || fail "init without a word who may register"; ok
refused no-preorder "$(awk '$1 == "REGISTER" {print $2}' "$DIR/new")"

# What is not a call.
plain() {
	local name=$1 status=$2
	STATUS=$(curl -sS --max-time 20 -o "$DIR/answer" -w '%{http_code}' "${@:3}") || fail "$name: curl"
	[ "$STATUS" = "$status" ] || fail "$name: HTTP $STATUS, not $status"
	ok
}
plain "GET" 405 "$HTTP"
plain "PUT" 405 -X PUT -d '{}' "$HTTP"
plain "another path" 404 -d '{}' "${HTTP}rest/"
plain "of a web page" 403 -H 'Origin: https://example.org' -d "$(call getblockchaininfo "")" "$HTTP"
plain "of a web page, origin null" 403 -H 'Origin: null' -d "$(call getblockchaininfo "")" "$HTTP"
head -c 262145 /dev/zero | tr '\0' ' ' > "$DIR/large"
plain "256 KiB and one byte" 413 -H 'Expect:' --data-binary "@$DIR/large" "$HTTP"
plain "the same in chunks" 413 -H 'Expect:' -H 'Transfer-Encoding: chunked' --data-binary "@$DIR/large" "$HTTP"
truncate -s 262144 "$DIR/large"
plain "256 KiB of nothing" 500 -H 'Expect:' --data-binary "@$DIR/large" "$HTTP"

# HTTPS: the pinned key, TLS 1.3 alone.
tls() { curl -sS -k --max-time 20 -o "$DIR/answer" -w '%{http_code}' "$@" -d "$(call name_show '"iot:alive"')" "$HTTPS" 2> "$DIR/curl.log"; }
[ "$(tls --pinnedpubkey "$PIN")" = 200 ] || fail "https"; ok
! tls --pinnedpubkey "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" > "$DIR/out" || fail "a wrong pin"; ok
! tls --tls-max 1.2 > "$DIR/out" || fail "TLS 1.2"; ok

# Stopped and started again: the same answers under the same pin.
ask "$(call name_show '"iot:alive"')"
cp "$DIR/answer" "$DIR/before"; OLD_PIN=$PIN
kill -TERM "$NODE"
wait "$NODE" || fail "exit code $? after SIGTERM"; ok
node_start
[ "$PIN" = "$OLD_PIN" ] || fail "another pin after a restart"; ok
ask "$(call name_show '"iot:alive"')"
want "after a restart" 200 "{k: v for k, v in a['result'].items() if k not in ('tip', 'expires_in')} == {k: v for k, v in json.load(open('$DIR/before'))['result'].items() if k not in ('tip', 'expires_in')}"
chmod 0640 "$DIR/node/tls.key"
! "$BNODE" serve --dir "$DIR/node" --listen https://127.0.0.1:0/ 2> "$DIR/curl.log" || fail "a key that others can read"; ok
echo "figure: $CHECKS checks of reads"
