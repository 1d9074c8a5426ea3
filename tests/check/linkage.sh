#!/bin/sh
# What PAM and sshd load stays tiny (design 2): libc, libpam for the module, libiotpki-client, and none of
# the calls that break a host. usage: linkage.sh KIND FILE...   KIND: helper, module or client
set -u
kind=$1
shift
bad=0
complain() { echo "$1: $2"; bad=1; }

case "$kind" in
helper) may='libc\.so\.6|libiotpki-client\.so\.0|ld-linux.*' ;;
module) may='libc\.so\.6|libpam\.so\.0|libiotpki-client\.so\.0|ld-linux.*' ;;
client) may='libc\.so\.6|ld-linux.*' ;;
*) echo "unknown kind $kind"; exit 2 ;;
esac
never='dlopen|dlmopen|dlsym|getpw.*|getgr.*|getaddrinfo|gethostby.*|fork|vfork|clone|execv.*|posix_spawn.*'
never="$never|pthread_.*|thrd_.*|sigaction|signal|bsd_signal|sysv_signal|sigset|popen|system|getenv|secure_getenv|setenv|putenv"
never="$never|unsetenv|clearenv|umask|chdir|fchdir|setlocale|uselocale|set[a-z]*[ug]id|setrlimit|prctl"
never="$never|openlog|syslog|vsyslog|closelog|pam_.*syslog|pam_set_data|atexit|__cxa_atexit|exit|_exit|abort|alarm|setitimer"

for f in "$@"; do
	needed=$(readelf -dW "$f" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	[ -n "$needed" ] || complain "$f" "needs nothing at all: not what was meant"
	extra=$(printf '%s\n' "$needed" | grep -vxE "$may" || true)
	[ -z "$extra" ] || complain "$f" "needs $extra"
	used=$(nm -D --undefined-only "$f" | awk '{print $NF}' | sed 's/@.*//' | grep -xE "_*($never)(64)?(_chk)?" || true)
	[ -z "$used" ] || complain "$f" "calls $(echo $used)"
	defined=$(nm -D --defined-only "$f" | awk '$2 != "A" {print $NF}' | sed 's/@.*//')
	case "$kind" in
	module)
		other=$(printf '%s\n' "$defined" | grep -vxE 'pam_sm_(authenticate|setcred|acct_mgmt|open_session|close_session)' || true)
		[ "$(printf '%s\n' "$defined" | grep -c '^pam_sm_')" = 5 ] || complain "$f" "does not define the five entry points"
		;;
	client) other=$(printf '%s\n' "$defined" | grep -vE '^iotpki_client_' || true) ;;
	helper) other=$(printf '%s\n' "$defined" | grep -E '^(pam_|iotpki_)' || true) ;;
	esac
	[ -z "$other" ] || complain "$f" "defines $(echo $other)"
done
echo "$# files examined as $kind"
[ $# -gt 0 ] || bad=1
exit $bad
