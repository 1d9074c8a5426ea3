#!/usr/bin/env bash
# The demo proper; see demo.sh. Every line that says ok was checked.
. "$(dirname "$0")/lib.sh"

# between REFUSED-OR-OTHER-CHECK...: the check stands between two admitted logins of another member through
# the same sshd and the same agent, so that a refusal is never just a broken set-up.
between() {
	local what=$1
	shift
	admitted alice
	"$@"
	admitted alice
	ok "$what"
}

say "Setting up in a private root: nothing of this stays on the machine."
farm_install
farm_nodes 3
ok "three B-nodes serve HTTPS on ${URLS[*]}"

for who in alice bob carol dave erin frank grace; do person "$who"; done
person device
for who in device alice bob carol dave erin grace; do registered "$who"; done
ok "owner, device and operators made their own keys; their names are preordered and registered"

farm_config
for who in alice bob dave grace; do member "$who"; done
member erin 12s
erin_ends=$(($(date +%s) + 12))
registered frank 14s
frank_ends=$(($(date +%s) + 14))
member frank
iotpki config check > /dev/null || fail "config check"
ok "members added, each asked of the B-nodes first"

agent_start
pam_ours
sshd_start
admitted alice
ok "alice logs in: on the list, registered, her certificate's hash is the record's"

between "registered but not on the list: refused, not-member" refused not-member carol
person mallory
between "a member's name with another key: refused, not-member" refused not-member bob pi "$FARM/people/mallory/id"
iotpki identity new --name dave --dir "$FARM/people/dave2" > /dev/null || fail "another identity of dave"
as_owner dm renew dave --cert "$FARM/people/dave2/cert.pem" > /dev/null || fail "dm renew dave --cert"
sleep 1.1
between "the record holds another certificate's hash: refused, hash-mismatch" refused hash-mismatch dave
between "a member, but not for this account: refused, not-permitted" refused not-permitted bob ops

while [ "$(date +%s)" -le "$erin_ends" ]; do sleep 0.2; done
between "the member entry has expired: refused, member-expired" refused member-expired erin
while [ "$(date +%s)" -le "$frank_ends" ]; do sleep 0.2; done
between "the name has expired in the NVS: refused, expired" refused expired frank

admitted alice
node_stop 2
sleep 1.1
between "one of three B-nodes stopped: still admitted" admitted bob
node_stop 1
sleep 1.1
refused too-few-answers alice
ok "two of three stopped: unavailable, too-few-answers"
node_start 1
node_start 2
sleep 1.1
admitted alice
ok "started again: admitted"

admitted grace
as_owner dm revoke grace --yes > /dev/null || fail "dm revoke grace"
sleep 1.1
between "grace is revoked: refused, revoked" refused revoked grace

registered frank 365d
between "frank registered again after expiry, same value, same key: refused, re-registered" refused re-registered frank

say "All $STEP_COUNT steps hold."
