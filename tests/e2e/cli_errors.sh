#!/usr/bin/env bash
# What a user is told who does something wrong: each message says what is wrong and where, and the exit
# code is the table's; and every verb prints exactly one JSON object with --json, whatever happens.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
[ "${1:-}" = inside ] || exec tests/harness/private-root "$PWD/tests/e2e/cli_errors.sh" inside
. tests/e2e/lib.sh

OUT=/tmp/out ERR=/tmp/err CHECKS=0
CONFIG=/etc/iotpki/iotpki.yaml LIST=/etc/iotpki/members.yaml

# says CODE WORDS COMMAND...: it ends with this exit code and its output holds these words.
says() {
	local code=$1 words=$2 got=0
	shift 2
	"$@" > "$OUT" 2> "$ERR" < /dev/null || got=$?
	[ "$got" = "$code" ] || { cat "$OUT" "$ERR"; fail "$*: exit code $got, not $code"; }
	grep -qF -- "$words" "$OUT" "$ERR" || { cat "$OUT" "$ERR"; fail "$*: does not say '$words'"; }
	CHECKS=$((CHECKS + 1))
}

# json CODE WORDS...: one JSON object on standard output, whose code is the exit code.
json() {
	local code=$1 got=0
	shift
	iotpki "$@" --json > "$OUT" 2> "$ERR" < /dev/null || got=$?
	[ "$got" = "$code" ] || { cat "$OUT" "$ERR"; fail "iotpki $* --json: exit code $got, not $code"; }
	python3 tests/e2e/one_object.py "$code" < "$OUT" || { cat "$OUT"; fail "iotpki $* --json: not one object"; }
	CHECKS=$((CHECKS + 1))
}

as_pi() { setpriv --reuid pi --regid pi --clear-groups "$@"; }
# With a line of a file changed: config check fails with 3 and says where and what.
with_config() { sed -i.good "$1" "$CONFIG"; says 3 "$CONFIG:$2" iotpki config check; grep -qF -- "${3:-}" "$ERR" || fail "$1: no '$3'"; mv "$CONFIG.good" "$CONFIG"; }
with_list() { sed -i.good "$1" "$LIST"; says 3 "$LIST:$2" iotpki config check; grep -qF -- "${3:-}" "$ERR" || fail "$1: no '$3'"; mv "$LIST.good" "$LIST"; }

# ---- nothing is there yet ----
farm_install
export XDG_DATA_HOME=$FARM/laptop
chmod 0755 /etc/iotpki
says 3 'iotpki.yaml(5)' iotpki config check
says 3 'iotpki identity new' iotpki identity show
says 3 'iotpki dm init' iotpki dm list
says 5 'is iotpki-agent running' iotpki status
for words in 'config check' 'config show' 'bnode list' 'bnode test' 'member list' 'member show alice' 'verify alice' \
	'lookup alice' 'history alice' 'identity show' 'identity ssh-key' 'dm list' 'dm show' 'dm sync'; do
	# shellcheck disable=SC2086
	json 3 $words
done
json 5 status
json 5 refresh

# ---- wrong use: with --json too, wherever it stands ----
says 2 'unknown command nonsense' iotpki nonsense
says 2 'unknown option --nonsense; see iotpki member add --help' iotpki member add --nonsense
says 2 'has no verb nonsense' iotpki dm nonsense
says 2 '--config needs an argument' iotpki --config
for words in '' nonsense '--nonsense' dm 'dm nonsense' 'member add' 'member add --nonsense' 'verify' 'verify a --key b' 'lookup' \
	'identity new --algorithm x' 'identity import' 'dm register --nonsense' 'dm init --pin x' 'config check x'; do
	# shellcheck disable=SC2086
	json 2 $words
done
json 0 --version
says 2 'a --pin stands behind its --bnode' iotpki dm init --dir "$FARM/o" --pin x
says 2 'https://127.0.0.1:1/ needs a --pin' iotpki dm init --dir "$FARM/o" --bnode https://127.0.0.1:1/

