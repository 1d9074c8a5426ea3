#!/usr/bin/env bash
# The test proper; see chains.sh. Every refusal stands between two admitted logins of another member through the
# same sshd and the same agent, and its reason in the agent's log is exactly the expected one.
. "$(dirname "$0")/lib.sh"

TYPE=$1
CHAIN=$FARM/chain     # the node's folder, with its cookie
ADMIN=$FARM/admin     # the administrator's configuration: another account cannot read the agent's credentials
NODE_URL=

# ---- the node ----

chain_start() {
	mkdir "$CHAIN" "$ADMIN"
	chown _iotpki: "$CHAIN"
	chmod 0700 "$CHAIN" "$ADMIN"
	mkfifo -m 0600 "$FARM/ready.chain"
	chown _iotpki: "$FARM/ready.chain"
	install -m 0755 "$BUILD/tests/fake/fake-chain" "$FARM/fake-chain"
	setpriv --reuid _iotpki --regid _iotpki --clear-groups \
		"$FARM/fake-chain" --type "$TYPE" --ready-fd 9 --cookie "$CHAIN/.cookie" 9>"$FARM/ready.chain" &
	read -r -t 10 NODE_URL < "$FARM/ready.chain" || fail "the fake chain node did not start"
	NODE_URL=${NODE_URL#url=}
	install -m 0600 "$CHAIN/.cookie" "$ADMIN/secret"
}

# rpc METHOD PARAMS: the whole answer into $FARM/answer. The password goes by a file: this test looks for it in command lines.
rpc() {
	printf 'user = "%s"\n' "$(< "$CHAIN/.cookie")" > "$FARM/curlrc"
	curl -s -K "$FARM/curlrc" -d "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"$1\",\"params\":${2:-[]}}" "$NODE_URL" > "$FARM/answer"
	grep -q '"error":null' "$FARM/answer" || fail "$1 ${2:-}: $(cat "$FARM/answer")"
}
mine() { rpc fake_mine "[$1]"; }

# ---- the owner: the device manager writes, with the wallet of the node; nothing counts before its block ----

# owner VERB...: does what can be done now; 5 says that blocks must come.
owner() {
	local status=0
	as_owner dm "$@" --no-wait > "$FARM/owner.log" 2>&1 || status=$?
	[ "$status" = 0 ] || [ "$status" = 5 ] || { cat "$FARM/owner.log" >&2; fail "dm $1 ends with $status"; }
}
register() { owner register --cert "$FARM/people/$1/cert.pem" --expires "${2:-90d}" --yes; }
revoke() { owner revoke "$1" --yes; }
# Both steps of Namecoin are one here: the second is sent when the first is twelve blocks deep.
registered_now() { # WHO...
	local who
	if [ "$TYPE" = namecoin ]; then
		mine 12
		for who in "$@"; do owner sync "$who"; done
	fi
	mine 1
	for who in "$@"; do
		as_owner dm sync "$who" --no-wait > "$FARM/owner.log" 2>&1 || { cat "$FARM/owner.log" >&2; fail "$who is not registered"; }
	done
}

# ---- what the owner's tool refuses to do, done with the wallet itself ----

if [ "$TYPE" = emercoin ]; then
	LIFE=176 # more blocks than a day has
	nvs_name() { echo "iot:$1"; }
	update() { rpc name_update "[\"$(nvs_name "$1")\",\"$2\",0]"; }
else
	LIFE=30
	nvs_name() { echo "iot/$1"; }
	update() { rpc name_update "[\"$(nvs_name "$1")\",\"$2\"]"; }
fi

# What the record holds, without a revocation.
value() {
	rpc name_show "[\"$(nvs_name "$1")\"]"
	sed -E 's/.*"value":"([^"]*)".*/\1/; s/\|status=revoked//' "$FARM/answer"
}

# Names whose life is counted by blocks alone (Namecoin) need an update so that others can expire before them.
keep_alive() {
	[ "$TYPE" = namecoin ] || return 0
	update alice "$(value alice)"
	update bob "$(value bob)|status=revoked"
}

# ---- the device ----

config() { # CREDENTIALS-FILE
	cat <<-END
	version: 1
	bnodes:
	  - {name: chain, type: $TYPE, url: "$NODE_URL", credentials: $1}
	query: {node_timeout_ms: 2000, deadline_ms: 3000}
	policy: {unreachable: hard-fail, positive_ttl: 0s}
	END
}

device_configure() {
	local who
	farm_config
	config "$CHAIN/.cookie" > /etc/iotpki/iotpki.yaml
	config "$ADMIN/secret" > "$ADMIN/iotpki.yaml"
	cp /etc/iotpki/members.yaml "$ADMIN/members.yaml"
	for who in "$@"; do
		iotpki --config "$ADMIN/iotpki.yaml" member add --cert "$FARM/people/$who/cert.pem" --label "$who" --role operator \
			--expires 30d > "$FARM/member.log" 2>&1 || { cat "$FARM/member.log" >&2; fail "member add $who"; }
	done
	cat "$ADMIN/members.yaml" > /etc/iotpki/members.yaml
	iotpki config check > /dev/null 2>&1 || fail "config check"
}

fresh_agent() {
	agent_stop
	rm -rf /var/lib/iotpki/state
	install -d -m 0700 -o _iotpki -g _iotpki /var/lib/iotpki/state
	agent_start
}

between() {
	local what=$1
	shift
	admitted alice
	"$@"
	admitted alice
	no_canary
	ok "$what"
}

# A switch that spoils the node's answers, between two admitted logins.
spoils() { # WHAT REASON SWITCH ON OFF [WHO REASON]
	admitted alice
	rpc fake_set "[{\"$3\":$4}]"
	refused "$2" alice
	[ $# = 5 ] || refused "$7" "$6"
	rpc fake_set "[{\"$3\":$5}]"
	admitted alice
	no_canary
	ok "$1"
}

# The credentials of now and of before the restart are in no log, no command line and no environment.
CANARIES=()
no_canary() {
	local place
	CANARIES+=("$(cut -d: -f2 "$CHAIN/.cookie")" "$(base64 -w0 "$CHAIN/.cookie")")
	printf '%s\n' "${CANARIES[@]}" > "$FARM/canaries"
	for place in "$LOG" "$SSHD_LOG" /var/log/iotpki-agent.err "$FARM/member.log" "$FARM/owner.log" /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
		! grep -qaFf "$FARM/canaries" "$place" 2>/dev/null || fail "the node's password is in $place"
	done
}

# The search must find what it looks for, or it shows nothing.
canary_is_found() {
	CANARIES+=("$(base64 -w0 "$CHAIN/.cookie")")
	bash -c 'exec -a "$(cut -d: -f2 "$1")" sleep 60' - "$CHAIN/.cookie" &
	local pid=$!
	wait_for 50 eval '! (no_canary 2>/dev/null)' || fail "a password in a command line is not found"
	kill "$pid"
	wait "$pid" 2>/dev/null || true
}

# ---- the run ----

farm_install
chain_start
as_owner dm init --bnode "$NODE_URL" --type "$TYPE" --credentials "$ADMIN/secret" > "$FARM/owner.log" 2>&1 || { cat "$FARM/owner.log" >&2; fail "dm init"; }
for who in alice bob carol dave erin frank; do person "$who"; done
for who in alice bob carol dave frank; do register "$who"; done
register erin 12h
registered_now alice bob carol dave erin frank
ok "six names are registered on the fake $TYPE"

device_configure alice bob carol dave erin frank
agent_start
pam_ours
sshd_start
for who in alice bob carol dave erin frank; do admitted "$who"; done
no_canary
canary_is_found
ok "all six log in"

revoke bob
between "bob's revocation waits for its block: still admitted" admitted bob
mine 1
between "bob is revoked: refused, revoked" refused revoked bob

revoke carol
mine 1
update carol "$(value carol)"
mine 1
fresh_agent
between "carol's revocation was followed by an update without it, and the agent knows nothing of before: refused, revoked" \
	refused revoked carol

if [ "$TYPE" = emercoin ]; then
	registered_again() { # WHO VALUE, with the wallet itself: the owner's tool knows that the name is its own
		rpc name_new "[\"$(nvs_name "$1")\",\"$2\",100]"
		mine 1
	}
	was=$(value dave)
	rpc name_delete "[\"$(nvs_name dave)\"]"
	mine 1
	between "dave's name is deleted: refused, revoked" refused revoked dave
	registered_again dave "$was"
	between "registered again with the same value: who saw the deletion remembers it: refused, revoked" refused revoked dave
	# Nothing but the registration on the list tells it now.
	fresh_agent
	between "the same to an agent that knows nothing of before: refused, re-registered" refused re-registered dave

	was=$(value frank)
	rpc name_delete "[\"$(nvs_name frank)\"]"
	mine 1
	registered_again frank "$was"
	between "deleted, and registered again with the same value before anybody looked: refused, re-registered" \
		refused re-registered frank
fi

if [ "$TYPE" = namecoin ]; then mine $((LIFE - 8)); keep_alive; mine 9; else mine "$LIFE"; fi
between "erin's name has expired: refused, expired" refused expired erin
register erin
if [ "$TYPE" = namecoin ]; then mine 8; keep_alive; fi
registered_now erin
between "expired, and registered again with the original key: refused, re-registered" refused re-registered erin

spoils "in initial download: unavailable, not-ready" not-ready ibd true false
spoils "warming up: unavailable, not-ready" not-ready warmup true false
spoils "the newest block is five hours old: unavailable, stale; but revoked stays revoked" stale tip_age_s 18000 -1 bob revoked
spoils "something else answers on the port: unavailable, too-few-answers" too-few-answers reply_html true false
spoils "the port swallows all: unavailable, too-few-answers" too-few-answers blackhole true null

# What the node must have switched on is needed when a name's transaction is new to the agent.
if [ "$TYPE" = emercoin ]; then lacks=no_wallet hint=wallet; else lacks=no_namehistory hint=namehistory; fi
rpc fake_set "[{\"$lacks\":true}]"
fresh_agent
refused not-ready alice
! iotpki --config "$ADMIN/iotpki.yaml" bnode test > "$FARM/bnode.test" 2>&1 || fail "bnode test is content without $hint"
grep -q "$hint" "$FARM/bnode.test" || { cat "$FARM/bnode.test" >&2; fail "bnode test does not say what to switch on"; }
rpc fake_set "[{\"$lacks\":false}]"
between "a node with $lacks: unavailable, not-ready, and bnode test says what to switch on; with it: admitted" true

old=$(< "$CHAIN/.cookie")
no_canary
rpc fake_restart
[ "$old" != "$(< "$CHAIN/.cookie")" ] || fail "the node made no new cookie"
between "the node restarted with a new cookie: admitted" true
spoils "the node refuses the password: unavailable, too-few-answers" too-few-answers unauthorized true false

# A height is believed when answers of two different seconds have it.
admitted alice
since=$(date +%s)
while [ "$(date +%s)" -le $((since + 1)) ]; do sleep 0.1; done
admitted alice
rpc fake_rollback '[20]'
refused stale alice
grep -q 'event=rolled-back node=chain' "$LOG" || fail "the log does not name the node that rolled back"
mine 20
between "the node lost twenty blocks: unavailable, stale, and named; when it has them again: admitted" true

agent_stop
rpc fake_get
grep -q '"violations":\[\]' "$FARM/answer" || fail "the node was asked what it must never be asked: $(cat "$FARM/answer")"
grep -q '"name_show":[1-9]' "$FARM/answer" || fail "the node was never asked"
ok "no name_show had a third parameter, and the password is in no log, command line or environment"
echo "figure: $STEP_COUNT steps hold on the fake $TYPE"
