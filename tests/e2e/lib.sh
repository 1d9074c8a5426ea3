# Shared by the demo and the end-to-end tests; runs inside tests/harness/private-root only.
# Sets up what a small farm has: three B-nodes, an owner with a laptop, a device with sshd, and members.
# shellcheck shell=bash
set -euo pipefail

BUILD=${BUILD:-$PWD/build}
FARM=/var/iotpki-farm  # everything that this run makes beside the system's own folders
LOG=/var/log/iotpki-agent.log
SSHD_LOG=/var/log/iotpki-sshd.log
SSHD_PORT=
NODES=()              # pids of the B-nodes
URLS=() PINS=()
AGENT_PID= SSHD_PID=
STEP_COUNT=0
COLOUR_OK= COLOUR_END= COLOUR_BAD=
if [ -t 1 ]; then COLOUR_OK=$'\e[32m' COLOUR_BAD=$'\e[31m' COLOUR_END=$'\e[0m'; fi

say() { printf '%s\n' "$*"; }
ok() { STEP_COUNT=$((STEP_COUNT + 1)); printf '%sok%s   %s\n' "$COLOUR_OK" "$COLOUR_END" "$*"; }
fail() {
	printf '%sFAIL%s %s\n' "$COLOUR_BAD" "$COLOUR_END" "$*" >&2
	[ -s "$LOG" ] && { echo "--- the agent's last lines:" >&2; tail -n 12 "$LOG" >&2; }
	[ -s "$SSHD_LOG" ] && { echo "--- sshd's last lines:" >&2; tail -n 12 "$SSHD_LOG" >&2; }
	exit 1
}

# Ends quietly whatever still runs: the namespace ends with this process, and so do they.
trap 'exit 130' INT TERM HUP

# Wait until a command succeeds, at most so many tenths of a second.
wait_for() {
	local tenths=$1
	shift
	while ! "$@" >/dev/null 2>&1; do
		tenths=$((tenths - 1))
		[ "$tenths" -gt 0 ] || return 1
		sleep 0.1
	done
}

farm_install() {
	meson install -C "$BUILD" --no-rebuild --quiet > /tmp/install.log 2>&1 || { cat /tmp/install.log >&2; fail "meson install"; }
	ldconfig
	# The account names that the package will make.
	local user
	for user in _iotpki _iotpki-ssh _iotpki-bnode; do
		useradd --system --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin "$user"
	done
	for user in pi ops; do useradd --create-home --shell /bin/bash "$user"; done
	mkdir -p "$FARM" /etc/iotpki /run/sshd /run/iotpki /var/lib/iotpki/state
	chmod 0755 "$FARM" /run/iotpki
	chown root:_iotpki /etc/iotpki
	chmod 0750 /etc/iotpki
	chown _iotpki: /var/lib/iotpki/state
	chmod 0700 /var/lib/iotpki/state
}

as_owner() { XDG_DATA_HOME=$FARM/laptop iotpki "$@"; }

