#!/usr/bin/env bash
# The demo leaves users, files and processes as they were: after its end, after Ctrl-C and after kill -9.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Users; names, sizes, owners, modes and times of what a demo could touch; its mounts and processes. The clone's own
# build folder is not its business.
snapshot() {
	{
		getent passwd
		getent group
		find /etc /usr/libexec /usr/lib/x86_64-linux-gnu/security /usr/sbin /usr/bin /usr/share/man/man8 /run /var/lib /var/log /home /mnt \
			-xdev \( -path /run/user -o -path "$work" \) -prune -o -printf '%p %s %u %g %m %T@\n' 2>/dev/null | sort
		find / /srv /opt /var /root -xdev -maxdepth 1 -printf '%p\n' | sort
		# Others write here all the time; of ours there may be nothing.
		find /tmp /var/tmp -xdev -maxdepth 1 \( -name '*iotpki*' -o -name install.log -o -name init.log \) -printf '%p\n' | sort
		grep -c iotpki-private /proc/self/mounts || true
		ps -eo pid=,comm= | grep -E ' (iotpki-|sshd$)' || true
	} > "$1"
}

compare() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		snapshot "$work/after"
		cmp -s "$work/before" "$work/after" && { echo "figure: nothing is left after $1"; return; }
		sleep 0.3
	done
	echo "left behind after $1:"
	diff "$work/before" "$work/after" | head -40
	exit 1
}

# interrupted SIGNAL LABEL: in the middle, when B-nodes, agent and sshd are up.
interrupted() {
	setsid tests/e2e/demo.sh > "$work/demo.log" 2>&1 < /dev/null &
	local pid=$! i
	for ((i = 0; i < 600; i++)); do
		grep -q 'alice logs in' "$work/demo.log" && break
		kill -0 "$pid" 2>/dev/null || { cat "$work/demo.log"; exit 1; }
		sleep 0.1
	done
	grep -q 'alice logs in' "$work/demo.log" || { cat "$work/demo.log"; exit 1; }
	# Ctrl-C reaches the whole foreground group; kill -9 the one process that was started.
	if [ "$1" = INT ]; then kill -INT -- "-$pid"; else kill "-$1" "$pid"; fi
	wait "$pid" 2>/dev/null && { echo "the demo did not end on $1"; exit 1; }
	compare "$2"
}

snapshot "$work/before"
begin=$(date +%s)
tests/e2e/demo.sh > "$work/demo.log" 2>&1 || { cat "$work/demo.log"; exit 1; }
tail -n 1 "$work/demo.log"
echo "figure: the demo took $(($(date +%s) - begin)) s"
compare "its end"
interrupted INT "Ctrl-C"
interrupted KILL "kill -9"
