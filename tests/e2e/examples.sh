#!/usr/bin/env bash
# The examples of etc/ are what their programs take: configuration and list load as they stand and with
# what they show in comments, sshd takes the snippet, and the PAM lines are those of the manual page.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
[ "${1:-}" = inside ] || exec tests/harness/private-root "$PWD/tests/e2e/examples.sh" inside
. tests/e2e/lib.sh

farm_install
doc=$(dirname "$(find /usr /opt -path '*examples/iotpki.yaml' -print -quit)")
[ -e "$doc/members.yaml" ] || fail "the examples are not installed"
install -m 0640 -g _iotpki "$doc/iotpki.yaml" "$doc/members.yaml" /etc/iotpki/
iotpki config check > /tmp/out 2> /tmp/err || { cat /tmp/err; fail "the examples do not load"; }
grep -qF 'bnodes is empty: nobody is admitted' /tmp/err || fail "an empty list of B-nodes is not warned of"
[ "$(wc -l < /tmp/err)" = 1 ] || { cat /tmp/err; fail "the example configuration is warned of"; }

# "What stands here are the defaults": without it, the same is in force.
iotpki config show > /tmp/shown
echo 'version: 1' > /etc/iotpki/iotpki.yaml
iotpki config show | diff - /tmp/shown || fail "the values of etc/iotpki.yaml are not the defaults"

# What is shown in comments is taken when the comment signs go.
pin=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
sed -e '/^bnodes: \[\]/d' -e '/^# bnodes:/,/^$/s/^# \?//' -e "s|sha256//...=|$pin|" "$doc/iotpki.yaml" > /etc/iotpki/iotpki.yaml
sed -e 's/^  # peer:/  peer:/' "$doc/members.yaml" > /etc/iotpki/members.yaml
iotpki config check > /tmp/out 2> /tmp/err || { cat /tmp/err; fail "what the examples show in comments does not load"; }
grep -q 'nodes 2,' /tmp/out || { cat /tmp/out; fail "the two B-nodes of the comment are not there"; }

# sshd: for a member of the group the key comes from iotpki alone; for others nothing changes.
groupadd iotpki-accounts
usermod -aG iotpki-accounts pi
ssh-keygen -q -t ed25519 -N '' -f "$FARM/host_key"
printf 'HostKey %s\nInclude %s\n' "$FARM/host_key" "$doc/sshd_config.d/50-iotpki.conf" > "$FARM/sshd_config"
/usr/sbin/sshd -t -f "$FARM/sshd_config" || fail "sshd does not take the snippet"
/usr/sbin/sshd -T -f "$FARM/sshd_config" -C user=pi,host=h,addr=127.0.0.1 > "$FARM/pi.conf"
for line in 'authorizedkeyscommand /usr/libexec/iotpki-authorized-keys %u %t %k' 'authorizedkeyscommanduser _iotpki-ssh' \
	'authorizedkeysfile none' 'trustedusercakeys none' 'authenticationmethods publickey' 'passwordauthentication no'; do
	grep -qixF "$line" "$FARM/pi.conf" || fail "sshd for a managed account: not '$line'"
done
[ -x /usr/libexec/iotpki-authorized-keys ] || fail "the helper is not where the snippet says"
/usr/sbin/sshd -T -f "$FARM/sshd_config" -C user=ops,host=h,addr=127.0.0.1 > "$FARM/ops.conf"
! grep -q '^authorizedkeyscommand .*iotpki' "$FARM/ops.conf" ||
	fail "the snippet changes accounts outside of its group"

# PAM: the lines of the example stand in pam_iotpki(8) too, and name a module that is installed.
grep -v '^#' "$doc/pam.d/sshd-iotpki" | grep . | tr -s '\t ' ' ' > "$FARM/pam.lines"
[ "$(wc -l < "$FARM/pam.lines")" = 2 ] || fail "the PAM example has not two lines"
while read -r line; do
	grep -qxF -- "$line" docs/man/pam_iotpki.8.scd || fail "pam_iotpki(8) has not the line '$line'"
done < "$FARM/pam.lines"
[ -n "$(find /lib/ /usr/lib/ -name pam_iotpki.so -path '*/security/*' -print -quit)" ] || fail "the module is not where PAM looks"
echo "figure: the examples of etc/ load"