# The first B-node that is started chooses its port; a restart keeps it.
node_start() {
	local i=$1 url=${URLS[$1]:-https://127.0.0.1:0/} line
	mkfifo -m 0600 "$FARM/ready.$i"
	chown _iotpki-bnode: "$FARM/ready.$i"
	setpriv --reuid _iotpki-bnode --regid _iotpki-bnode --clear-groups \
		iotpki-bnode serve --dir "$FARM/node$i" --listen "$url" --ready-fd 9 9>"$FARM/ready.$i" 2>>"$FARM/node$i.log" &
	NODES[i]=$!
	read -r -t 10 line < "$FARM/ready.$i" || { cat "$FARM/node$i.log" >&2; fail "B-node $i did not start"; }
	rm "$FARM/ready.$i"
	URLS[i]=${line#url=}
	URLS[i]=${URLS[i]%% *}
	PINS[i]=${line##*pin=}
}

node_stop() {
	kill "${NODES[$1]}"
	wait "${NODES[$1]}" 2>/dev/null || true
}

# farm_nodes N: N B-nodes that take registrations from the owner alone, and the owner who made them.
farm_nodes() {
	local i owner args=()
	for ((i = 0; i < $1; i++)); do
		mkdir -m 0700 "$FARM/node$i"
		chown _iotpki-bnode: "$FARM/node$i"
	done
	# The owner's key exists before the nodes: they are told whom to believe.
	owner=$(as_owner dm init | sed -n 's/^owner: //p')
	[ ${#owner} = 64 ] || fail "the owner's key was not made"
	for ((i = 0; i < $1; i++)); do
		setpriv --reuid _iotpki-bnode --regid _iotpki-bnode --clear-groups \
			iotpki-bnode init --dir "$FARM/node$i" --owner "$owner" > "$FARM/init.log" 2>&1 || { cat "$FARM/init.log" >&2; fail "iotpki-bnode init"; }
		node_start "$i"
		args+=(--bnode "${URLS[i]}" --pin "${PINS[i]}")
	done
	as_owner dm init "${args[@]}" > /dev/null || fail "dm init"
}

# A person's key pair and certificate, and an ssh private key that ssh reads.
person() {
	iotpki identity new --name "$1" --algorithm "${2:-p256}" --dir "$FARM/people/$1" > /dev/null || fail "identity of $1"
	iotpki identity ssh-key --private --dir "$FARM/people/$1" > "$FARM/people/$1/id" || fail "ssh key of $1"
	chmod 0600 "$FARM/people/$1/id"
}
registered() { as_owner dm register --cert "$FARM/people/$1/cert.pem" --expires "${2:-365d}" > "$FARM/register.log" 2>&1 || { cat "$FARM/register.log" >&2; fail "register $1"; }; }
member() { iotpki member add --cert "$FARM/people/$1/cert.pem" --label "$1" --role operator --expires "${2:-30d}" > "$FARM/member.log" 2>&1 || { cat "$FARM/member.log" >&2; fail "member add $1"; }; }

farm_config() {
	local i
	{
		echo "version: 1"
		echo "bnodes:"
		for i in "${!URLS[@]}"; do
			echo "  - {name: node$i, type: iotpki, network: iotpki, url: \"${URLS[i]}\", pin: \"${PINS[i]}\"}"
		done
		echo "query: {answers: ${ANSWERS:-majority}, node_timeout_ms: 1000, deadline_ms: 2000}"
		echo "policy: {unreachable: hard-fail, positive_ttl: 1s}"
		echo "break_glass: {users: [root]}"
	} > /etc/iotpki/iotpki.yaml
	cat > /etc/iotpki/members.yaml <<-'EOF'
	# Who may come in.
	version: 1
	roles:
	  operator: {users: [pi], services: [sshd, sudo, login], ssh_options: [restrict, pty]}
	members: []
	EOF
	chown root:_iotpki /etc/iotpki/iotpki.yaml /etc/iotpki/members.yaml
	chmod 0640 /etc/iotpki/iotpki.yaml /etc/iotpki/members.yaml
}

agent_start() {
	mkfifo -m 0600 "$FARM/ready.agent"
	iotpki-agent --log "file:$LOG" --ready-fd 9 9>"$FARM/ready.agent" 2>>/var/log/iotpki-agent.err "$@" &
	AGENT_PID=$!
	read -r -t 10 _ < "$FARM/ready.agent" || { cat /var/log/iotpki-agent.err >&2; fail "the agent did not start"; }
	rm "$FARM/ready.agent"
}

agent_stop() {
	kill "$AGENT_PID"
	wait "$AGENT_PID" 2>/dev/null || true
}

# The PAM lines of the manual page around Debian's unmodified stack: ours first, so that the session line
# sees sshd's own SSH_AUTH_INFO_0, before any pam_env can overwrite it.
pam_ours() {
	[ -e /etc/pam.d/sshd.debian ] || cp /etc/pam.d/sshd /etc/pam.d/sshd.debian
	{
		echo "account [success=ok new_authtok_reqd=ok ignore=ignore default=die] pam_iotpki.so ssh ${1:-}"
		echo "session [success=ok new_authtok_reqd=ok ignore=ignore default=die] pam_iotpki.so ssh ${1:-}"
		cat /etc/pam.d/sshd.debian
	} > /etc/pam.d/sshd
}
pam_stock() { [ ! -e /etc/pam.d/sshd.debian ] || cp /etc/pam.d/sshd.debian /etc/pam.d/sshd; }

free_port() { python3 - <<'EOF' 2>/dev/null || shuf -i 20000-60000 -n 1
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
EOF
}

# sshd_start [EXTRA-CONFIGURATION-LINES]: stock sshd on loopback; keys come from iotpki alone unless said otherwise.
sshd_start() {
	[ -n "$SSHD_PORT" ] || SSHD_PORT=$(free_port)
	[ -e "$FARM/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$FARM/host_key"
	cat > /etc/ssh/sshd_config.test <<-EOF
	Port $SSHD_PORT
	ListenAddress 127.0.0.1
	PidFile none
	HostKey $FARM/host_key
	UsePAM yes
	LogLevel VERBOSE
	PrintMotd no
	AuthorizedKeysCommand /usr/libexec/iotpki-authorized-keys %u %t %k
	AuthorizedKeysCommandUser _iotpki-ssh
	${1:-AuthorizedKeysFile none
	AuthenticationMethods publickey
	PasswordAuthentication no}
	EOF
	/usr/sbin/sshd -D -f /etc/ssh/sshd_config.test -E "$SSHD_LOG" &
	SSHD_PID=$!
	printf '[127.0.0.1]:%s %s\n' "$SSHD_PORT" "$(cut -d' ' -f1,2 "$FARM/host_key.pub")" > "$FARM/known_hosts"
	wait_for 50 bash -c "exec 3<>/dev/tcp/127.0.0.1/$SSHD_PORT" || fail "sshd did not start"
}

sshd_stop() {
	kill "$SSHD_PID"
	wait "$SSHD_PID" 2>/dev/null || true
}

# login WHO [ACCOUNT] [KEY-FILE]: the stock client; succeeds if a command ran in a session as ACCOUNT.
login() {
	local who=$1 account=${2:-pi} key=${3:-$FARM/people/$1/id} out
	out=$(ssh -F none -p "$SSHD_PORT" -i "$key" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
		-o UserKnownHostsFile="$FARM/known_hosts" -o StrictHostKeyChecking=yes -o ConnectTimeout=10 \
		"$account@127.0.0.1" 'echo session-of-$(id -un)' 2>"$FARM/ssh.err" < /dev/null) || return 1
	[ "$out" = "session-of-$account" ]
}

log_mark() { LOG_FROM=$(wc -l < "$LOG" 2>/dev/null || echo 0); }
log_since() { tail -n "+$((LOG_FROM + 1))" "$LOG"; }

# admitted WHO: the login works, and every decision about it was ADMIT.
admitted() {
	log_mark
	login "$@" || fail "$1 should have been admitted: $(tail -n1 "$FARM/ssh.err")"
	log_since | grep -q "verdict=ADMIT .*label=$1 .*user=${2:-pi} " || fail "no log line admits $1"
	! log_since | grep -Eq 'verdict=(DENY|UNAVAILABLE)' || fail "a decision during $1's login was not ADMIT"
}

# refused REASON WHO [ACCOUNT] [KEY]: no session, and exactly this reason in the log lines of this attempt.
refused() {
	local want=$1 reasons
	shift
	log_mark
	! login "$@" || fail "$1 should have been refused ($want)"
	reasons=$(log_since | grep -E "user=${2:-pi}( |$)" | grep -o ' reason=[a-z-]*' | sort -u | tr -d '\n')
	[ "$reasons" = " reason=$want" ] || fail "the reason of $1's refusal is '$reasons', not '$want'"
}
