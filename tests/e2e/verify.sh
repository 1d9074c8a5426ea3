#!/usr/bin/env bash
# verify, lookup, history, bnode, status, refresh against real B-nodes, with the agent dead.
# Needs no root and touches nothing outside its own folder. BUILD: the build folder.
set -euo pipefail
iotpki=$BUILD/cli/iotpki
bnode=$BUILD/bnode/iotpki-bnode
work=$(mktemp -d "${TMPDIR:-/tmp}/iotpki-verify-XXXXXX")
pids=()
finish() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
cd "$work"
unset XDG_DATA_HOME XDG_CONFIG_HOME
export HOME=$work
failed=0
count=0

# expect EXIT PATTERN COMMAND...: exit code, and a line of the output that matches (both streams).
expect() {
	local exit=$1 pattern=$2 status=0
	shift 2
	"$@" > out 2>&1 || status=$?
	count=$((count + 1))
	if [ "$status" != "$exit" ] || ! grep -qE -- "$pattern" out; then
		printf 'FAILED: %s\n  wanted exit %s and /%s/, got exit %s and:\n' "$*" "$exit" "$pattern" "$status"
		sed 's/^/  | /' out
		failed=$((failed + 1))
	fi
}

certificate() { # NAME [FILE]
	local file=${2:-$1}
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$file.key" \
		-out "$file.pem" -subj "/CN=$1" -days 36500 \
		-addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature 2>/dev/null
	ssh-keygen -i -m PKCS8 -f <(openssl pkey -in "$file.key" -pubout) > "$file.pub"
}
hash_of() { openssl x509 -in "$1.pem" -outform DER | sha256sum | cut -d' ' -f1; }

start() { # NODE [URL]: url and pin into NODE.url, NODE.pin
	local ready=
	mkfifo "$1.ready"
	"$bnode" serve --dir "$1" --listen "${2:-https://127.0.0.1:0}" --ready-fd 3 3> "$1.ready" 2> "$1.log" &
	pids+=($!)
	echo $! > "$1.pid"
	read -r ready < "$1.ready" || { cat "$1.log"; exit 1; }
	sed -n 's/.*url=\([^ ]*\).*/\1/p' <<< "$ready" > "$1.url"
	sed -n 's/.*pin=\([^ ]*\).*/\1/p' <<< "$ready" > "$1.pin"
}
stop() { kill "$(cat "$1.pid")"; wait "$(cat "$1.pid")" 2>/dev/null || true; }

for name in alice bob eve; do certificate $name; done
for node in home barn office; do
	"$bnode" init --dir $node --open > /dev/null
	start $node
done
dm=("$iotpki" dm init)
for node in home barn office; do dm+=(--bnode "$(cat $node.url)" --pin "$(cat $node.pin)"); done
"${dm[@]}" > /dev/null
"$iotpki" dm register --cert alice.pem --expires 30d > /dev/null
"$iotpki" dm register --cert bob.pem --expires 30d > /dev/null
"$iotpki" dm show alice > alice.show
"$iotpki" dm show bob > bob.show

{
	echo 'version: 1'
	echo 'bnodes:'
	for node in home barn office; do
		printf '  - {name: %s, type: iotpki, network: farm, url: "%s", pin: "%s"}\n' $node "$(cat $node.url)" "$(cat $node.pin)"
	done
	echo 'query: {answers: majority, node_timeout_ms: 1000, deadline_ms: 1500}'
} > iotpki.yaml
entry() { # NAME LABEL
	printf '  - name: %s\n    label: %s\n    role: operator\n    expires: 2036-01-01T00:00:00Z\n' "$1" "$2"
	printf '    sha256: %s\n    key: %s\n' "$(hash_of "$1")" "$(cut -d' ' -f1,2 "$1.pub")"
	printf '    registrations: {farm: %s}\n' "$(sed -n 's/^registration: //p' "$1.show")"
	printf '    certificate: |\n'
	sed 's/^/      /' "$1.pem"
}
{
	echo 'version: 1'
	echo 'roles: {operator: {users: [pi], services: [sshd], ssh_options: [restrict, pty]}}'
	echo 'members:'
	entry alice Alice
	entry bob Bob
} > members.yaml
chmod 0640 iotpki.yaml members.yaml
i=("$iotpki" --config iotpki.yaml)

# Admitted: by name, label, key, certificate; --explain names what decided.
expect 0 '^ADMIT: alice' "${i[@]}" verify alice
expect 0 '^ADMIT: alice \(Alice\)' "${i[@]}" verify Alice
expect 0 '^ADMIT: alice' "${i[@]}" verify --key alice.pub --user pi --service sshd
expect 0 '^ADMIT: alice' "${i[@]}" verify --cert alice.pem
expect 0 'home +registered, tip .*: agrees|barn +registered, tip .*: agrees' "${i[@]}" verify alice --explain
expect 0 'registered, tip .*: not waited for' "${i[@]}" verify alice --explain
expect 1 'home +not asked' "${i[@]}" verify alice --user root --explain
expect 0 '^rule: +enough B-nodes agree' "${i[@]}" verify alice --explain
expect 0 '"ok": ?true.*"verdict": ?"ADMIT"' "${i[@]}" --json verify alice
# The list alone.
expect 6 'DENY not-member \(IPK-101\).*not in membership list' "${i[@]}" verify eve
expect 6 'not-member' "${i[@]}" verify --key eve.pub
expect 6 'not-member' "${i[@]}" verify --cert eve.pem
expect 1 'not-permitted \(IPK-104\)' "${i[@]}" verify alice --user root
expect 1 'not-permitted' "${i[@]}" verify alice --service cron
# Wrong use.
expect 2 'one of NAME, --key and --cert' "${i[@]}" verify
expect 2 'one of NAME, --key and --cert' "${i[@]}" verify alice --key alice.pub
expect 3 'alice.pem' "${i[@]}" verify --key alice.pem
expect 3 'none.yaml' "$iotpki" --config none.yaml verify alice
# What each B-node holds.
expect 0 'value: +sha256='"$(hash_of alice)" "${i[@]}" lookup alice
expect 0 'office +registered' "${i[@]}" lookup Alice
expect 7 'unregistered' "${i[@]}" lookup eve
expect 2 'this is no name' "${i[@]}" lookup 'EVE!'
expect 0 'registered +[0-9a-f]{64}' "${i[@]}" history alice
expect 7 'unregistered' "${i[@]}" history eve
expect 0 'barn +farm +iotpki +https://' "${i[@]}" bnode list
expect 0 'office +ok, pin ok, tip' "${i[@]}" bnode test
expect 0 '3 of 3 are good, 2 must be' "${i[@]}" bnode test

