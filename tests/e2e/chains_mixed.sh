#!/usr/bin/env bash
# One list of B-nodes of three kinds, iotpki-bnode, Emercoin and Namecoin: the owner's tool is not done before all
# have a name, two of three admit, and a revocation counts from the first that has it. In a private root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
[ "${1:-}" = inside ] || exec tests/harness/private-root "$PWD/tests/e2e/chains_mixed.sh" inside
. tests/e2e/lib.sh

ADMIN=$FARM/admin
declare -A CHAIN_URL=()

chain_start() { # TYPE
	install -d -m 0700 -o _iotpki -g _iotpki "$FARM/$1"
	mkfifo -m 0600 "$FARM/ready.$1"
	chown _iotpki: "$FARM/ready.$1"
	setpriv --reuid _iotpki --regid _iotpki --clear-groups \
		"$FARM/fake-chain" --type "$1" --ready-fd 9 --cookie "$FARM/$1/.cookie" 9>"$FARM/ready.$1" &
	read -r -t 10 "CHAIN_URL[$1]" < "$FARM/ready.$1" || fail "the fake $1 did not start"
	CHAIN_URL[$1]=${CHAIN_URL[$1]#url=}
	install -m 0600 "$FARM/$1/.cookie" "$ADMIN/$1.secret"
}
# control TYPE METHOD PARAMS: what is not asked for a password
control() {
	curl -s -d "{\"id\":1,\"method\":\"$2\",\"params\":$3}" "${CHAIN_URL[$1]}" > "$FARM/answer"
	grep -q '"error":null' "$FARM/answer" || fail "$1 $2 $3: $(cat "$FARM/answer")"
}

# owner done|pending VERB...: what the owner's tool says it is.
owner() {
	local want=$1 is=done
	shift
	as_owner dm "$@" > "$FARM/owner.log" 2>&1 || { cat "$FARM/owner.log" >&2; fail "dm $*"; }
	! grep -q 'is not everywhere yet' "$FARM/owner.log" || is=pending
	[ "$is" = "$want" ] || { cat "$FARM/owner.log" >&2; fail "dm $* is $is, not $want"; }
}

# A node that did not answer is not waited for during a pause; then one question finds that it is back.
is_heard() { # NODE
	log_mark
	login alice
	log_since | grep -q "$1=registered"
}
heard() { wait_for 400 is_heard "$1" || fail "$1 is back and nobody noticed"; }

nodes() { # FOLDER-OF-CREDENTIALS SUFFIX
	cat <<-END
	version: 1
	bnodes:
	  - {name: home, network: farm, url: "${URLS[0]}", pin: "${PINS[0]}"}
	  - {name: emercoin, type: emercoin, url: "${CHAIN_URL[emercoin]}", credentials: $1/emercoin$2}
	  - {name: namecoin, type: namecoin, url: "${CHAIN_URL[namecoin]}", credentials: $1/namecoin$2}
	query: {answers: majority, node_timeout_ms: 1000, deadline_ms: 2000}
	policy: {unreachable: hard-fail, positive_ttl: 0s}
	END
}

farm_install
mkdir -m 0700 "$ADMIN"
install -m 0755 "$BUILD/tests/fake/fake-chain" "$FARM/fake-chain"
farm_nodes 1
for type in emercoin namecoin; do chain_start "$type"; done
owner done init --network farm --bnode "${URLS[0]}" --pin "${PINS[0]}" \
	--bnode "${CHAIN_URL[emercoin]}" --type emercoin --credentials "$ADMIN/emercoin.secret" \
	--bnode "${CHAIN_URL[namecoin]}" --type namecoin --credentials "$ADMIN/namecoin.secret"
ok "the owner's list has a B-node, an Emercoin Core and a Namecoin Core"

for who in alice bob; do
	person "$who"
	owner pending register --cert "$FARM/people/$who/cert.pem" --expires 90d --yes --no-wait
done
control emercoin fake_mine '[1]'
owner pending sync alice --no-wait
control namecoin fake_mine '[11]'
owner pending sync alice --no-wait
as_owner dm list > "$FARM/owner.log" 2>&1 || fail "dm list"
grep -q 'pre-ordered' "$FARM/owner.log" || { cat "$FARM/owner.log" >&2; fail "dm list does not say that a name is pre-ordered"; }
control namecoin fake_mine '[1]'
for who in alice bob; do owner pending sync "$who" --no-wait; done
control namecoin fake_mine '[1]'
for who in alice bob; do owner done sync "$who" --no-wait; done
ok "dm is done when the last of the three has the names, thirteen blocks of Namecoin later"

farm_config
nodes "$ADMIN" .secret > "$ADMIN/iotpki.yaml"
nodes "$FARM" /.cookie > /etc/iotpki/iotpki.yaml
cp /etc/iotpki/members.yaml "$ADMIN/members.yaml"
for who in alice bob; do
	iotpki --config "$ADMIN/iotpki.yaml" member add --cert "$FARM/people/$who/cert.pem" --label "$who" --role operator \
		--expires 30d > "$FARM/member.log" 2>&1 || { cat "$FARM/member.log" >&2; fail "member add $who"; }
done
for network in farm emercoin namecoin; do
	[ "$(grep -cE "$network: \"?[0-9a-f]{64}" "$ADMIN/members.yaml")" = 2 ] || fail "no registration of the network $network is pinned"
done
cat "$ADMIN/members.yaml" > /etc/iotpki/members.yaml
agent_start
pam_ours
sshd_start
for who in alice bob; do admitted "$who"; done
ok "both are admitted; each entry has three registrations pinned"

for type in emercoin namecoin; do
	control "$type" fake_set '[{"blackhole":true}]'
	admitted alice
	control "$type" fake_set '[{"blackhole":null}]'
	heard "$type"
done
control emercoin fake_set '[{"blackhole":true}]'
control namecoin fake_set '[{"ibd":true}]'
refused not-ready alice
control emercoin fake_set '[{"blackhole":null}]'
control namecoin fake_set '[{"ibd":false}]'
heard emercoin
node_stop 0
admitted alice
node_start 0
heard home
ok "any one of the three away: admitted; a dead and an unready chain: unavailable, not-ready"

admitted alice
owner pending revoke bob --yes --no-wait
# Two that have not heard of it yet would admit if they answered first.
for type in emercoin namecoin; do control "$type" fake_set '[{"slow_ms":300}]'; done
refused revoked bob
for type in emercoin namecoin; do control "$type" fake_set '[{"slow_ms":0}]'; done
admitted alice
ok "revoked on the B-node, and waiting for its block on the chains: refused, revoked"
node_stop 0
for type in emercoin namecoin; do control "$type" fake_mine '[1]'; done
agent_stop
rm -rf /var/lib/iotpki/state # and what it remembers of the revocation
install -d -m 0700 -o _iotpki -g _iotpki /var/lib/iotpki/state
agent_start
refused revoked bob
admitted alice
node_start 0
owner done sync bob --no-wait
ok "the B-node away, the blocks there: refused, revoked"

for type in emercoin namecoin; do
	control "$type" fake_get '[]'
	grep -q '"violations":\[\]' "$FARM/answer" || fail "$type was asked what it must never be asked"
done
echo "figure: $STEP_COUNT steps hold on a B-node, an Emercoin and a Namecoin in one list"
