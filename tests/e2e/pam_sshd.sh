#!/usr/bin/env bash
# PAM through real sshd with Debian's unmodified sshd stack plus our two lines (design 9): ways round the
# AuthorizedKeysCommand that only PAM can close. Each gets in when our lines are taken out.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
[ "${1:-}" = inside ] || exec tests/harness/private-root "$PWD/tests/e2e/pam_sshd.sh" inside
. tests/e2e/lib.sh

farm_install
farm_nodes 1
for who in alice grace; do person "$who"; registered "$who"; done
farm_config
for who in alice grace; do member "$who"; done
agent_start
pam_ours break_glass_user=root
sshd_start "AuthenticationMethods any
PasswordAuthentication yes
PermitRootLogin prohibit-password"
echo 'pi:correct horse' | chpasswd

# What an installed key looks like: sshd finds it in the file and never asks our command.
keep_key() {
	local home
	home=$(getent passwd "$2" | cut -d: -f6)
	install -d -m 0700 -o "$2" "$home/.ssh"
	ssh-keygen -y -f "$FARM/people/$1/id" >> "$home/.ssh/authorized_keys"
	chown "$2" "$home/.ssh/authorized_keys"
	chmod 0600 "$home/.ssh/authorized_keys"
}

password_login() {
	printf '#!/bin/sh\necho correct horse\n' > "$FARM/askpass"
	chmod 0755 "$FARM/askpass"
	[ "$(SSH_ASKPASS=$FARM/askpass SSH_ASKPASS_REQUIRE=force ssh -F none -p "$SSHD_PORT" -o PubkeyAuthentication=no \
		-o PreferredAuthentications=password,keyboard-interactive -o NumberOfPasswordPrompts=1 \
		-o UserKnownHostsFile="$FARM/known_hosts" -o StrictHostKeyChecking=yes \
		pi@127.0.0.1 'echo session-of-$(id -un)' 2>"$FARM/ssh.err" </dev/null)" = session-of-pi ]
}

# without_ours COMMAND...: succeeds only where our lines are not in the stack.
only_without_ours() {
	local what=$1
	shift
	pam_ours break_glass_user=root
	admitted alice
	! "$@" || fail "$what: got a session"
	admitted alice
	pam_stock
	"$@" || fail "$what: got no session even without our lines, so that the test shows nothing: $(tail -n1 "$FARM/ssh.err")"
	pam_ours break_glass_user=root
	ok "$what: no session with our lines, one without"
}

as_owner dm revoke grace --yes > /dev/null || fail "dm revoke grace"
keep_key grace pi
sleep 1.1
only_without_ours "a revoked member's key left in authorized_keys" login grace

alice_key=$(ssh-keygen -y -f "$FARM/people/alice/id" | cut -d' ' -f1,2)
printf 'SSH_AUTH_INFO_0 DEFAULT="publickey %s"\n' "$alice_key" > /home/pi/.pam_environment
chown pi: /home/pi/.pam_environment
only_without_ours "the same with ~/.pam_environment naming a colleague's key" login grace
rm /home/pi/.pam_environment

only_without_ours "the right password, right after a colleague's login" password_login

keep_key alice root
admitted alice
agent_stop
! login alice || fail "a member was admitted although the agent is stopped"
login alice root || fail "the break-glass user got no shell with the agent stopped: $(tail -n1 "$FARM/ssh.err")"
ok "break-glass user with the agent stopped: a shell"
agent_start
admitted alice

echo "figure: $STEP_COUNT ways round the key command are closed by PAM"