# Key update (paper III-E): the new certificate is followed, the old one is worth nothing (V-1).
certificate alice alice2
expect 7 'hash-mismatch \(IPK-204\): alice \(Alice\): verification failure' "${i[@]}" verify --cert alice2.pem
"$iotpki" dm renew alice --cert alice2.pem > /dev/null
expect 0 "^ADMIT: alice \(Alice\), by a certificate or key newer than the list's" "${i[@]}" verify --cert alice2.pem
expect 7 'hash-mismatch' "${i[@]}" verify --cert alice.pem
expect 7 'hash-mismatch' "${i[@]}" verify --key alice.pub
expect 0 'updated +[0-9a-f]{64}' "${i[@]}" history alice
echo 'policy: {key_change: pin}' | cat iotpki.yaml - > pin.yaml
chmod 0640 pin.yaml
expect 7 'hash-mismatch' "$iotpki" --config pin.yaml verify --cert alice2.pem
"$iotpki" dm renew alice --cert alice.pem > /dev/null
expect 0 '^ADMIT' "${i[@]}" verify --key alice.pub
# Another registration than the pinned one, an entry that ended, a denied one: in lists of their own.
mkdir other ended denied
cp iotpki.yaml other/
cp iotpki.yaml ended/
cp iotpki.yaml denied/
sed "s/\(registrations: {farm: \)[0-9a-f]*/\1$(hash_of eve)/" members.yaml > other/members.yaml
sed 's/2036-01-01/2026-01-01/' members.yaml > ended/members.yaml
sed 's/^    role: operator/&\n    denied: yes/' members.yaml > denied/members.yaml
chmod 0640 other/members.yaml ended/members.yaml denied/members.yaml
expect 7 're-registered \(IPK-205\)' "$iotpki" --config other/iotpki.yaml verify alice
expect 1 'member-expired \(IPK-102\)' "$iotpki" --config ended/iotpki.yaml verify alice
expect 1 'member-denied \(IPK-103\)' "$iotpki" --config denied/iotpki.yaml verify alice

# Revoked: from the first B-node on.
expect 0 . "$iotpki" dm revoke bob --yes
expect 7 'DENY revoked \(IPK-203\): bob \(Bob\): verification failure' "${i[@]}" verify bob
expect 7 'objects, revoked' "${i[@]}" verify bob --explain
expect 7 '"reason": ?"revoked"' "${i[@]}" --json verify bob
expect 0 'revoked +[0-9a-f]{64}' "${i[@]}" history bob
expect 0 'value: +sha256=.*\|status=revoked' "${i[@]}" lookup bob

# B-nodes lost: one may be, two may not.
stop home
expect 0 '^ADMIT' "${i[@]}" verify alice
expect 0 'home +unreachable' "${i[@]}" bnode test
expect 0 'check that it runs' "${i[@]}" lookup alice
stop barn
expect 5 'UNAVAILABLE too-few-answers \(IPK-301\)' "${i[@]}" verify alice
expect 5 'what to do: iotpki bnode test' "${i[@]}" verify alice
expect 5 '1 of 3 B-nodes are good, 2 must be' "${i[@]}" bnode test
# Another server where barn was: its pin is wrong, which is never "unreachable".
"$bnode" init --dir imposter --open > /dev/null
start imposter "$(cat barn.url)"
expect 5 'barn +malformed' "${i[@]}" bnode test
expect 5 'compare pin:' "${i[@]}" bnode test

# An agent, where this may start one that the command believes (root's).
if [ "$(id -u)" = 0 ]; then
	mkdir state
	mkfifo agent.ready
	"$BUILD/agent/iotpki-agent" --config "$work/iotpki.yaml" --state-dir "$work/state" --socket "$work/agent.sock" \
		--user root --helper-user root --log "file:$work/agent.log" --ready-fd 3 3> agent.ready 2> agent.err &
	pids+=($!)
	read -r ready < agent.ready || { cat agent.err agent.log; exit 1; }
	expect 0 '^members +2$' "${i[@]}" --socket "$work/agent.sock" status
	expect 0 '"list-valid": ?"yes"' "${i[@]}" --socket "$work/agent.sock" --json status
	expect 0 'asks the B-nodes about' "${i[@]}" --socket "$work/agent.sock" refresh --no-wait
	expect 5 'asked about 2 members: 0 in order, 1 refused, 1 without enough answers' "${i[@]}" --socket "$work/agent.sock" refresh
fi
# No agent.
expect 5 'is iotpki-agent running' "${i[@]}" --socket "$work/none.sock" status
expect 5 'is iotpki-agent running' "${i[@]}" --socket "$work/none.sock" refresh

printf 'verify: %d commands, %d failed\n' "$count" "$failed"
[ "$failed" = 0 ]
