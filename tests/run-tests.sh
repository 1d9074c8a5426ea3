#!/usr/bin/env bash
# ./run test: builds and runs everything that is tested, and ends with one line "N passed, N failed".
#   unit    tables of single modules             check   layers, exports, linkage, hardening, banned calls
#   fuzz    every committed fuzz corpus          model   the decision against its model, coverage, mutants, lies
#   pam     the module through libpam            e2e     real programs, real sshd, in a private root
#   fault   kills, failed calls, no descriptors under the real programs
# The sanitizer build runs unit, fuzz and pam again under ASan and UBSan.
set -euo pipefail
cd "$TOP"
passed=0 failed=0 skipped=0

# suites BUILD SUITE...: run, show what the suites want to be seen, count.
suites() {
	local folder=$1 args=() suite status=0
	shift
	for suite in "$@"; do args+=(--suite "$suite"); done
	printf '== %s: %s\n' "$folder" "$*"
	meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier 3 "${args[@]}" > "$folder/test.log" 2>&1 || status=$?
	grep -E '^ *[0-9]+/[0-9]+ .*(FAIL|TIMEOUT|ERROR)' "$folder/test.log" || true
	count "$folder"
	[ "$status" = 0 ] || { tail -n 150 "$folder/test.log"; }
}

# Every test of the last run, by its result; and the lines of figures that tests print (model, e2e).
count() {
	python3 - "$1/meson-logs/testlog.json" <<'EOF' > "$1/count"
import json, re, sys
passed = failed = skipped = 0
figures = []
for line in open(sys.argv[1]):
    test = json.loads(line)
    result = test["result"]
    if result == "OK":
        passed += 1
    elif result == "SKIP":
        skipped += 1
        figures.append(f"   skipped: {test['name']}")
    else:
        failed += 1
    for text in (test.get("stdout") or "").splitlines():
        if re.match(r"(figure|mutants|coverage|rows|survivor|bench):", text):
            figures.append("   " + text)
print(passed, failed, skipped)
print("\n".join(figures))
EOF
	local p f s
	read -r p f s < "$1/count"
	tail -n +2 "$1/count" | grep . || true
	printf '   %d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

"$TOP/run" build build
suites build check unit fuzz pam model e2e fault
"$TOP/run" build build-asan -Db_sanitize=address,undefined -Db_lundef=false
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
suites build-asan unit fuzz pam

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
