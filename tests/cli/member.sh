#!/usr/bin/env bash
# iotpki member and config against a real B-node: what is refused, what is written, what is kept.
# usage: member.sh IOTPKI IOTPKI-BNODE [IOTPKI-AGENT]
set -u
iotpki=$(realpath "$1")
bnode=$(realpath "$2")
agent=${3:+$(realpath "$3")}
folder=$(mktemp -d)
server=
agent_pid=
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ -z "$agent_pid" ] || kill "$agent_pid" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder" || exit 1
bad=0
fail() { echo "FAILED: $*"; bad=1; }
# expect STATUS COMMAND...: its output is in "out".
expect() {
	local want=$1 got
	shift
	"$@" >out 2>&1 </dev/null
	got=$?
	[ $got = "$want" ] || { fail "$* ended with $got, not $want:"; cat out; }
}
dev() { "$iotpki" --config dev/iotpki.yaml --socket "$folder/none" "$@"; }

# ---- an owner, a B-node, two registered names and one that is not
"$iotpki" dm init --dir dm >out || exit 1
owner=$(sed -n 's/^owner: //p' out)
"$bnode" init --dir ledger --owner "$owner" >/dev/null || exit 1
mkfifo ready
"$bnode" serve --dir ledger --listen https://127.0.0.1:0/ --ready-fd 3 3>ready 2>bnode.log &
server=$!
read -r line <ready || exit 1
url=${line#url=} url=${url%% *} pin=${line##*pin=}
"$iotpki" dm init --dir dm --bnode "$url" --pin "$pin" >/dev/null || exit 1
for name in alice gate stranger; do
	"$iotpki" identity new --name $name --dir id-$name >/dev/null || exit 1
done
ssh_key=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
expect 0 "$iotpki" dm register --dir dm --cert id-alice/cert.pem --ssh $ssh_key
expect 0 "$iotpki" dm register --dir dm --cert id-gate/cert.pem

mkdir dev
cat >dev/iotpki.yaml <<-END
	version: 1
	bnodes:
	  - {name: b, network: farm, url: "$url", pin: "$pin"}
END

# ---- without a list
expect 3 dev member list
expect 3 dev config check
cat >dev/members.yaml <<-END
	# our members
	version: 1
	roles:
	  op: {users: [pi], services: [sshd], ssh_options: [restrict, pty]} # the crew
END
cp dev/members.yaml before
expect 0 dev config check
grep -q "there is one node" out || fail "config check does not warn of one node"

# ---- what is refused leaves the list as it is
expect 7 dev member add --cert id-stranger/cert.pem --role op --expires 30d
grep -q IPK-201 out || fail "a stranger's refusal does not say why"
expect 3 dev member add --cert id-alice/cert.pem --role root --expires 30d
expect 2 dev member add --cert id-alice/cert.pem --role op
expect 2 dev member add --cert id-alice/cert.pem --role op --expires 2020-01-01T00:00:00Z
expect 3 dev member add --cert dev/members.yaml --role op --expires 30d
expect 3 dev member add --cert id-alice/cert.pem --role op --expires 30d --host 'Big Host'
expect 0 dev member add --cert id-alice/cert.pem --role op --expires 30d --dry-run
cmp -s before dev/members.yaml || fail "a refused command changed the list"

# ---- add, show, check
chmod 640 dev/members.yaml
expect 0 dev member add --cert id-alice/cert.pem --role op --expires 30d --label 'Alice: "A" #1' --host a.lan
[ "$(stat -c %a dev/members.yaml)" = 640 ] || fail "the mode of the list changed"
expect 0 dev member add --cert id-gate/cert.pem --role op --expires 2099-01-01T00:00:00Z
expect 3 dev member add --cert id-gate/cert.pem --role op --expires 30d
expect 0 dev member show 'Alice: "A" #1'
grep -q "$ssh_key" out || fail "the ssh key of the record is not in the entry"
grep -q "farm: [0-9a-f]\{64\}" out || fail "the registration is not pinned"
expect 6 dev member show nobody
expect 0 dev member check
expect 0 dev --json member list
grep -q '"ok": true.*"name": "alice".*"name": "gate"' out || fail "member list --json"

# ---- deny, allow: the very same bytes again; two at once lose nothing
cp dev/members.yaml before
expect 0 dev member deny gate
expect 1 dev member check gate
expect 0 dev member allow gate
cmp -s before dev/members.yaml || fail "deny and allow changed more than they should"
for name in alice gate; do dev member deny $name >/dev/null & jobs="${jobs-} $!"; done
for job in $jobs; do wait "$job" || fail "one of two commands at once failed"; done
[ "$(grep -c 'denied: yes' dev/members.yaml)" = 2 ] || fail "one of two edits at once was lost"
expect 0 dev member allow alice
expect 0 dev member allow gate
cmp -s before dev/members.yaml || fail "the list is not what it was"

# ---- renew: a later end, and another certificate
expect 0 dev member renew gate --expires 2098-01-01T00:00:00Z
dev member show gate | grep -q 2098-01-01T00:00:00Z || fail "renew did not take the end"
"$iotpki" identity new --name gate --dir id-gate2 >/dev/null || exit 1
expect 7 dev member renew gate --cert id-gate2/cert.pem
expect 3 dev member renew gate --cert id-alice/cert.pem
expect 0 "$iotpki" dm renew gate --dir dm --cert id-gate2/cert.pem
expect 0 dev member renew gate --cert id-gate2/cert.pem
expect 0 dev member check
grep -q '# the crew' dev/members.yaml || fail "a comment was lost"

# ---- revoked, removed, unreachable
expect 0 "$iotpki" dm revoke gate --dir dm --yes
expect 7 dev member check gate
grep -q revoked out || fail "member check does not say revoked"
expect 7 dev member renew gate --expires 30d

# ---- an agent that cannot keep the list refuses nevertheless whom it denies (only root's agent is believed)
if [ "$(id -u)" = 0 ] && [ -n "$agent" ]; then
	mkdir run && chmod 0755 run
	mkfifo agent-ready
	"$agent" --config dev/iotpki.yaml --state-dir state --socket "$folder/run/agent.sock" --user root \
		--log "file:$folder/agent.log" --ready-fd 3 3>agent-ready &
	agent_pid=$!
	read -r line <agent-ready || fail "the agent did not start"
	with_agent() { "$iotpki" --config dev/iotpki.yaml --socket "$folder/run/agent.sock" "$@"; }
	mv state away
	cp dev/members.yaml kept.yaml
	expect 0 with_agent member deny gate
	grep -q 'did not take the list' out || fail "that the list was not taken is not said"
	grep -q 'event=denied-by-verb name=gate' agent.log || fail "the agent was not told whom to refuse"
	cp kept.yaml dev/members.yaml
	# The same with a list that is broken elsewhere: nothing is written, and yet who is denied is out.
	mv away state
	expect 0 with_agent member deny alice
	expect 0 with_agent member allow alice
	: >agent.log
	echo 'members: {}' >>dev/members.yaml
	expect 3 with_agent member deny alice
	grep -q 'event=denied-by-verb name=alice' agent.log || fail "a broken list keeps in who is denied"
	cp kept.yaml dev/members.yaml
	kill $agent_pid
	wait $agent_pid
fi

expect 2 dev member remove gate
expect 0 dev member remove gate --yes
expect 6 dev member show gate
expect 0 dev member remove alice --yes
expect 0 dev member list
expect 0 dev config check

# ---- config show gives a configuration with the same meaning
dev config show >shown.yaml 2>/dev/null || fail "config show"
"$iotpki" --config shown.yaml config show 2>/dev/null | cmp -s - shown.yaml || fail "config show twice"

# ---- a broken list is not edited
echo 'members: {}' >>dev/members.yaml
cp dev/members.yaml before
expect 3 dev member add --cert id-alice/cert.pem --role op --expires 30d
grep -q 'members.yaml:[0-9]*:[0-9]*:' out || fail "the place of the error is not said"
cmp -s before dev/members.yaml || fail "a broken list was written"

kill "$server"
wait "$server"
server=
expect 5 dev member add --cert id-alice/cert.pem --role op --expires 30d
[ $bad = 0 ] && echo "member and config are as they should be"
exit $bad
