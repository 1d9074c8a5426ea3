#!/usr/bin/env bash
# Before each of 1,000 acknowledgements the ledger's data has been synced: kill -9 could not show it,
# because the page cache outlives a process; the system calls can. usage: synced.sh LEDGER_WRITER
set -euo pipefail
writer=$1
command -v strace > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strace -o /dev/null true 2> /dev/null || exit 77

"$writer" init "$work"
strace -f -o "$work/trace" -e trace=openat,close,write,writev,pwrite64,pwritev,fdatasync,fsync,msync \
	"$writer" write "$work" 1000 > "$work/acknowledged"
[ "$(wc -l < "$work/acknowledged")" = 1000 ]

# dirty: bytes written to the ledger that no finished sync covers. LMDB writes its two meta pages through
# a descriptor of their own that is O_DSYNC: such a write is on the disk when it returns.
judge() { awk '
function fd(   text) { text = $0; sub(/^[^(]*\(/, "", text); sub(/[^0-9].*/, "", text); return text + 0 }
function failed() { return $0 ~ /= -1/ }
/unfinished|resumed/		{ print "a call was cut in two: " $0; bad = 1; exit }
/ openat\(.*data\.mdb/		{ n = $NF; dsync[n] = /O_DSYNC|O_SYNC/; data[n] = 1; next }
/ close\(/			{ delete data[fd()]; next }
/ fdatasync\(| fsync\(| msync\(/ { if (failed()) { print "failed: " $0; bad = 1; exit } if (data[fd()]) { dirty = 0; synced++ } next }
/ (pwrite64|pwritev|writev)\(/	{ if (data[fd()]) { if (dsync[fd()]) meta++; else dirty++ } next }
/ write\(1, "[0-9a-f]/		{
	acknowledged++
	if (!synced || !meta || dirty) { printf "acknowledgement %d: syncs %d, meta writes %d, not synced %d\n", acknowledged, synced, meta, dirty; bad = 1; exit }
	synced = 0; meta = 0
}
END {
	if (!bad && acknowledged != 1000) { print "seen: " acknowledged " acknowledgements"; bad = 1 }
	if (!bad) print "figure: ledger acknowledgements=1000 each_after_a_finished_sync=1000"
	exit bad
}' "$1"; }
judge "$work/trace"

# The judge itself: traces in which a sync, or all of them, did not happen must not pass.
grep -v fdatasync "$work/trace" > "$work/none"
awk '/fdatasync/ && ++n == 500 { next } { print }' "$work/trace" > "$work/one_missing"
sed '0,/fdatasync(\(.*\)= 0/s//fdatasync(\1= -1 EIO/' "$work/trace" > "$work/one_failed"
for broken in none one_missing one_failed; do
	cmp -s "$work/trace" "$work/$broken" && { echo "$broken changed nothing"; exit 1; }
	if judge "$work/$broken" > "$work/said"; then echo "a trace with $broken passes"; exit 1; fi
done