# ---- a farm of two nodes ----
ANSWERS=all farm_nodes 2
ANSWERS=all farm_config
for who in alice bob carol dave; do person "$who"; done
for who in alice bob carol; do registered "$who"; done
member alice
member bob
cert() { echo "$FARM/people/$1/cert.pem"; }
iotpki identity ssh-key --dir "$FARM/people/alice" > "$FARM/alice.pub"

for words in 'config check' 'config show' 'bnode list' 'bnode test' 'member list' 'member show alice' 'member check' 'verify alice' \
	'verify alice --explain' 'lookup alice' 'history alice' 'member deny bob' 'member allow bob' 'member renew bob --expires 40d' \
	'member remove bob --dry-run' 'dm list' 'dm show' 'dm show alice' 'dm sync' 'dm renew alice --expires 400d' \
	"identity show --dir $FARM/people/alice" "identity ssh-key --dir $FARM/people/alice" \
	"identity ssh-key --private --dir $FARM/people/alice" "identity new --dir $FARM/new" \
	"identity import --key $FARM/new/key.pem --cert $FARM/new/cert.pem --dir $FARM/import" \
	"verify --key $FARM/alice.pub" "verify --cert $(cert alice)" "dm init" \
	"member add --cert $(cert carol) --role operator --expires 30d --dry-run"; do
	# shellcheck disable=SC2086
	json 0 $words
done

# ---- what is refused, and why ----
says 7 'dave: verification failure: unregistered (IPK-201)' iotpki member add --cert "$(cert dave)" --role operator --expires 30d
says 3 'alice is a member already' iotpki member add --cert "$(cert alice)" --role operator --expires 30d
says 3 'there is no role "nope"' iotpki member add --cert "$(cert carol)" --role nope --expires 30d
says 3 'BEGIN CERTIFICATE' iotpki member add --cert "$FARM/people/carol/key.pem" --role operator --expires 30d
says 2 'is no time' iotpki member add --cert "$(cert carol)" --role operator --expires 1y
says 2 'is in the past' iotpki member add --cert "$(cert carol)" --role operator --expires 2020-01-01T00:00:00Z
says 3 'private key' iotpki verify --key "$FARM/people/alice/id"
says 6 'DENY not-member (IPK-101): nobody: not in membership list' iotpki verify nobody
says 6 'service (any)' iotpki verify nobody --explain
says 1 'DENY not-permitted (IPK-104)' iotpki verify alice --user root
says 1 'DENY not-permitted (IPK-104)' iotpki verify alice --service cups
iotpki member deny bob > /dev/null
says 1 'DENY member-denied (IPK-103)' iotpki verify bob
says 1 'what to do: iotpki member allow bob' iotpki verify bob
iotpki member allow bob > /dev/null
says 2 'pass --yes' iotpki dm revoke bob
says 2 'pass --yes' iotpki member remove bob
as_owner dm revoke bob --yes > /dev/null
says 7 'DENY revoked (IPK-203)' iotpki verify bob --explain
says 7 'is revoked' iotpki dm renew bob --expires 500d
says 7 'is revoked' iotpki dm register --cert "$(cert bob)" --expires 365d
says 3 'nothing was ever signed for dave' iotpki dm revoke dave --yes
iotpki dm init --dir "$FARM/rival" > /dev/null
cp "$XDG_DATA_HOME/iotpki/dm/dm.yaml" "$FARM/rival/"
says 7 'every B-node refuses it; nothing has changed' iotpki dm register --dir "$FARM/rival" --cert "$(cert dave)"
says 3 'nothing was ever signed for dave' iotpki dm sync dave --dir "$FARM/rival"
says 2 'cannot be brought forward' iotpki dm renew alice --expires 1d
says 3 'dm renew' iotpki dm register --cert "$(cert alice)" --expires 365d
for words in 'verify bob' 'member check' 'lookup nobody' 'history nobody'; do
	# shellcheck disable=SC2086
	json 7 $words
done
for words in 'lookup A_B!' 'dm register' 'dm renew alice' 'dm revoke alice' 'member remove alice'; do
	# shellcheck disable=SC2086
	json 2 $words
