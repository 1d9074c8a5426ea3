#!/usr/bin/env bash
# ./run bench: one line a benchmark, each a ratio against a peer that is measured in the same run.
# Every program or script named bench_* of the release build is one.
set -euo pipefail
cd "$TOP"
folder=$1
status=0
for bench in "$folder"/tests/bench/bench_* tests/bench/bench_*.sh; do
	[ -f "$bench" ] && [ -x "$bench" ] || continue
	BUILD="$TOP/$folder" "$bench" || status=1
done
exit $status
