#!/usr/bin/env bash
# usage: run-model.sh SOURCE-FOLDER DECIDE-ROWS BUILD-FOLDER
# The decision against both models, the branches that the rows reach, the mutants that they notice.
set -euo pipefail
source=$1
decide_rows=$2
export TMPDIR=$3 # mutants are compiled in it: not in a /tmp that others tidy up
rows=$(mktemp "$TMPDIR/rows-XXXXXX")
trap 'rm -f "$rows"' EXIT

python3 "$source/tests/model/model.py" > "$rows"
"$decide_rows" < "$rows"
python3 "$source/tests/model/second.py" < "$rows" | "$decide_rows" "second model"
"$source/tests/model/coverage.sh" "$source" "$rows"
python3 "$source/tests/model/mutate.py" "$source" "$rows"