done
json 6 verify nobody
json 6 member show nobody
json 6 member check nobody

# ---- a certificate that is not the record's ----
iotpki identity new --name alice --dir "$FARM/people/newer" > /dev/null
says 7 'alice: verification failure: hash-mismatch (IPK-204)' iotpki member renew alice --cert "$FARM/people/newer/cert.pem"
as_owner dm renew alice --cert "$FARM/people/newer/cert.pem" > /dev/null
says 7 'hash-mismatch (IPK-204)' iotpki member renew alice
says 0 'renewed alice' iotpki member renew alice --cert "$FARM/people/newer/cert.pem"

# ---- each kind of broken node ----
says 0 '2 of 2 are good' iotpki bnode test
sed -i.good "s|${PINS[1]}|${PINS[0]}|" "$CONFIG"
says 0 'are one node: they count once' iotpki config check
mv "$CONFIG.good" "$CONFIG"
sed -i.good "s|${PINS[1]}|sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=|" "$CONFIG"
says 5 "compare pin: with 'iotpki-bnode pin'" iotpki bnode test
mv "$CONFIG.good" "$CONFIG"
python3 -u -m http.server --bind 127.0.0.1 0 > "$FARM/web.log" 2>&1 & # something else answers there
wait_for 100 grep -q 'port [0-9]' "$FARM/web.log" || fail "the web server did not start"
port=$(grep -o 'port [0-9]*' "$FARM/web.log" | cut -d' ' -f2)
sed -i.good "s|url: \"${URLS[1]}\", pin: \"${PINS[1]}\"|url: \"http://127.0.0.1:$port/\"|" "$CONFIG"
says 5 'HTTP status 501; is this the URL of a B-node?' iotpki bnode test
mv "$CONFIG.good" "$CONFIG"
node_stop 1
says 5 'node1    unreachable' iotpki bnode test
says 5 'UNAVAILABLE too-few-answers (IPK-301)' iotpki verify alice
says 5 'iotpki dm sync alice goes on with it' iotpki dm renew alice --expires 500d
for words in 'bnode test' 'verify alice' 'dm sync' 'dm renew alice --expires 600d'; do
	# shellcheck disable=SC2086
	json 5 $words
done
node_start 1
says 0 'alice: all B-nodes have it' iotpki dm sync alice

# ---- typos in the files ----
with_config 's/^query:/qery:/' '5:1: unknown key "qery"; here stand '
with_config 's/answers:/anwsers:/' 5:9: 'unknown key "anwsers"'
with_config 's/^  - /\t- /' '3:1: a tab stands here; YAML is indented with spaces'
with_config '$a query: {answers: all}' '8:1: the key "query" is there twice'
with_config 's/name: node1/name: node0/' '4:5: two nodes have the name node0'
with_config 's/answers: all/answers: 5/' '5:18: answers: 5 of 2 nodes can never be reached'
with_config '/^version/d' '1:1: the key "version" is missing'
with_config 's/type: iotpki/type: bitcoin/' 3:25: 'type must be one of'
with_config 's/^query: /query: \&a /' 5:8: 'anchors (&) are not allowed'
with_config d '1:1: is empty'
with_list 's/label: alice/lable: alice/' '7:5: unknown key "lable"; here stand '
with_list 's/^    label: alice/\tlabel: alice/' '7:1: a tab stands here; YAML is indented with spaces'
with_list 's/^    label: alice/   label: alice/' 6:5: 'the key "role" is missing'
with_list 's/name: bob/name: alice/' '' 'the certificate is of the name bob, not of this one'
with_list 's/role: operator/role: opertor/' '8:11: there is no role "opertor"'
with_list 's/label: alice/label: al\xe9ce/' '7:14: is not UTF-8 text'
with_list 's/restrict, pty/restrict, ptyy/' '4:82: "ptyy"' 'is no option'
for change in 's/$/\r/' '1s/^/\xef\xbb\xbf/' '${s/$/\n/}'; do # CRLF, byte order mark, an empty line at the end
	sed -i.good "$change" "$LIST"
	says 0 'are good' iotpki config check
	mv "$LIST.good" "$LIST"
