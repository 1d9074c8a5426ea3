#!/usr/bin/env bash
# usage: coverage.sh SOURCE-FOLDER ROWS
# Builds the decision with gcov, plays the rows, and fails below 100 % of branches or lines.
set -euo pipefail
source=$1
rows=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/iotpki-coverage-XXXXXX")
trap 'rm -rf "$work"' EXIT

cd "$work"
include=(-std=gnu17 -D_GNU_SOURCE -I"$source/libiotpki" -I"$source/libiotpki/include")
gcc -O0 -c "${include[@]}" "$source/tests/model/decide_rows.c" -o rows.o
gcc -O0 -c --coverage "${include[@]}" "$source/libiotpki/verify/decide.c" -o decide.o
gcc -O0 -c --coverage "${include[@]}" "$source/libiotpki/nvs/quorum.c" -o quorum.o
gcc --coverage rows.o decide.o quorum.o -o rows
./rows < "$rows" > rows.log
gcov --branch-probabilities --branch-counts decide.o quorum.o > gcov.log

# A section a file, ended by an empty line: "Lines executed:P% of N", "Taken at least once:P% of N".
count() {
	awk -F '[:% ]+' -v key="$1" '/^File /{ file = 1 } /^$/{ file = 0 }
		file && index($0, key) == 1 { hit += $(NF - 2) * $NF / 100; all += $NF }
		END { printf "%.0f %d\n", hit, all }' gcov.log
}
read -r branches_hit branches <<< "$(count 'Taken at least once')"
read -r lines_hit lines <<< "$(count 'Lines executed')"
echo "coverage: decide.c quorum.c: branches $branches_hit of $branches, lines $lines_hit of $lines"
if [ "$branches" -eq 0 ] || [ "$branches_hit" -ne "$branches" ] || [ "$lines_hit" -ne "$lines" ]; then
	grep -nE 'branch.*(taken 0$|never executed)|#####' -B4 decide.c.gcov quorum.c.gcov || true
	exit 1
fi
