#!/usr/bin/env bash
# verify, lookup, history and bnode against a fake Emercoin and a fake Namecoin, and under another prefix.
# Needs no root and touches nothing outside its own folder. BUILD: the build folder.
set -euo pipefail
iotpki=$BUILD/cli/iotpki
work=$(mktemp -d "${TMPDIR:-/tmp}/iotpki-chains-XXXXXX")
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
	if grep -qF hunter2 out; then
		echo "FAILED: $*: prints the password"
		failed=$((failed + 1))
	fi
}

# start TYPE: the url into TYPE.url, the cookie into TYPE.cookie
start() {
	local ready=
	mkfifo "$1.ready"
	"$BUILD/tests/fake/fake-chain" --type "$1" --credentials "$work/$1.secret" --ready-fd 3 3> "$1.ready" 2> "$1.log" &
	pids+=($!)
	read -r ready < "$1.ready" || { cat "$1.log"; exit 1; }
	sed -n 's/.*url=\([^ ]*\).*/\1/p' <<< "$ready" > "$1.url"
}
# call TYPE METHOD PARAMS: what the owner's wallet and the test do there; the result
call() {
	curl -sS --max-time 10 --user "$(cat "$1.secret")" -H 'Content-Type: application/json' \
		--data "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":${3:-[]}}" "$(cat "$1.url")" > answer
	if grep -q '"error":{' answer; then
		echo "$1 $2: $(cat answer)" >&2
		exit 1
	fi
	python3 -c 'import json; r = json.load(open("answer"))["result"]; print(*(r if isinstance(r, list) else [r]))'
}
put() { # TYPE NVS-NAME VALUE: register; its transaction
	local preorder
	case $1 in
	emercoin) call emercoin name_new "[\"$2\",\"$3\",30]" ;;
	namecoin)
		preorder=$(call namecoin name_new "[\"$2\"]")
		call namecoin fake_mine '[12]' > /dev/null
		call namecoin name_firstupdate "[\"$2\",\"${preorder#* }\",\"${preorder% *}\",\"$3\"]"
		;;
	esac
	call "$1" fake_mine > /dev/null
}
update() { # TYPE NVS-NAME VALUE
	local days=
	[ "$1" = namecoin ] || days=,30
	call "$1" name_update "[\"$2\",\"$3\"$days]" > /dev/null
	call "$1" fake_mine > /dev/null
}
set_() { call "$1" fake_set "{$2}" > /dev/null; }

serial=0a1b2c3d4e5f6071 # the prototype names its records by the certificate's serial number
certificate() { # FILE NAME MORE...
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" \
		-subj "/CN=$2" -days 36500 -addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature "${@:3}" 2>/dev/null
	ssh-keygen -i -m PKCS8 -f <(openssl pkey -in "$1.key" -pubout) > "$1.pub"
}
hash_of() { openssl x509 -in "$1.pem" -outform DER | sha256sum | cut -d' ' -f1; }
certificate alice alice
certificate proto $serial -set_serial 0x$serial
hash=$(hash_of alice)

for type in emercoin namecoin; do
	(umask 077 && echo "user:hunter2$type" > $type.secret)
	start $type
done
registration_emercoin=$(put emercoin iot:alice "sha256=$hash")
registration_namecoin=$(put namecoin iot/alice "sha256=$hash")
registration_ssl=$(put emercoin "ssl:$serial" "sha256=$(hash_of proto)")

