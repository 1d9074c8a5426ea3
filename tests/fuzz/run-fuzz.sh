#!/usr/bin/env bash
# ./run fuzz SECONDS: every target for so long under ASan and UBSan, two at a time; then, built with its
# planted bug, every target must find it within a minute. Findings are kept in build-fuzz/findings.
set -euo pipefail
cd "$TOP"
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# What libFuzzer finds grows a scratch corpus; the committed one is only read.
fuzz_one() {
	local folder=$1 name=$2 time=$3
	mkdir -p "$folder/corpus/$name" "$folder/findings"
	"$folder/tests/fuzz/fuzz_$name" -max_total_time="$time" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$folder/findings/$name-" -print_final_stats=1 \
		"$folder/corpus/$name" "tests/fuzz/corpus/$name" > "$folder/$name.log" 2>&1
}

clean() {
	local name=$1
	if fuzz_one build-fuzz "$name" "$2"; then
		printf 'fuzz: %-16s clean, %s runs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "build-fuzz/$name.log")"
		return 0
	fi
	printf 'fuzz: %-16s FINDING, see build-fuzz/%s.log\n' "$name" "$name"
	return 1
}

planted() {
	local name=$1 begin
	rm -rf "build-planted/corpus/$name"
	begin=$(date +%s)
	if fuzz_one build-planted "$name" 60; then
		printf 'fuzz: %-16s did NOT find its planted bug in 60 s\n' "$name"
		return 1
	fi
	if grep -q 'heap-buffer-overflow' "build-planted/$name.log" && grep -q plant_bug "build-planted/$name.log"; then
		printf 'fuzz: %-16s found its planted bug in %d s\n' "$name" $(($(date +%s) - begin))
		return 0
	fi
	printf 'fuzz: %-16s ended, but not by its planted bug: see build-planted/%s.log\n' "$name" "$name"
	return 1
}

case "$1" in
clean) clean "$2" "$3" ;;
planted) planted "$2" ;;
*)
	options=(-Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Db_pie=false -Doptimization=1
		-Dc_args=-fsanitize=fuzzer-no-link)
	CC=clang "$TOP/run" build build-fuzz "${options[@]}"
	CC=clang "$TOP/run" build build-planted "${options[@]}" -Dplant_bug=true
	names=$(find build-fuzz/tests/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x -printf '%f\n' | sed 's/^fuzz_//' | sort)
	[ -n "$names" ] || { echo "no fuzz target was built"; exit 1; }
	bad=0
	for name in $names; do echo "$name"; done | xargs -P 2 -I '{}' "$0" clean '{}' "$1" || bad=1
	for name in $names; do echo "$name"; done | xargs -P 2 -I '{}' "$0" planted '{}' || bad=1
	exit $bad
	;;
esac
