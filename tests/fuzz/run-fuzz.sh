#!/usr/bin/env bash
# ./run fuzz SECONDS: every target for so long under ASan and UBSan; then, built with its planted bug, every
# target must find it within a minute. Findings are kept in build-fuzz/findings.
set -euo pipefail
cd "$TOP"
seconds=$1
options=(-Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Db_pie=false -Doptimization=1
	-Dc_args=-fsanitize=fuzzer-no-link)
CC=clang "$TOP/run" build build-fuzz "${options[@]}"
CC=clang "$TOP/run" build build-planted "${options[@]}" -Dplant_bug=true
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
bad=0

# What libFuzzer finds grows a scratch corpus; the committed one is only read.
fuzz_one() {
	local folder=$1 name=$2 time=$3
	mkdir -p "$folder/corpus/$name" "$folder/findings"
	"$folder/tests/fuzz/fuzz_$name" -max_total_time="$time" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$folder/findings/$name-" -print_final_stats=1 \
		"$folder/corpus/$name" "tests/fuzz/corpus/$name" > "$folder/$name.log" 2>&1
}

for target in build-fuzz/tests/fuzz/fuzz_*; do
	[ -x "$target" ] && [ -f "$target" ] || continue
	name=${target##*/fuzz_}
	if fuzz_one build-fuzz "$name" "$seconds"; then
		printf 'fuzz: %-16s clean, %s runs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "build-fuzz/$name.log")"
	else
		printf 'fuzz: %-16s FINDING, see build-fuzz/%s.log\n' "$name" "$name"
		tail -n 30 "build-fuzz/$name.log"
		bad=1
	fi
	rm -rf "build-planted/corpus/$name"
	begin=$(date +%s)
	if fuzz_one build-planted "$name" 60; then
		printf 'fuzz: %-16s did NOT find its planted bug in 60 s\n' "$name"
		bad=1
	elif grep -q 'heap-buffer-overflow' "build-planted/$name.log" && grep -q plant_bug "build-planted/$name.log"; then
		printf 'fuzz: %-16s found its planted bug in %d s\n' "$name" $(($(date +%s) - begin))
	else
		printf 'fuzz: %-16s ended, but not by its planted bug: see build-planted/%s.log\n' "$name" "$name"
		bad=1
	fi
done
exit $bad