done
sed -i.good 's/registrations: {iotpki:/registrations: {farm:/' "$LIST"
says 0 'alice has no registration of the network iotpki' iotpki config check
mv "$LIST.good" "$LIST"

# ---- modes and users ----
for file in "$CONFIG" "$LIST"; do
	chmod 0666 "$file"
	says 4 "$file: has mode 0666 and is not trusted" iotpki config check
	json 4 config check
	chmod 0640 "$file"
done
chown pi "$LIST"
says 4 'chown it to uid 0' iotpki config check
chown root "$LIST"
says 4 'run this as root' as_pi iotpki verify alice
chmod 0644 "$CONFIG" "$LIST"
mkdir -m 0644 /etc/iotpki/members.d
says 4 '/etc/iotpki/members.d' as_pi iotpki verify alice
rmdir /etc/iotpki/members.d
chmod 0640 "$CONFIG" "$LIST"

# ---- the agent ----
says 2 'unexpected argument: nonsense' iotpki-agent nonsense
says 2 'usage: iotpki-agent' iotpki-agent --nonsense
says 3 '--user nobody-here: there is no such account' iotpki-agent --user nobody-here --log stderr
says 2 'cannot open the log' iotpki-agent --log file:/nonsense/x
chmod 0600 "$CONFIG"
says 4 'the agent reads it as _iotpki' iotpki-agent --log stderr
chmod 0640 "$CONFIG"
sed -i.good 's/^query:/qery:/' "$CONFIG"
says 3 'unknown key "qery"' iotpki-agent --log stderr
grep -F 'event=start-failed' "$ERR" | grep -qF "unknown key 'qery'; here stand version," || { cat "$ERR"; fail "a logged error ends its value early"; }
mv "$CONFIG.good" "$CONFIG"
agent_start
says 5 'somebody listens there already' iotpki-agent --log stderr
says 0 'list-valid       yes' iotpki status
json 0 status
json 0 refresh
says 4 'run this as root' as_pi iotpki refresh
agent_stop

# ---- iotpki-bnode ----
says 2 'unknown command nonsense' iotpki-bnode nonsense
for verb in init serve pin audit log; do
	says 0 "usage: iotpki-bnode $verb " iotpki-bnode "$verb" --help
	says 2 "iotpki-bnode $verb: " iotpki-bnode "$verb" --nonsense
	says 2 "iotpki-bnode $verb: " iotpki-bnode "$verb"
done
says 2 'unexpected argument: x' iotpki-bnode init --dir "$FARM/x" --open x
says 2 'unexpected argument: x' iotpki-bnode serve --dir "$FARM/x" --listen https://127.0.0.1:0/ x
says 3 'iotpki-bnode init' iotpki-bnode pin --dir "$FARM/x"
says 3 'iotpki-bnode init' iotpki-bnode serve --dir "$FARM/x" --listen https://127.0.0.1:0/
iotpki-bnode init --dir "$FARM/x" --open > /dev/null
says 2 'loopback' iotpki-bnode serve --dir "$FARM/x" --listen http://0.0.0.0:0/
says 5 'cannot listen on port' iotpki-bnode serve --dir "$FARM/x" --listen "${URLS[0]}"

# A service has a user of its own: root adds an owner there, others are told.
chown -R nobody "$FARM/x"
says 0 'pin: sha256//' iotpki-bnode init --dir "$FARM/x" --owner "$(printf '%064d' 7)"
says 0 'sha256//' iotpki-bnode pin --dir "$FARM/x"
for words in "log list" "serve --listen http://127.0.0.1:0/"; do
	# shellcheck disable=SC2086
	says 4 "run it as the node's own user" as_pi iotpki-bnode $words --dir "$FARM/x"
done

# ---- -q leaves what was asked for, and errors ----
iotpki -q config check > "$OUT"
[ ! -s "$OUT" ] || fail "-q config check speaks"
iotpki -q verify alice | grep -qx 'ADMIT: alice (alice)' || fail "-q verify does not give its verdict"
echo "figure: $CHECKS commands said what is wrong, or gave one JSON object"
