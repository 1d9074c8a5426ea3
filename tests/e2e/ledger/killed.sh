#!/usr/bin/env bash
# A writer under load is killed 50 times with SIGKILL; whatever it has acknowledged is in the ledger, and the
# ledger is clean. usage: killed.sh LEDGER_WRITER
set -euo pipefail
writer=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$writer" init "$work"
mkfifo "$work/pipe"
: > "$work/acknowledged"
for round in $(seq 50); do
	"$writer" write "$work" 100000 > "$work/pipe" &
	pid=$!
	exec 3< "$work/pipe"
	for _ in $(seq $((round % 17 + 1))); do
		read -r line <&3
		printf '%s\n' "$line" >> "$work/acknowledged"
	done
	kill -KILL "$pid"
	# Shell messages about the kill are not of interest; what was on its way through the pipe counts.
	wait "$pid" 2> /dev/null || true
	while read -r line; do printf '%s\n' "$line"; done <&3 >> "$work/acknowledged"
	exec 3<&-
done
count=$("$writer" check "$work" < "$work/acknowledged")
"$writer" audit --dir "$work"
printf 'figure: ledger kills=50 acknowledged=%s lost=0\n' "$count"
