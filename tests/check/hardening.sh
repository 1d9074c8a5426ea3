#!/bin/sh
# What is installed is hardened as it should be (security document, section 5). Installs into a scratch folder,
# since the build tree's own binaries carry a run path to find each other. usage: hardening.sh BUILD-FOLDER
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
meson install -C "$1" --no-rebuild --quiet --destdir "$scratch" > "$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
bad=0
count=0
complain() { echo "${1#"$scratch"}: $2"; bad=1; }
for f in $(find "$scratch" -type f -perm -u+r ! -name '*.a'); do
	[ "$(head -c 4 "$f" | od -An -c | tr -d ' ')" = '177ELF' ] || continue
	count=$((count + 1))
	dynamic=$(readelf -dW "$f")
	segments=$(readelf -lW "$f")
	readelf -hW "$f" | grep -q 'Type:.*DYN' || complain "$f" "is not position-independent"
	echo "$segments" | grep -q GNU_RELRO || complain "$f" "has no RELRO"
	echo "$dynamic" | grep -qE 'BIND_NOW|FLAGS.*NOW' || complain "$f" "is not bound at start"
	echo "$segments" | grep GNU_STACK | grep -q 'RWE' && complain "$f" "has an executable stack"
	echo "$dynamic" | grep -qE 'RPATH|RUNPATH' && complain "$f" "has a run path"
	[ "$(uname -m)" != x86_64 ] || objdump -d --no-show-raw-insn "$f" | grep -q endbr64 || complain "$f" "has no control-flow protection"
	readelf -sW "$f" | grep -q '__stack_chk_fail' || complain "$f" "has no stack protector"
done
echo "$count files examined"
# The three libraries and modules, and the four programs.
[ $count -ge 7 ] || { echo "too few: the check looks in the wrong place"; bad=1; }
exit $bad
