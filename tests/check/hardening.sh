#!/bin/sh
# What the build made is hardened as it should be (security document, section 5). usage: hardening.sh FILE...
set -u
bad=0
complain() { echo "$1: $2"; bad=1; }
for f in "$@"; do
	dynamic=$(readelf -dW "$f")
	segments=$(readelf -lW "$f")
	header=$(readelf -hW "$f")
	echo "$header" | grep -q 'Type:.*DYN' || complain "$f" "is not position-independent"
	echo "$segments" | grep -q GNU_RELRO || complain "$f" "has no RELRO"
	echo "$dynamic" | grep -qE 'BIND_NOW|FLAGS.*NOW' || complain "$f" "is not bound at start"
	echo "$segments" | grep GNU_STACK | grep -q 'RWE' && complain "$f" "has an executable stack"
	echo "$dynamic" | grep -qE 'RPATH|RUNPATH' && complain "$f" "has a run path"
	[ "$(uname -m)" != x86_64 ] || objdump -d --no-show-raw-insn "$f" | grep -q endbr64 || complain "$f" "has no control-flow protection"
done
echo "$# files examined"
[ $# -gt 0 ] || bad=1
exit $bad