# config FOLDER NAME REGISTRATIONS NODES...: a folder's two files, and a member with a certificate for that name
config() {
	local file=$2
	[ "$2" != $serial ] || file=proto
	[ -e "$file.pem" ] || certificate "$file" "$2"
	mkdir -p "$1"
	{ echo 'version: 1'; echo 'bnodes:'; printf '  - {%s}\n' "${@:4}"; echo 'query: {answers: all}'; } > "$1/iotpki.yaml"
	{
		echo 'version: 1'
		echo 'roles: {operator: {users: [pi], services: [sshd], ssh_options: [restrict, pty]}}'
		echo 'members:'
		printf '  - name: %s\n    label: Alice\n    role: operator\n    expires: 2036-01-01T00:00:00Z\n' "$2"
		printf '    sha256: %s\n    key: %s\n' "$(hash_of "$file")" "$(cut -d' ' -f1,2 "$file.pub")"
		printf '    registrations: {%s}\n    certificate: |\n' "$3"
		sed 's/^/      /' "$file.pem"
	} > "$1/members.yaml"
	chmod 0640 "$1"/*.yaml
}
node() { # TYPE [MORE]
	echo "name: ${1:0:3}, type: $1, url: \"$(cat "$1.url")\", credentials: $work/$1.secret${2:-}"
}
config both alice "emercoin: $registration_emercoin, namecoin: $registration_namecoin" "$(node emercoin)" "$(node namecoin)"
config one alice "emercoin: $registration_emercoin" "$(node emercoin)"
config two alice "namecoin: $registration_namecoin" "$(node namecoin)"
i=("$iotpki" --config both/iotpki.yaml)
emc=("$iotpki" --config one/iotpki.yaml)
nmc=("$iotpki" --config two/iotpki.yaml)

expect 0 '^ADMIT: alice' "${i[@]}" verify alice
expect 0 '^ADMIT: alice' "${i[@]}" verify --key alice.pub --user pi --service sshd
expect 0 '^ADMIT: alice' "${i[@]}" verify --cert alice.pem
expect 0 'eme +registered, tip .*: agrees' "${i[@]}" verify alice --explain
expect 0 'eme +emercoin +emercoin +http://127' "${i[@]}" bnode list
expect 0 'eme +ok, no TLS, tip [0-9]+ of .*histories ok' "${i[@]}" bnode test
expect 0 'nam +ok, no TLS, tip [0-9]+ of .*histories ok' "${i[@]}" bnode test
expect 0 '2 of 2 are good, 2 must be' "${i[@]}" bnode test
expect 0 '"type": ?"namecoin"' "${i[@]}" --json bnode test
expect 0 "registration: $registration_emercoin" "${i[@]}" lookup alice
expect 0 "registration: $registration_namecoin" "${i[@]}" lookup Alice
expect 7 'nam +unregistered' "${i[@]}" lookup bob
expect 0 "T.*Z +registered +$registration_emercoin" "${i[@]}" history alice
expect 0 "block [0-9]+ +registered +$registration_namecoin" "${i[@]}" history alice
expect 7 'eme +unregistered' "${i[@]}" history bob
expect 0 'are good: nodes 2, answers needed 2' "${i[@]}" config check
expect 0 'credentials: "/.*emercoin.secret", min_confirmations: 1' "${i[@]}" config show

# What is wrong with a node, and what to switch on.
wrong() { # TYPE ON OFF EXIT PATTERN
	local command=("${emc[@]}")
	[ "$1" = emercoin ] || command=("${nmc[@]}")
	set_ "$1" "$2"
	expect "$4" "$5" "${command[@]}" bnode test
	expect "$4" UNAVAILABLE "${command[@]}" verify alice
	set_ "$1" "$3"
}
wrong emercoin '"no_wallet":true' '"no_wallet":false' 5 'load a wallet in the node, an empty one is enough'
wrong emercoin '"several_wallets":true' '"several_wallets":false' 5 'several wallets are loaded'
wrong emercoin '"no_txindex":true' '"no_txindex":false' 5 'run the node with -txindex=1'
wrong namecoin '"no_namehistory":true' '"no_namehistory":false' 5 'run the node with -namehistory=1'
for type in emercoin namecoin; do
	wrong $type '"ibd":true' '"ibd":false' 5 'still downloading blocks: wait until it is in sync'
	wrong $type '"warmup":true' '"warmup":false' 5 'the node is starting: wait until it answers'
	wrong $type '"tip_age_s":20000' '"tip_age_s":-1' 9 'stale.*tip'
	wrong $type '"unauthorized":true' '"unauthorized":false' 5 'refuses the credentials in /'
	wrong $type '"http_status":403' '"http_status":0' 5 'rpcallowip'
	wrong $type '"reply_html":true' '"reply_html":false' 5 'check that type: and url:'
done
config empty bob "emercoin: $registration_emercoin" "$(node emercoin)"
expect 0 'histories not tested \(it holds no name of the list\)' "$iotpki" --config empty/iotpki.yaml bnode test
chmod 0644 emercoin.secret
expect 5 'emercoin.secret: has mode 0644 and is not trusted; chmod it to 0600' "${emc[@]}" bnode test
expect 5 'emercoin.secret: has mode 0644' "${emc[@]}" verify alice --explain
chmod 0600 emercoin.secret
mv emercoin.secret away
expect 5 'emercoin.secret: cannot open: No such file' "${emc[@]}" bnode test
mv away emercoin.secret
config none alice "emercoin: $registration_emercoin" "name: emc, type: emercoin, url: \"$(cat emercoin.url)\""
expect 5 'name it under credentials:' "$iotpki" --config none/iotpki.yaml bnode test
expect 0 'ADMIT' "${emc[@]}" verify alice

# Deep enough, and revoked whatever is written over it.
config deep alice "emercoin: $registration_emercoin" "$(node emercoin ', min_confirmations: 4')"
call emercoin fake_mine '[4]' > /dev/null
expect 0 'ADMIT' "$iotpki" --config deep/iotpki.yaml verify alice
update emercoin iot:alice "sha256=$hash|x=1"
expect 5 'UNAVAILABLE' "$iotpki" --config deep/iotpki.yaml verify alice
expect 0 'histories ok' "$iotpki" --config deep/iotpki.yaml bnode test
for type in emercoin namecoin; do
	name=iot:alice
	[ $type = emercoin ] || name=iot/alice
	update $type $name "sha256=$hash|status=revoked"
	expect 7 'revoked \(IPK-203\)' "${i[@]}" verify alice
	expect 0 'revoked +[0-9a-f]{64}' "${i[@]}" history alice
	update $type $name "sha256=$hash"
done
expect 7 'revoked \(IPK-203\)' "${emc[@]}" verify alice
expect 7 'revoked \(IPK-203\)' "${nmc[@]}" verify alice
expect 7 'revoked' "$iotpki" --config deep/iotpki.yaml verify alice
expect 0 'nam +revoked' "${i[@]}" lookup alice

# The prototype's records (EMCSSL): ssl:<serial> with sha256=...
config ssl $serial "emercoin: $registration_ssl" "$(node emercoin ', name_prefix: "ssl:"')"
proto=("$iotpki" --config ssl/iotpki.yaml)
expect 0 "^ADMIT: $serial" "${proto[@]}" verify $serial
expect 0 "^ADMIT: $serial" "${proto[@]}" verify --key proto.pub --user pi --service sshd
expect 0 "value: +sha256=$(hash_of proto)" "${proto[@]}" lookup $serial
expect 0 'histories ok' "${proto[@]}" bnode test
update emercoin "ssl:$serial" "sha256=$hash"
expect 7 'hash-mismatch \(IPK-204\)' "${proto[@]}" verify --key proto.pub --user pi --service sshd
update emercoin "ssl:$serial" "sha256=$(hash_of proto)|status=revoked"
expect 7 'revoked \(IPK-203\)' "${proto[@]}" verify $serial

# Rolled back: what the agent knows of a node, from two answers 5 s apart, is more than the node has now.
if [ "$(id -u)" = 0 ]; then # a client believes root's agent alone
	call namecoin fake_mine '[40]' > /dev/null
	mkdir -m 0700 state
	mkfifo agent.ready
	"$BUILD/agent/iotpki-agent" --config "$work/two/iotpki.yaml" --state-dir "$work/state" --socket "$work/agent.sock" \
		--user root --log "file:$work/agent.log" --ready-fd 3 3> agent.ready 2> agent.err &
	pids+=($!)
	read -r _ < agent.ready || { cat agent.err agent.log; exit 1; }
	beside=("${nmc[@]}" --socket "$work/agent.sock")
	for _ in $(seq 100); do
		"${beside[@]}" refresh > /dev/null 2>&1 || true
		! "${beside[@]}" --json bnode test 2> /dev/null | grep -qE '"floor": ?[1-9]' || break
		sleep 0.2
	done
	expect 0 'nam +ok' "${beside[@]}" bnode test
	call namecoin fake_rollback '[30]' > /dev/null
	expect 9 'rolled back: it had a longer chain' "${beside[@]}" bnode test
	expect 0 'nam +ok' "${nmc[@]}" --socket "$work/no-agent.sock" bnode test
fi

if [ "$failed" -gt 0 ]; then
	echo "$failed of $count failed"
	exit 1
fi
echo "$count checks"
